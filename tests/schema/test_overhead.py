"""What a request costs in calls, which do not depend on the machine: a guard against what creeps in."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from graph.database import Database
from graph.events import Event
from graph.reads import Key, fetch
from graph.writes.change import Change
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.loaders import Loaders
from resolvers.writes import Writes
from schema.execution import Operation, execute
from schema.root import build_schema
from tests.random_society import make_society, write_society

PROFILE = """query Profile($key: String!) { agent(key: $key) { id name socialEnergy
  memories(first: 20, orderBy: [{importance: DESC}]) { edges { node { id content importance } } }
  relationships(first: 10, orderBy: [{strength: DESC}]) { edges { strength node { id name } } } } }"""
FEED = """{ agents(first: 20) { edges { node { id name
  memories(first: 5) { edges { node { id content importance } } } } } } }"""

ADD = """mutation Add($input: AddMemoriesInput!) { addMemories(input: $input) { memories { id content } evicted } }"""
MEMORY = {"agent": "agent_0", "content": "It rains.", "importance": 0.5}

# Python's and C's calls for one request, with all that is read or written at hand: what they were, and a quarter more.
MOST = {"profile": 270, "feed": 580, "write": 276}


class Known(Coalescer):
    """Answers what it was asked before at once."""

    def __init__(self, real: Coalescer) -> None:
        self._real = real
        self._known: dict[Key, Any] = {}

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        if missing := [key for key in keys if key not in self._known]:
            self._known |= dict(zip(missing, await self._real.load_many(missing), strict=True))
        return [self._known[key] for key in keys]


class Written(Writes):
    """Answers what was written before at once."""

    def __init__(self, real: Writes) -> None:
        self._real = real
        self._found: list[Any] = []

    async def commit_all(self, changes: Sequence[Change]) -> list[Any]:
        self._found = self._found or await self._real.commit_all(changes)
        return self._found


async def tell_nobody(_: Sequence[Event]) -> None:
    pass


@pytest.fixture(scope="module")
async def known(migrated: Database) -> Known:
    await write_society(migrated, make_society(3, agents=20, each=25))
    return Known(Coalescer(lambda shape, keys: fetch(migrated, shape, keys, 10.0)))


@pytest.mark.parametrize(
    ("name", "document", "variables"),
    [
        ("profile", PROFILE, {"key": "agent_0"}),
        ("feed", FEED, {}),
        ("write", ADD, {"input": {"memories": [MEMORY]}}),
    ],
)
async def test_a_request_makes_few_calls(
    known: Known, migrated: Database, name: str, document: str, variables: dict[str, Any]
):
    schema = build_schema()
    writes = Written(Writes(migrated, tell_nobody, max_agents=100, deadline=10.0))

    async def ask() -> Any:
        context: Any = Context(Loaders(known), writes, None)  # pyright: ignore[reportArgumentType]
        return await execute(schema, Operation(document, variables), context, deadline=10.0)

    for _ in range(3):
        answer = await ask()
    assert "errors" not in answer.payload
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        await ask()
    finally:
        sys.setprofile(None)
    await asyncio.sleep(0)
    print(f"{name}: {calls} calls")
    assert calls < MOST[name]
