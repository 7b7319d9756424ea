"""Group commit: what shares a transaction, in which order, and who is told what when one goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.advance import System
from graph.database import Database, Run
from graph.errors import Conflict, DeadlineExceeded, Internal, NotFound, SocietyError, Unavailable
from graph.events import Event, EventKind
from graph.model import Agent
from graph.writes.agents import CreateAgents, DeleteAgents, UpdateAgent
from graph.writes.change import Answer, Change, Known, Outcome
from graph.writes.group import stages
from graph.writes.interactions import RecordInteractions
from graph.writes.knowledge import Learn
from graph.writes.memories import AddMemories
from graph.writes.relationships import RemoveRelationship, SetRelationship
from graph.writes.requests import expire_requests, make_request
from resolvers.writes import Writes
from tests.conftest import WIPE, GraphLog

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class Published(list[Event]):
    async def __call__(self, events: Sequence[Event]) -> None:
        self += events


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
async def writes(database: Database, published: Published) -> AsyncIterator[Writes]:
    writes = Writes(database, published, max_agents=100, deadline=10)
    yield writes
    await writes.close()


def create(*keys: str, **properties: Any) -> CreateAgents:
    return CreateAgents.read({"agents": [{"key": key, "name": key} | properties for key in keys]}, NOW)


def add(key: str, content: str, importance: float = 0.5) -> AddMemories:
    memory = {"agent": key, "content": content, "importance": importance, "createdAt": NOW}
    return AddMemories.read({"memories": [memory]}, NOW)


def keyed(key: str) -> AddMemories:
    given = {"memories": [{"agent": "ada", "content": "Once.", "importance": 0.5}], "idempotencyKey": key}
    change = AddMemories.read(given, NOW)
    change.request = make_request("AddMemories", given)
    return change


def rename(key: str, name: str) -> UpdateAgent:
    return UpdateAgent.read({"key": key, "name": name}, NOW)


async def send(writes: Writes, *changes: Change) -> list[Any]:
    return await asyncio.gather(*map(writes.commit, changes), return_exceptions=True)


async def test_mutations_in_flight_share_transactions(writes: Writes, database: Database, graph_log: GraphLog):
    await send(writes, create("ada", "bo"))
    database.observe = graph_log
    await send(writes, *(add("ada" if at % 2 else "bo", str(at)) for at in range(40)))
    assert graph_log.names == ["write"]


async def test_what_arrives_while_a_transaction_runs_rides_the_next(
    writes: Writes, database: Database, graph_log: GraphLog
):
    database.observe = graph_log
    first = asyncio.create_task(writes.commit(create("ada")))
    await asyncio.sleep(0.001)
    await send(writes, *(add("ada", str(at)) for at in range(10)))
    await first
    assert graph_log.names == ["write", "write"]


async def test_changes_of_one_agent_keep_their_order(writes: Writes, database: Database):
    answers = await send(
        writes,
        create("ada"),
        rename("ada", "first"),
        add("ada", "a"),
        rename("ada", "second"),
        DeleteAgents.read({"keys": ["ada"]}, NOW),
        create("ada"),
        rename("ada", "third"),
    )
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert [answer["agent"].name for answer in answers if "agent" in answer] == ["first", "second", "third"]
    assert await database.read("name", "MATCH (n:Agent) RETURN n.name, COUNT { (n)-->() }") == [["third", 0]]


class Broken(Change):
    """A change that the database refuses."""

    def __init__(self, statement: str) -> None:
        self.statement = statement

    @classmethod
    async def write(cls, run: Run, changes: Sequence["Broken"], known: Known) -> list[Answer]:
        for change in changes:
            await run(change.statement, {})
        return [Outcome({}) for _ in changes]


async def test_when_a_group_fails_only_the_bad_ones_do(writes: Writes, database: Database, published: Published):
    await send(writes, create("ada"))
    published.clear()
    twice = "CREATE (:Agent {key: 'ada'})"
    changes = [add("ada", "a"), Broken("RETURN 1 / 0"), add("ada", "b"), Broken(twice), add("ada", "c")]
    answers = await send(writes, *changes)
    assert [type(answer) for answer in answers] == [dict, Internal, dict, Conflict, dict]
    rows = await database.read("memories", "MATCH (n:Memory) RETURN n.content ORDER BY n.content")
    assert rows == [["a"], ["b"], ["c"]]
    assert [event.subject.content for event in published] == ["a", "b", "c"]


async def test_changes_of_one_operation_are_written_together_until_one_fails(
    writes: Writes, database: Database, published: Published, graph_log: GraphLog
):
    await send(writes, create("ada"))
    published.clear()
    database.observe = graph_log
    together = [add("ada", "a"), rename("ada", "Ada L."), add("nobody", "b"), add("ada", "c")]
    others = [add("ada", "d"), meet("ada", "nobody")]
    answers = await asyncio.gather(*map(writes.commit_all, (together, others)))
    assert graph_log.names == ["write"]
    assert [[type(answer) for answer in each] for each in answers] == [[dict, dict, NotFound], [dict, NotFound]]
    rows = await database.read("memories", "MATCH (n:Memory) RETURN n.content ORDER BY n.content")
    assert rows == [["a"], ["d"]]
    assert [event.kind for event in published] == [
        EventKind.MEMORY_ADDED,
        EventKind.AGENT_CHANGED,
        EventKind.MEMORY_ADDED,
    ]


async def test_what_comes_before_a_change_that_the_database_refuses_is_written(writes: Writes, database: Database):
    await send(writes, create("ada"))
    answers = await writes.commit_all([add("ada", "a"), add("ada", "b"), Broken("RETURN 1 / 0"), add("ada", "c")])
    assert [type(answer) for answer in answers] == [dict, dict, Internal]
    rows = await database.read("memories", "MATCH (n:Memory) RETURN n.content ORDER BY n.content")
    assert rows == [["a"], ["b"]]


async def test_an_operation_that_nothing_is_known_of_is_not_sent_again(database: Database, published: Published):
    sent = 0

    async def silent(*_: Any) -> Any:
        nonlocal sent
        sent += 1
        raise Unavailable("The database does not answer.")

    writes = Writes(database, published, max_agents=100, deadline=10, transact=silent)
    with pytest.raises(Unavailable):
        await writes.commit_all([create("ada"), add("ada", "a")])
    assert sent == 1
    await writes.close()


async def test_who_gives_up_meanwhile_makes_nobody_write_twice(writes: Writes, database: Database):
    await writes.commit(create("a"))
    first = asyncio.create_task(writes.commit(add("a", "first")))
    await asyncio.sleep(0)
    together = [asyncio.create_task(writes.commit(add("a", f"{number}"))) for number in range(8)]
    await first
    # Their transaction runs by now.
    await asyncio.sleep(0.001)
    together[3].cancel()
    await asyncio.gather(*together, return_exceptions=True)
    rows = await database.read("contents", "MATCH (m:Memory) RETURN m.content, count(*) ORDER BY m.content")
    assert {content: count for content, count in rows if content != "3"} == dict.fromkeys(["first", *"0124567"], 1)


async def test_what_nobody_waits_for_any_more_is_not_begun(writes: Writes, database: Database):
    await writes.commit(create("a"))
    first = asyncio.create_task(writes.commit(add("a", "first")))
    await asyncio.sleep(0)
    given_up = asyncio.create_task(writes.commit(add("a", "late")))
    await asyncio.sleep(0)
    given_up.cancel()
    await first
    await writes.commit(add("a", "last"))
    rows = await database.read("contents", "MATCH (m:Memory) RETURN m.content ORDER BY m.content")
    assert [content for (content,) in rows] == ["first", "last"]


async def test_a_failed_transaction_publishes_nothing(writes: Writes, published: Published):
    assert [type(answer) for answer in await send(writes, Broken("RETURN 1 / 0"))] == [Internal]
    assert published == []


async def test_a_deadlock_is_got_over(writes: Writes, database: Database):
    await send(writes, create("ada", "bo"))
    lock = "MATCH (a:Agent {key: $key}) SET a._lock = 0"

    async def backward(run: Run) -> None:
        await run(lock, {"key": "bo"})
        await asyncio.sleep(0.2)
        await run(lock, {"key": "ada"})

    tie = SetRelationship.read({"source": "ada", "target": "bo", "strength": 0.5}, NOW)
    other = asyncio.create_task(database.transaction("backward", backward))
    await asyncio.sleep(0.1)
    (answer,) = await send(writes, tie)
    await other
    assert answer["relationship"].strength == 0.5


async def test_a_lock_that_is_not_let_go_ends_with_the_deadline(database: Database, published: Published):
    writes = Writes(database, published, max_agents=100, deadline=1)
    await send(writes, create("ada"))
    holding, held = asyncio.Event(), asyncio.Event()

    async def hold(run: Run) -> None:
        await run("MATCH (a:Agent {key: 'ada'}) SET a._lock = 0", {})
        holding.set()
        await held.wait()

    other = asyncio.create_task(database.transaction("hold", hold))
    await holding.wait()
    (answer,) = await send(writes, add("ada", "a"))
    assert isinstance(answer, DeadlineExceeded)
    held.set()
    await other
    await writes.close()


async def test_agents_beyond_the_limit_are_refused_however_many_come_at_once(writes: Writes, database: Database):
    many = [create(*(f"agent_{at}_{of}" for of in range(15))) for at in range(10)]
    answers = await send(writes, *many)
    refused = [answer for answer in answers if isinstance(answer, SocietyError)]
    assert len(refused) == 4
    assert "ECS_MAX_AGENTS" in refused[0].message
    assert await database.read("count", "RETURN COUNT { (:Agent) }") == [[90]]


async def test_who_writes_to_a_closed_writer_is_told(writes: Writes):
    await writes.close()
    (answer,) = await send(writes, create("ada"))
    assert isinstance(answer, Unavailable)


async def test_events_tell_what_was_written_and_forgotten(writes: Writes, published: Published):
    await send(writes, create("ada", memoryCapacity=1))
    await send(writes, add("ada", "old", 0.1))
    await send(writes, add("ada", "new", 0.2))
    told = [(event.kind, getattr(event.subject, "content", None)) for event in published]
    assert told == [
        (EventKind.AGENT_CHANGED, None),
        (EventKind.MEMORY_ADDED, "old"),
        (EventKind.MEMORY_FORGOTTEN, "old"),
        (EventKind.MEMORY_ADDED, "new"),
    ]
    assert isinstance(published[0].subject, Agent)
    assert {tuple(event.agents.items()) for event in published} == {(("ada", published[0].subject.id),)}


# Several workers


@pytest.fixture
async def workers(database: Database) -> AsyncIterator[list[Writes]]:
    """Four writers that know nothing of each other, as those of four processes."""
    workers = [Writes(database, Published(), max_agents=100, deadline=20) for _ in range(4)]
    yield workers
    for each in workers:
        await each.close()


async def spread(workers: list[Writes], *changes: Change) -> list[Any]:
    """Sends changes at once, one worker after another in turn."""
    asked = (workers[at % len(workers)].commit(change) for at, change in enumerate(changes))
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_counts_are_right_with_several_workers(workers: list[Writes], database: Database):
    await spread(workers, create("ada", memoryCapacity=50))
    answers = await spread(workers, *(add("ada", f"{at:02}", at / 100) for at in range(64)))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    left = await database.read("left", "MATCH (n:Memory) RETURN n.content")
    assert len(left) + sum(answer["evicted"] for answer in answers) == 64
    # The one that found the agent full took five away, whichever it was.
    assert sum(answer["evicted"] for answer in answers) in {15, 20}
    assert len(left) <= 50


async def test_workers_that_need_each_others_agents_all_get_through(workers: list[Writes], database: Database):
    keys = [f"agent_{at}" for at in range(6)]
    await spread(workers, create(*keys))
    ties = [
        SetRelationship.read({"source": source, "target": target, "strength": 0.5}, NOW)
        for source in keys
        for target in keys
        if source != target
    ]
    memories = [add(key, "a") for key in keys * 3]
    answers = await spread(workers, *ties, *memories, *reversed(ties))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    counted = await database.read("counts", "RETURN COUNT { ()-[:RELATES_TO]->() }, COUNT { (:Memory) }")
    assert counted == [[len(ties), len(memories)]]


async def test_one_key_at_several_workers_at_once_writes_once(workers: list[Writes], database: Database):
    await spread(workers, create("ada"))
    answers = await spread(workers, *(keyed("k") for _ in range(12)))
    assert len({answer["memories"][0].id for answer in answers}) == 1
    assert await database.read("count", "RETURN COUNT { (:Memory) }") == [[1]]


async def test_a_key_is_free_for_others_if_it_was_not_its_turn(writes: Writes, database: Database):
    await send(writes, create("ada"))
    one, other = keyed("k"), keyed("k")
    answers = await asyncio.gather(writes.commit_all([add("nobody", "a"), one]), writes.commit_all([other]))
    assert [[type(answer) for answer in each] for each in answers] == [[NotFound], [dict]]
    assert await database.read("count", "RETURN COUNT { (:Memory) }") == [[1]]


async def test_old_keys_are_let_go(writes: Writes, database: Database):
    given = {"agents": [{"key": "ada", "name": "Ada"}], "idempotencyKey": "k"}
    change = CreateAgents.read(given, NOW)
    change.request = make_request("CreateAgents", given)
    await writes.commit(change)
    await writes.advance("k", by=timedelta(hours=1), agents=None, systems=list(System))
    assert await expire_requests(database) == 0
    await database.write("age", "MATCH (n:Request|Advance) SET n.at = n.at - duration('P8D')")
    assert await expire_requests(database) == 2
    assert await database.read("left", "MATCH (n:Request|Advance) RETURN n") == []


async def test_progress_of_time_is_told(writes: Writes, published: Published):
    await send(writes, create(*(f"agent_{at}" for at in range(90))))
    published.clear()
    await writes.advance(None, by=timedelta(hours=1), agents=None, systems=list(System))
    told = [event.progress or 0 for event in published]
    assert {event.kind for event in published} == {EventKind.ADVANCE_PROGRESS}
    assert told == sorted(told)
    assert told[-1] == 1.0


# Order and equivalence

KEYS = ("ada", "bo", "cy")
keys = st.sampled_from(KEYS)
strengths = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def tie(kind: type[SetRelationship | RemoveRelationship], source: str, target: str, strength: float) -> Change:
    extra = {"strength": strength} if kind is SetRelationship else {}
    return kind.read({"source": source, "target": target} | extra, NOW)


def meet(source: str, target: str, impact: float = 0.5) -> RecordInteractions:
    meeting = {"source": source, "target": target, "kind": "chat", "content": "hello", "impact": impact, "at": NOW}
    return RecordInteractions.read({"interactions": [meeting]}, NOW)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    kind = draw(
        st.sampled_from([AddMemories, UpdateAgent, Learn, RecordInteractions, SetRelationship, RemoveRelationship])
    )
    key, number = draw(keys), draw(strengths)
    if kind is AddMemories:
        return add(key, draw(st.sampled_from("abcdefgh")), number)
    if kind is UpdateAgent:
        return rename(key, draw(st.sampled_from("xyz")))
    if kind is Learn:
        fact = {"agent": key, "topic": draw(st.sampled_from(["tea", "art"])), "content": "It is.", "confidence": number}
        return Learn.read({"knowledge": [fact]}, NOW)
    other = draw(keys.filter(lambda other: other != key))
    return meet(key, other, number) if kind is RecordInteractions else tie(kind, key, other, number)


def depend(one: Change, other: Change) -> bool:
    """Whether two changes of the same agent come out otherwise in another order."""
    return bool(one.leads or other.leads or one.parts & other.parts)


@given(st.lists(changes(), max_size=30))
def test_stages_keep_everything_in_order_that_depends_on_each_other(asked: list[Change]):
    found = stages(asked, Known({}, {}, 100))
    place = {change: number for number, stage in enumerate(found) for change in stage}
    assert sorted(map(id, place)) == sorted(map(id, asked))
    assert all(len({type(change) for change in stage}) == 1 for stage in found)
    for late, change in enumerate(asked):
        for earlier in asked[:late]:
            if depend(earlier, change) and not set(earlier.agents()).isdisjoint(change.agents()):
                together = change.merges and type(change) is type(earlier)
                assert place[earlier] < place[change] or (together and place[earlier] == place[change])
    for stage in found:
        assert sorted(stage, key=asked.index) == stage
        touched = [key for change in stage if not change.merges for key in change.agents()]
        assert len(touched) == len(set(touched))


def test_what_does_not_depend_on_each_other_shares_statements():
    asked = [each for at in range(5) for each in (add("ada", f"{at}"), meet("ada", "bo"), add("bo", f"{at}"))]
    assert [len(stage) for stage in stages(asked, Known({}, {}, 100))] == [10, 5]


EVERYTHING = """
MATCH (a:Agent) RETURN a.key, a.name, round(a.socialEnergy, 9),
    COLLECT { MATCH (a)-[:REMEMBERS]->(m) WITH m ORDER BY m.content, m.importance RETURN [m.content, m.importance] },
    COLLECT { MATCH (a)-[:LEARNED]->(k) WITH k ORDER BY k.topicName RETURN [k.topicName, k.confidence] },
    COLLECT { MATCH (a)-[r:RELATES_TO]->(b) WITH r, b ORDER BY b.key
        RETURN [b.key, round(r.strength, 9), round(r.trust, 9), r.interactionCount] }
ORDER BY a.key
"""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.lists(changes() | st.just("refused"), min_size=1, max_size=4), min_size=2, max_size=12))
async def test_a_group_leaves_what_one_after_another_would(database: Database, asked: list[list[Change | str]]):
    left: list[Any] = []
    for together in (True, False):
        await database.write("wipe", WIPE)
        writes = Writes(database, Published(), max_agents=100, deadline=10)
        await writes.commit(create(*KEYS, memoryCapacity=3))
        operations = [[add("nobody", "x") if isinstance(each, str) else each for each in some] for some in asked]
        if together:
            await asyncio.gather(*map(writes.commit_all, operations))
        else:
            for changes in operations:
                with suppress(NotFound):
                    for change in changes:
                        await writes.commit(change)
        left.append(await database.read("everything", EVERYTHING))
    assert left[0] == left[1]
