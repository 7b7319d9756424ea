"""The cache on the real servers: what is kept, and that nobody is given less than what was acknowledged."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from graph.database import Database
from graph.edges import LEARNED, RELATES_TO, REMEMBERS, Direction
from graph.embedded.ports import find_free_port
from graph.embedded.process import Process
from graph.embedded.valkey import find_valkey, start_valkey
from graph.epoch import forget_everywhere
from graph.errors import SocietyError
from graph.filters import compile_filter
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, MEMORY_BY_ID, RELATIONSHIP_BETWEEN, LookupKey
from graph.model import Agent, Memory, Relationship
from graph.packing import name_key, pack_answer, unpack_answer
from graph.reads import Key, fetch, narrow
from graph.writes.agents import DeleteAgents, UpdateAgent
from graph.writes.change import Change
from graph.writes.memories import AddMemories, ForgetMemories
from resolvers import closing, valkey
from resolvers.cache import tag_of
from resolvers.caching import Caching
from resolvers.coalescer import Coalescer
from resolvers.connections import Window, connect
from resolvers.loaders import Loaders
from resolvers.writes import Writes
from tests.conftest import WIPE
from tests.random_society import Society, make_society, write_society

NOW = datetime(2024, 1, 1, tzinfo=UTC)
AGENTS = 3
CREATE = f"""
MATCH (m:Migration {{version: 1}}) REMOVE m.epoch
WITH m UNWIND range(0, {AGENTS - 1}) AS i
CREATE (:Agent {{id: 'Agent:' + i, key: 'a' + i, name: '0', socialEnergy: 1.0, learningRate: 0.1,
  memoryCapacity: 1000, importanceThreshold: 0.5, createdAt: datetime(), updatedAt: datetime()}})
"""


class Server:
    """A Valkey that can be killed, started again and stopped for a while."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = find_free_port()
        self._process: Process | None = None
        self.url = f"redis://:secret@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        binary = find_valkey()
        assert binary
        self._process = start_valkey(binary, self._home, port=self._port, password="secret", maxmemory=2**25)

    def send(self, number: int) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        if self._process:
            self._process.stop()


