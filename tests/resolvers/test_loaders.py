"""What one request asks for is gathered and remembered; its end is nobody else's."""

import asyncio
from typing import Any

import pytest

from graph.errors import Unavailable
from graph.lookups import AGENT_BY_ID, TOPIC_BY_NAME, LookupKey
from resolvers.coalescer import Coalescer
from resolvers.loaders import Loaders


class Backend:
    """Answers with the keys, when let; remembers what was sent."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.gate = asyncio.Event()

    async def __call__(self, shape: Any, keys: list[LookupKey]) -> list[Any]:
        names = [key.key for key in keys]
        self.batches.append(names)
        await self.gate.wait()
        return [None if name == "nothing" else name for name in names]


@pytest.fixture
def backend() -> Backend:
    return Backend()


async def start(*requests: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(request) for request in requests]
    await asyncio.sleep(0.01)
    return tasks


async def test_a_request_asks_for_each_key_once(backend: Backend):
    backend.gate.set()
    loaders = Loaders(Coalescer(backend))
    assert await loaders.several(AGENT_BY_ID, ["a", "b", "a", "nothing"]) == ["a", "b", "a", None]
    assert await loaders.one(AGENT_BY_ID, "b") == "b"
    assert await loaders.several(AGENT_BY_ID, []) == []
    assert backend.batches == [["a", "b", "nothing"]]


async def test_another_request_reads_anew(backend: Backend):
    backend.gate.set()
    coalescer = Coalescer(backend)
    for _ in range(2):
        await Loaders(coalescer).one(AGENT_BY_ID, "a")
    assert backend.batches == [["a"], ["a"]]


async def test_requests_of_one_moment_share_a_query_for_each_kind(backend: Backend):
    backend.gate.set()
    coalescer = Coalescer(backend)
    requests = [Loaders(coalescer) for _ in range(5)]
    await asyncio.gather(
        *(loaders.one(AGENT_BY_ID, f"a{place}") for place, loaders in enumerate(requests)),
        *(loaders.one(TOPIC_BY_NAME, "t") for loaders in requests),
    )
    assert sorted(backend.batches) == [["a0", "a1", "a2", "a3", "a4"], ["t"]]


async def test_a_cancelled_request_leaves_the_others_their_answers(backend: Backend):
    coalescer = Coalescer(backend)
    first, second, third = Loaders(coalescer), Loaders(coalescer), Loaders(coalescer)
    tasks = await start(first.several(AGENT_BY_ID, ["a", "b"]), second.one(AGENT_BY_ID, "a"))
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    backend.gate.set()
    assert await asyncio.wait_for(tasks[1], 10) == "a"
    assert await asyncio.wait_for(third.one(AGENT_BY_ID, "a"), 10) == "a"


async def test_a_coalescer_that_stops_leaves_no_request_waiting(backend: Backend):
    coalescer = Coalescer(backend)
    loaders = Loaders(coalescer)
    tasks = await start(loaders.one(AGENT_BY_ID, "a"))
    await coalescer.close()
    with pytest.raises(Unavailable, match="stopping"):
        await asyncio.wait_for(tasks[0], 10)
    with pytest.raises(Unavailable, match="stopping"):
        await asyncio.wait_for(Loaders(coalescer).one(AGENT_BY_ID, "b"), 10)


async def test_an_error_reaches_the_request_that_asked_and_a_later_one_may_succeed():
    failing = True

    async def fetch(shape: Any, keys: list[Any]) -> list[Any]:
        if failing:
            raise Unavailable("down")
        return [key.key for key in keys]

    coalescer = Coalescer(fetch)
    with pytest.raises(Unavailable, match="down"):
        await Loaders(coalescer).one(AGENT_BY_ID, "a")
    failing = False
    assert await Loaders(coalescer).one(AGENT_BY_ID, "a") == "a"
