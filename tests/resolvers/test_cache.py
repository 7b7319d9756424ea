"""The cache on the real servers: what is kept, and that nobody is given less than what was acknowledged."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from graph import edges
from graph.database import Database
from graph.eager import Eager, EagerKey, EagerPage, eager_lookup
from graph.edges import RELATES_TO, REMEMBERS, Direction
from graph.epoch import forget_everywhere
from graph.errors import SocietyError, Unavailable
from graph.filters import compile_filter
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, MEMORY_BY_ID, LookupKey
from graph.model import Agent, Memory, Relationship
from graph.page import Page
from graph.prefixes import KnowledgeSearch, KnowledgeTally
from graph.reads import Key
from graph.search import MemorySearch, SearchKey
from graph.writes.agents import CreateAgents, DeleteAgents, UpdateAgent
from graph.writes.change import Change
from graph.writes.knowledge import Learn
from graph.writes.memories import AddMemories, ForgetMemories
from graph.writes.relationships import SetRelationship
from resolvers import closing
from resolvers.coalescer import Coalescer
from resolvers.connections import connect
from resolvers.loaders import Loaders
from resolvers.near import Asked
from resolvers.tags import tags_of
from tests.workers import AGENTS, Server, Worker

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def agent(number: int = 0) -> LookupKey:
    return LookupKey(AGENT_BY_ID, f"Agent:{number}")


def by_key(number: int = 0) -> LookupKey:
    return LookupKey(AGENT_BY_KEY, f"a{number}")


def with_lists(number: int = 0) -> EagerKey:
    """Asks for an agent together with memories and relationships."""
    closest = connect(Loaders(Coalescer(None)), RELATES_TO, parent="").key  # pyright: ignore
    pages = (memories(number).shape, replace(closest.shape, brings=AGENT_BY_ID))
    return EagerKey(eager_lookup(AGENT_BY_KEY, pages), by_key(number))


def memories(number: int = 0, **arguments: Any) -> Key:
    return connect(Loaders(Coalescer(None)), REMEMBERS, parent=f"Agent:{number}", **arguments).key  # pyright: ignore


def rename(number: int, name: str) -> Change:
    return UpdateAgent.read({"key": f"a{number}", "name": name}, NOW)


def remember(number: int = 0) -> Change:
    return AddMemories.read({"memories": [{"agent": f"a{number}", "content": "x", "importance": 0.5}]}, NOW)


def learn(number: int, content: str) -> Change:
    return Learn.read(
        {"knowledge": [{"agent": f"a{number}", "topic": "baking", "content": content, "confidence": 0.5}]}, NOW
    )


def test_what_was_asked_for_is_forgotten_in_the_end():
    asked = Asked(most=3)
    assert [asked.again(name) for name in "aabcb"] == [False, True, False, False, True]
    # Three more came, and three after them.
    assert [asked.again(name) for name in "def"] == [False] * 3
    assert asked.again("d")
    assert [asked.again(name) for name in "ghi"] == [False] * 3
    assert not asked.again("a")


async def test_what_was_read_is_found_near(workers: list[Worker]):
    one, _ = workers
    first = await one.get(by_key())
    assert (one.cache.counts.missed, one.cache.counts.near) == (1, 0)
    assert await one.get(by_key()) is first
    assert one.cache.counts.near == 1
    one.cache.near.clear()
    assert await one.get(by_key()) == first
    assert one.cache.counts.missed == 2


async def test_a_write_changes_what_both_read_and_leaves_the_rest(workers: list[Worker]):
    one, other = workers
    for each in workers:
        assert (await each.get(agent())).name == "0"
        assert (await each.get(memories())).items == []
    await one.writes.commit(rename(0, "1"))
    for each in workers:
        assert (await each.get(agent())).name == "1"
        assert (await each.get(by_key())).name == "1"
        near = each.cache.counts.near
        assert (await each.get(memories())).items == []
        assert each.cache.counts.near == near + 1, "its memories are what they were"
    result = await other.writes.commit(remember())
    for each in workers:
        assert [memory.id for memory in (await each.get(memories())).items] == [result["memories"][0].id]
    await one.writes.commit(ForgetMemories.read({"ids": [result["memories"][0].id]}, NOW))
    for each in workers:
        assert (await each.get(memories())).items == []


async def test_pages_come_without_lists_where_these_may_be_kept(workers: list[Worker]):
    one, _ = workers
    page = connect(Loaders(Coalescer(None)), edges.AGENTS).key  # pyright: ignore
    with_memories = EagerKey(EagerPage(page.shape, (memories().shape,)), page)
    found = await one.get(with_memories)
    assert isinstance(found, Page)
    assert await one.get(page) is found
    (passed,) = await one.coalescer.load_many([with_memories])
    assert len(passed.pages) == len(found.items) > 0


async def test_what_was_loaded_eagerly_is_kept_like_what_was_asked_for(workers: list[Worker]):
    one, other = workers
    tie = SetRelationship.read({"source": "a0", "target": "a1", "strength": 0.5}, NOW)
    await one.writes.commit(tie)
    for each in workers:
        found = await each.get(with_lists())
        (_, remembered), (_, ties) = found.pages
        assert (found.answer.name, remembered.items, ties.items[0].strength) == ("0", [], 0.5)
        assert [far.id for far in ties.brought] == ["Agent:1"]
        missed = each.cache.counts.missed
        assert missed == 4, "the agent, the lists and the one at the other end"
        # Who is kept comes without lists, which are kept by themselves, as is who came with one of them.
        assert await each.get(with_lists()) is found.answer
        assert await each.get(by_key()) is found.answer
        kept = [await each.get(key) for key, _ in found.pages]
        assert [(page.items, page.brought) for page in kept] == [(remembered.items, None), (ties.items, None)]
        assert await each.get(LookupKey(AGENT_BY_ID, "Agent:1")) == ties.brought[0]
        assert each.cache.counts.missed == missed
    await other.writes.commit(remember())
    await other.writes.commit(rename(1, "1"))
    for each in workers:
        missed = each.cache.counts.missed
        assert (await each.get(by_key())).name == "0"
        assert each.cache.counts.missed == missed, "the agent is who it was"
        again = await each.get(with_lists())
        assert [len(page.items) for _, page in again.pages] == [1, 1], "one list has changed: all is read at once"
        assert len((await each.get(memories())).items) == 1
        assert (await each.get(LookupKey(AGENT_BY_ID, "Agent:1"))).name == "1"
        assert each.cache.counts.missed == missed + 3, "the agent, what it remembers and the one at the other end"
    await one.writes.commit(DeleteAgents.read({"keys": ["a0"]}, NOW))
    assert [await each.get(with_lists()) for each in workers] == [None, None]


async def test_who_is_deleted_is_gone_for_those_tied_to_them_as_well(migrated: Database, workers: list[Worker]):
    tie = """MATCH (a:Agent {key: 'a0'}), (b:Agent {key: 'a1'})
    CREATE (a)-[:RELATES_TO {id: 'Relationship:1', sourceId: a.id, targetId: b.id, kind: 'x', strength: 0.5, trust: 0.5,
      firstMetAt: datetime()}]->(b)"""
    await migrated.write("tie", tie)
    ties = connect(Loaders(workers[0].coalescer), RELATES_TO, parent="Agent:0").key
    for each in workers:
        assert len((await each.get(ties)).items) == 1
        assert (await each.get(agent(1))).key == "a1"
    await workers[0].writes.commit(DeleteAgents.read({"keys": ["a1"]}, NOW))
    for each in workers:
        assert (await each.get(ties)).items == []
        assert await each.get(agent(1)) is None


async def test_what_others_write_is_seen_once_they_let_everybody_forget(migrated: Database, workers: list[Worker]):
    for each in workers:
        assert (await each.get(memories())).items == []
    create = (
        "MATCH (a:Agent {key: 'a0'}) CREATE (a)-[:REMEMBERS]->(:Memory {id: 'Memory:1', agentId: a.id, kind: 'EVENT', "
    )
    create += "content: 'x', importance: 0.5, createdAt: datetime(), accessedAt: datetime(), accessCount: 0})"
    await migrated.write("behind the back", create)
    await forget_everywhere(migrated)
    for each in workers:
        await each.trust()
        assert len((await each.get(memories())).items) == 1


async def test_the_list_of_agents_changes_with_who_comes_changes_and_goes(workers: list[Worker]):
    one, other = workers
    people = connect(Loaders(one.coalescer), edges.AGENTS).key

    async def names() -> list[str]:
        found = [sorted(agent.name for agent in (await each.get(people)).items) for each in workers]
        assert found[0] == found[1]
        return found[0]

    assert await names() == ["0", "0", "0"]
    await one.writes.commit(CreateAgents.read({"agents": [{"key": "new", "name": "1"}]}, NOW))
    assert await names() == ["0", "0", "0", "1"]
    await other.writes.commit(rename(2, "2"))
    assert await names() == ["0", "0", "1", "2"]
    await one.writes.commit(DeleteAgents.read({"keys": ["a2"]}, NOW))
    assert await names() == ["0", "0", "1"]
    before = other.cache.counts.near
    assert await names() == ["0", "0", "1"]
    assert other.cache.counts.near == before + 1


@pytest.mark.parametrize("owner", [None, "Agent:0"])
async def test_what_is_learned_is_found_by_every_worker_at_once(workers: list[Worker], owner: str | None):
    one, other = workers
    page, tally = (SearchKey(shape, "bread", owner) for shape in (KnowledgeSearch(20), KnowledgeTally()))
    for times in range(3):
        for each in workers:
            for _ in range(2):
                assert len((await each.get(page)).items) == await each.get(tally) == times
        await one.writes.commit(learn(0, f"Bread of kind {times} is brown."))
    assert len((await other.get(page)).items) == await other.get(tally) == 3
    assert [each.cache.counts.near for each in workers] == [6, 6]
    assert other.cache.counts.passed == 0


async def test_what_is_known_by_an_agent_who_goes_is_not_found(workers: list[Worker]):
    one, other = workers
    page = SearchKey(KnowledgeSearch(20), "bread")
    await one.writes.commit(learn(0, "Bread is brown."))
    assert len((await other.get(page)).items) == 1
    await one.writes.commit(DeleteAgents.read({"keys": ["a0"]}, NOW))
    assert (await other.get(page)).items == []


async def test_what_others_remember_leaves_what_is_known(workers: list[Worker]):
    one, _ = workers
    page = SearchKey(KnowledgeSearch(20), "bread")
    first = await one.get(page)
    await one.writes.commit(remember(0))
    assert await one.get(page) is first


async def test_an_absent_agent_is_not_kept(workers: list[Worker]):
    for _ in range(2):
        assert await workers[0].get(agent(9)) is None
    assert workers[0].cache.counts.missed == 2


def test_only_what_an_agents_tags_stand_for_is_kept():
    def listing(edge: Any, **arguments: Any) -> Key:
        return connect(Loaders(Coalescer(None)), edge, parent="Agent:0", **arguments).key  # pyright: ignore

    assert tags_of([listing(REMEMBERS)]) == ["Agent:0:memories"]
    assert tags_of([listing(REMEMBERS, filter={"importance": {"gte": 0.5}})]) == ["Agent:0:memories"]
    assert tags_of([listing(REMEMBERS, filter={"aboutAgent": "a1"})]) == [None]
    assert tags_of([listing(RELATES_TO, filter={"agent": {"name": {"eq": "x"}}})]) == [None]
    assert tags_of([listing(RELATES_TO, direction=Direction.IN)]) == [None]
    assert tags_of([LookupKey(MEMORY_BY_ID, "Memory:1")]) == [None]
    assert tags_of([SearchKey(MemorySearch(None, 20), "bread", "Agent:0")]) == [None]
    found = [SearchKey(KnowledgeTally(), "bread", owner) for owner in ("Agent:0", None)]
    assert tags_of(found) == ["Agent:0:knowledge", "knowledge"]
    for row in (Agent, Memory, Relationship):
        assert compile_filter(row, {}) is None


class Check:
    """Renames agents and reads their names: no read may give less than what was acknowledged before it began."""

    def __init__(self, workers: list[Worker], seconds: float) -> None:
        self.workers = workers
        self.until = asyncio.get_running_loop().time() + seconds
        self.acknowledged = dict.fromkeys(range(AGENTS), 0)
        self.written = dict.fromkeys(range(AGENTS), 0)
        self.reads = self.writes = 0

    @property
    def over(self) -> bool:
        return asyncio.get_running_loop().time() > self.until

    async def write(self, seed: int) -> None:
        random = Random(seed)
        while not self.over:
            number = seed % AGENTS
            self.written[number] += 1
            version = self.written[number]
            worker = random.choice(self.workers)
            try:
                await worker.writes.commit(rename(number, str(version)))
            except SocietyError:
                continue
            self.acknowledged[number] = max(self.acknowledged[number], version)
            self.writes += 1
            await asyncio.sleep(random.random() * 0.05)

    async def read(self, seed: int) -> None:
        random = Random(seed)
        while not self.over:
            number = random.randrange(AGENTS)
            floor = self.acknowledged[number]
            key = random.choice([agent, by_key, with_lists])(number)
            try:
                found = await random.choice(self.workers).get(key)
            except SocietyError:
                continue
            found = found.answer if isinstance(found, Eager) else found
            assert int(found.name) >= floor, f"agent {number} was {floor} already"
            self.reads += 1
            await asyncio.sleep(random.random() * 0.002)

    async def run(self, trouble: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for seed in range(AGENTS):
                group.create_task(self.write(seed))
            for seed in range(8):
                group.create_task(self.read(seed))
            group.create_task(trouble())  # pyright: ignore


async def nothing() -> None:
    pass


async def test_nobody_reads_less_than_what_was_acknowledged(workers: list[Worker]):
    check = Check(workers, seconds=3)
    await check.run(nothing)
    assert check.writes > 5
    assert check.reads > 100
    assert sum(each.cache.counts.near + each.cache.counts.far for each in workers) > check.reads / 4


async def test_the_check_notices_a_writer_who_does_not_say_what_it_changes(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
):
    async def say_nothing(*_: Any) -> None:
        pass

    for each in workers:
        monkeypatch.setattr(each.journal, "close", say_nothing)
        monkeypatch.setattr(each.journal, "open", say_nothing)
    with pytest.raises(ExceptionGroup) as found:
        await Check(workers, seconds=5).run(nothing)
    assert found.group_contains(AssertionError, match="already")


async def test_nor_when_redis_is_killed_and_comes_back_empty(workers: list[Worker], server: Server):
    async def trouble() -> None:
        await asyncio.sleep(1)
        server.send(signal.SIGKILL)
        await asyncio.sleep(1.5)
        server.stop()
        server.start()

    check = Check(workers, seconds=12)
    await check.run(trouble)
    assert check.writes > 30
    assert check.reads > 200
    async with asyncio.timeout(15):
        for each in workers:
            await each.trust()
    hits = [each.cache.counts.near for each in workers]
    for each in workers:
        for _ in range(3):
            await each.get(agent(0))
    assert all(each.cache.counts.near > before for each, before in zip(workers, hits, strict=True)), "it caches again"


async def test_nor_when_redis_is_slow(workers: list[Worker], server: Server):
    async def trouble() -> None:
        for pause in (0.4, 1.3, 2.5):
            await asyncio.sleep(1)
            server.send(signal.SIGSTOP)
            await asyncio.sleep(pause)
            server.send(signal.SIGCONT)

    check = Check(workers, seconds=12)
    await check.run(trouble)
    assert check.writes > 10
    assert check.reads > 100


async def test_nor_when_only_writers_cannot_reach_redis(
    workers: list[Worker], server: Server, monkeypatch: pytest.MonkeyPatch
):
    async def unreachable(*_: Any) -> None:
        raise Unavailable("Redis does not answer.")

    async def trouble() -> None:
        await asyncio.sleep(1)
        monkeypatch.setattr(workers[0].journal, "close", unreachable)
        await asyncio.sleep(4)
        monkeypatch.undo()
        monkeypatch.setattr(workers[1].journal, "open", unreachable)
        await asyncio.sleep(4)
        monkeypatch.undo()

    check = Check(workers, seconds=11)
    await check.run(trouble)
    assert check.writes > 10
    assert check.reads > 100


async def test_nor_after_a_writer_that_died_between_its_commit_and_its_word(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
):
    one, other = workers
    for each in workers:
        assert (await each.get(agent())).name == "0"

    async def die(self: closing.Closing) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(closing.Closing, "finish", die)
    with pytest.raises(SocietyError):
        await one.writes.commit(rename(0, "1"))
    monkeypatch.undo()
    assert (await other.get(agent())).name == "1"
    await other.writes.commit(rename(0, "2"))
    for each in workers:
        assert (await each.get(agent())).name == "2"
    # Its mark is still there, and nothing is kept under it.
    assert other.journal.is_closed("Agent:0:self")
