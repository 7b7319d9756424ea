"""What a subscription answers, from GraphQL to the database and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from graph.database import Database
from graph.events import Event, EventKind
from graph.model import Agent, Memory
from graph.reads import fetch
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.writes import Writes
from schema.answer import Answer
from schema.execution import Operation, subscribe
from schema.root import build_schema
from schema.sharing import Sharing

SCHEMA = build_schema()
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Society:
    """An event log over the database, as one worker without Redis has it."""

    def __init__(self, database: Database) -> None:
        self.coalescer = Coalescer(lambda shape, keys: fetch(database, shape, keys, 10.0))
        self.events = EventLog(None, waiting=10)
        self.writes = Writes(database, self.events.publish, max_agents=100, deadline=10)

    def context(self) -> Context:
        return Context(Loaders(self.coalescer), self.writes, self.events)

    async def follow(self, query: str, **variables: Any) -> Any:
        """Gives the answers to a subscription, once it follows; errors as clients see them."""
        stream = subscribe(SCHEMA, Operation(query, variables), self.context, deadline=10, sharing=Sharing())
        first = asyncio.create_task(anext(stream))
        # Within this process nothing that it does before it follows takes longer.
        await asyncio.wait([first], timeout=0.25)

        async def answers() -> AsyncIterator[Any]:
            async with aclosing(stream):
                yield shown(await first)
                async for answer in stream:
                    yield shown(answer)

        return answers()


def shown(answer: Answer) -> Any:
    return answer.payload["errors"] if "errors" in answer.payload else answer.payload["data"]["societyEvents"]


@pytest.fixture
async def society(database: Database) -> AsyncIterator[Society]:
    society = Society(database)
    yield society
    await society.events.close()
    await society.writes.close()
    await society.coalescer.close()


async def create(database: Database, key: str) -> None:
    properties = {"id": f"Agent:{key}", "key": key, "name": key.title(), "createdAt": NOW, "updatedAt": NOW}
    rest = {"socialEnergy": 1.0, "learningRate": 0.1, "memoryCapacity": 10, "importanceThreshold": 0.5}
    await database.write("create", "CREATE (n:Agent) SET n = $properties", {"properties": properties | rest})


def memory(owner: str, content: str) -> Memory:
    return Memory(
        id="Memory:1", agent_id=f"Agent:{owner}", content=content, importance=0.5, created_at=NOW, accessed_at=NOW
    )


def event(kind: EventKind, *keys: str, subject: Any = None, progress: float | None = None) -> Event:
    agents = {key: f"Agent:{key}" for key in keys}
    return Event(kind=kind, at=NOW, agents=agents, subject=subject, progress=progress)


async def test_an_event_shows_its_subject_as_it_was_and_the_agents_as_they_are(database: Database, society: Society):
    await create(database, "ada")
    answers = await society.follow(
        """subscription { societyEvents(agents: ["ada"]) { __typename kind at agents { key name } progress
            subject { __typename id ... on Memory { content agent { name } } ... on Agent { key } } } }"""
    )
    await society.events.publish([event(EventKind.MEMORY_ADDED, "ada", "gone", subject=memory("ada", "tea"))])
    assert await anext(answers) == {
        "__typename": "SocietyEvent",
        "kind": "MEMORY_ADDED",
        "at": "2024-05-01T12:00:00+00:00",
        "agents": [{"key": "ada", "name": "Ada"}],
        "progress": None,
        "subject": {"__typename": "Memory", "id": "Memory:1", "content": "tea", "agent": {"name": "Ada"}},
    }
    # What was loaded for one event is not what the next one shows.
    await database.write("rename", "MATCH (n:Agent) SET n.name = 'Countess'")
    was = Agent(id="Agent:ada", key="ada", name="Ada", created_at=NOW, updated_at=NOW)
    await society.events.publish([event(EventKind.AGENT_CHANGED, "ada", subject=was)])
    answer = await anext(answers)
    assert answer["agents"] == [{"key": "ada", "name": "Countess"}]
    assert answer["subject"] == {"__typename": "Agent", "id": "Agent:ada", "key": "ada"}
    await society.events.publish([event(EventKind.ADVANCE_PROGRESS, progress=0.25)])
    answer = await anext(answers)
    assert (answer["agents"], answer["subject"], answer["progress"]) == ([], None, 0.25)
    await answers.aclose()
    assert society.events.subscribers == 0


async def test_a_subscriber_goes_on_from_a_cursor(society: Society):
    query = """subscription($kinds: [EventKind!], $after: String) {
        societyEvents(kinds: $kinds, after: $after) { kind cursor } }"""
    answers = await society.follow(query)
    kinds = [EventKind.MEMORY_ADDED, EventKind.MEMORY_FORGOTTEN, EventKind.MEMORY_ADDED]
    await society.events.publish([event(kind, "ada") for kind in kinds])
    cursor = (await anext(answers))["cursor"]
    back = await society.follow(query, kinds=["MEMORY_ADDED"], after=cursor)
    assert (await anext(back))["kind"] == "MEMORY_ADDED"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(back), 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("agents: []", "agents: must not be empty: name at least one, or leave it out for all."),
        ("kinds: []", "kinds: must not be empty: name at least one, or leave it out for all."),
        (f"agents: {['a'] * 1001}".replace("'", '"'), "agents: may hold 1000 items at most, has 1001."),
        ('after: "x"', "after: this is not the cursor of an event. Pass one as this API gave it."),
        ('after: ""', "after: this is not the cursor of an event. Pass one as this API gave it."),
    ],
)
async def test_an_argument_that_makes_no_sense_is_named(society: Society, arguments: str, message: str):
    answers = [each async for each in await society.follow(f"subscription {{ societyEvents({arguments}) {{ at }} }}")]
    [[error]] = answers
    assert error["message"] == message
    assert error["path"] == ["societyEvents"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": [message.partition(":")[0]]}
    assert society.events.subscribers == 0


async def test_nulls_are_as_good_as_nothing(society: Society):
    answers = await society.follow("subscription { societyEvents(agents: null, kinds: null, after: null) { kind } }")
    await society.events.publish([event(EventKind.MEMORY_ADDED, "ada")])
    assert await anext(answers) == {"kind": "MEMORY_ADDED"}


async def test_a_slow_subscriber_reads_why_it_ends(society: Society):
    answers = await society.follow("subscription { societyEvents { kind } }")
    for _ in range(12):
        await society.events.publish([event(EventKind.MEMORY_ADDED, "ada")])
        await asyncio.sleep(0)
    *_, [error] = [each async for each in answers]
    assert error["extensions"] == {"code": "SLOW_CONSUMER"}
    assert "after: the cursor of the last event you saw" in error["message"]


async def test_a_mutation_is_told(society: Society):
    answers = await society.follow(
        'subscription { societyEvents(agents: ["bo"]) { kind agents { name } subject { id } } }'
    )
    made = await SCHEMA.execute(
        'mutation { createAgents(input: {agents: [{key: "bo", name: "Bo"}]}) { agents { id } } }',
        context_value=society.context(),
    )
    assert made.data is not None, made.errors
    [agent] = made.data["createAgents"]["agents"]
    assert await asyncio.wait_for(anext(answers), 5) == {
        "kind": "AGENT_CHANGED", "agents": [{"name": "Bo"}], "subject": agent,
    }  # fmt: skip
