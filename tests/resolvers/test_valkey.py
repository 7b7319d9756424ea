"""How long a command waits: not for a server that did not answer, and not less because this process was busy."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import pytest

from resolvers import journal as module
from resolvers import valkey
from resolvers.journal import Journal
from resolvers.valkey import LeftAlone, Redis
from tests.workers import Server

UNANSWERED = (valkey.NotConnected, OSError)


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Redis]:
    found = valkey.connect(server.url)
    await found.flushall()
    yield found
    await found.aclose()


async def eventually(redis: Redis) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await redis.get("any")
            except LeftAlone:
                await asyncio.sleep(0.1)
            else:
                return


async def test_an_answer_counts_that_came_while_this_process_was_busy(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    journal = Journal(redis)
    await journal.follow()
    for turns in range(15):
        following = asyncio.create_task(journal.follow())
        # Somewhere between asking and hearing the answer.
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251
        await following
    await journal.end()


async def test_an_answer_counts_where_every_turn_of_the_loop_is_long(redis: Redis):
    async def work() -> None:
        while True:
            time.sleep(0.03)  # noqa: ASYNC251
            await asyncio.sleep(0)

    busy = asyncio.create_task(work())
    for _ in range(3):
        await redis.within(0.05).set("any", "thing")
    busy.cancel()


async def test_nobody_waits_again_for_a_server_that_did_not_answer(redis: Redis, server: Server):
    helped = redis.within(1, "this test")
    await helped.set("any", "thing")
    server.send(signal.SIGSTOP)
    with pytest.raises(UNANSWERED):
        await helped.get("any")
    started = time.monotonic()
    for _ in range(200):
        with pytest.raises(LeftAlone):
            await helped.get("any")
    assert [type(each) for each in await helped.send_all([("GET", "any")])] == [LeftAlone]
    assert time.monotonic() - started < 1, "less than one wait"
    with pytest.raises(UNANSWERED) as found:
        await redis.within(0.3).get("any")
    assert found.type is not LeftAlone, "who must know asks"
    server.send(signal.SIGCONT)
    await eventually(helped)
    assert await helped.get("any") == b"thing"


async def test_who_stops_waiting_is_not_kept(redis: Redis, server: Server):
    server.send(signal.SIGSTOP)
    asking = asyncio.create_task(redis.get("any"))
    await asyncio.sleep(0.05)
    asking.cancel()
    started = time.monotonic()
    await asyncio.wait([asking])
    server.send(signal.SIGCONT)
    assert asking.cancelled()
    assert time.monotonic() - started < 1
    assert await redis.ping()