class Worker:
    """What one worker process holds: its own connections, cache and writer."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self.coalescer = Coalescer(lambda shape, keys: fetch(database, shape, keys, 10.0))
        self.caching = Caching(database, redis, self.coalescer)
        self.cache, self.epoch, self.tags = self.caching.cache, self.caching.epoch, self.caching.tags
        self.writes = Writes(database, silent, max_agents=100, deadline=5.0, transact=self.caching.transact)
        self.redis = redis

    async def trust(self) -> None:
        """Waits until what is cached is used."""
        async with asyncio.timeout(10):
            while not self.epoch.trusted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def get(self, key: Key) -> Any:
        (answer,) = await self.cache.load_many([key])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        await self.writes.close()
        await self.caching.close()
        await self.coalescer.close()
        await self.redis.aclose()


async def silent(_: Any) -> None:
    pass


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def workers(migrated: Database, server: Server) -> AsyncIterator[list[Worker]]:
    await migrated.write("wipe", WIPE)
    await migrated.write("create", CREATE)
    found = [Worker(migrated, valkey.connect(server.url)) for _ in range(2)]
    await found[0].redis.flushall()
    for each in found:
        await each.trust()
    yield found
    for each in found:
        await each.close()


def agent(number: int = 0) -> LookupKey:
    return LookupKey(AGENT_BY_ID, f"Agent:{number}")


def memories(number: int = 0, **arguments: Any) -> Key:
    return connect(Loaders(Coalescer(None)), REMEMBERS, parent=f"Agent:{number}", **arguments).key  # pyright: ignore


def rename(number: int, name: str) -> Change:
    return UpdateAgent.read({"key": f"a{number}", "name": name}, NOW)


def remember(number: int = 0) -> Change:
    return AddMemories.read({"memories": [{"agent": f"a{number}", "content": "x", "importance": 0.5}]}, NOW)


async def test_what_was_read_is_found_near_and_by_other_workers_far(workers: list[Worker]):
    one, other = workers
    by_key = LookupKey(AGENT_BY_KEY, "a0")
    first = await one.get(by_key)
    assert (one.cache.counts.missed, one.cache.counts.near) == (1, 0)
    assert await one.get(by_key) is first
    assert one.cache.counts.near == 1
    await asyncio.sleep(0.05)
    assert await other.get(by_key) == first
    assert (other.cache.counts.far, other.cache.counts.missed) == (1, 0)
    one.cache.near.clear()
    assert await one.get(by_key) == first
    assert one.cache.counts.far == 1


async def test_a_write_changes_what_both_read_and_leaves_the_rest(workers: list[Worker]):
    one, other = workers
    for each in workers:
        assert (await each.get(agent())).name == "0"
        assert (await each.get(memories())).items == []
    await one.writes.commit(rename(0, "1"))
    for each in workers:
        assert (await each.get(agent())).name == "1"
        assert (await each.get(LookupKey(AGENT_BY_KEY, "a0"))).name == "1"
        near = each.cache.counts.near
        assert (await each.get(memories())).items == []
        assert each.cache.counts.near == near + 1, "its memories are what they were"
    result = await other.writes.commit(remember())
    for each in workers:
        assert [memory.id for memory in (await each.get(memories())).items] == [result["memories"][0].id]
    await one.writes.commit(ForgetMemories.read({"ids": [result["memories"][0].id]}, NOW))
    for each in workers:
        assert (await each.get(memories())).items == []


async def test_who_is_deleted_is_gone_for_those_tied_to_them_as_well(migrated: Database, workers: list[Worker]):
    tie = "MATCH (a:Agent {key: 'a0'}), (b:Agent {key: 'a1'}) CREATE (a)-[:RELATES_TO {id: 'Relationship:1', "
    await migrated.write("tie", f"{tie} kind: 'x', strength: 0.5, trust: 0.5, firstMetAt: datetime()}}]->(b)")
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


async def test_an_absent_agent_is_not_kept(workers: list[Worker]):
    for _ in range(2):
        assert await workers[0].get(agent(9)) is None
    assert workers[0].cache.counts.missed == 2


@pytest.fixture(scope="module")
async def society(migrated: Database) -> Society:
    return make_society(5, agents=6, each=9)


async def test_every_answer_is_read_back_as_it_was(migrated: Database, society: Society):
    await write_society(migrated, society)
    coalescer = Coalescer(lambda shape, keys: fetch(migrated, shape, keys, 10.0))
    loaders = Loaders(coalescer)
    ids = [id for (id,) in await migrated.read("ids", "MATCH (a:Agent) RETURN a.id")]
    lists = [
        connect(loaders, edge, parent=id, window=Window(first=size), direction=direction)
        for id in ids
        for size in (2, 50)
        for edge, direction in ((REMEMBERS, Direction.OUT), (RELATES_TO, Direction.OUT), (LEARNED, Direction.OUT))
    ]
    keys: list[Key] = [each.key for each in lists]
    keys += [each.count_key for each in lists] + [
        each.summary_key for each in lists if each.key.shape.listing.edge.summaries
    ]
    keys += [LookupKey(AGENT_BY_ID, id) for id in ids]
    keys += [LookupKey(RELATIONSHIP_BETWEEN, (id, key)) for id in ids for key in ("agent_0", "agent_1")]
    keys += narrow(keys, frozenset({"name", "content", "strength", "persona"}))
    answers = await coalescer.load_many(keys)
    assert len({name_key(key) for key in keys}) == len(set(keys))
    for key, answer in zip(keys, answers, strict=True):
        again = unpack_answer(key, pack_answer(key, answer))
        assert again == answer
        assert repr(again) == repr(answer)
    await coalescer.close()


def test_only_what_an_agents_tags_stand_for_is_kept():
    def listing(edge: Any, **arguments: Any) -> Key:
        return connect(Loaders(Coalescer(None)), edge, parent="Agent:0", **arguments).key  # pyright: ignore

    assert tag_of(listing(REMEMBERS)) == "{Agent:0}:memories"
    assert tag_of(listing(REMEMBERS, filter={"importance": {"gte": 0.5}})) == "{Agent:0}:memories"
    assert tag_of(listing(REMEMBERS, filter={"aboutAgent": "a1"})) is None
    assert tag_of(listing(RELATES_TO, filter={"agent": {"name": {"eq": "x"}}})) is None
    assert tag_of(listing(RELATES_TO, direction=Direction.IN)) is None
    assert tag_of(LookupKey(MEMORY_BY_ID, "Memory:1")) is None
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
            key = agent(number) if random.random() < 0.5 else LookupKey(AGENT_BY_KEY, f"a{number}")
            try:
                found = await random.choice(self.workers).get(key)
            except SocietyError:
                continue
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
    assert check.writes > 20
    assert check.reads > 100
    assert sum(each.cache.counts.near + each.cache.counts.far for each in workers) > check.reads / 4


async def test_the_check_notices_a_writer_who_does_not_say_what_it_changes(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
):
    async def say_nothing(*_: Any) -> None:
        pass

    for each in workers:
        monkeypatch.setattr(each.tags, "close", say_nothing)
        monkeypatch.setattr(each.tags, "open", say_nothing)
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
        raise ConnectionError

    async def trouble() -> None:
        await asyncio.sleep(1)
        monkeypatch.setattr(workers[0].tags, "close", unreachable)
        await asyncio.sleep(4)
        monkeypatch.undo()
        monkeypatch.setattr(workers[1].tags, "open", unreachable)
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
    assert (await other.tags.take([tag_of(agent())])) == {tag_of(agent()): None}  # pyright: ignore
