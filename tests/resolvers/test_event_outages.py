"""Redis comes and goes: writes go on, and subscribers miss nothing without being told."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from graph.embedded.ports import HOST, find_free_port
from graph.embedded.process import Process
from graph.embedded.valkey import find_valkey, start_valkey
from graph.errors import CursorExpired, EventsLost, Unavailable
from resolvers import valkey
from resolvers.events import EventLog, Feed
from resolvers.stream import KEY
from resolvers.valkey import Redis
from tests.resolvers.test_events import event, quiet, take

MIB = 2**20


class Server:
    """A Valkey of the test's own, which it may kill and freeze."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = find_free_port()
        self.password = secrets.token_hex(8)
        self.process: Process
        self.start()

    def start(self, maxmemory: int = 64 * MIB) -> None:
        binary = find_valkey()
        if binary is None:
            pytest.skip("there is no Valkey for this platform")
        self.process = start_valkey(binary, self.home, port=self.port, password=self.password, maxmemory=maxmemory)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def connect(self) -> Redis:
        return valkey.connect(f"redis://:{self.password}@{HOST}:{self.port}/0")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    if server.process.exit_code is None:
        server.signal(signal.SIGCONT)
    server.process.stop()


@pytest.fixture
async def log(server: Server) -> AsyncIterator[EventLog]:
    redis = server.connect()
    log = EventLog(redis)
    yield log
    await log.close()
    await redis.aclose()


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Redis]:
    redis = server.connect()
    yield redis
    await redis.aclose()


async def drain(feed: Feed) -> None:
    """Reads until the end, or an error."""
    async for _ in feed:
        pass


async def published(log: EventLog, first: int) -> None:
    """Publishes events until one gets through."""
    async with asyncio.timeout(10):
        while True:
            lost = log.lost
            await log.publish([event(first)])
            if log.lost == lost:
                return
            await asyncio.sleep(0.05)


async def test_a_cut_connection_costs_nobody_an_event(log: EventLog, redis: Redis):
    feed = await log.subscribe()
    for each in range(20):
        await log.publish([event(2 * each)])
        await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        # A moment later the client knows.
        await asyncio.sleep(0.02)
        await log.publish([event(2 * each + 1)])
    assert log.lost == 0
    assert await take(feed, 40) == list(range(40))


async def test_a_stream_that_was_lost_is_told_to_everybody(server: Server, log: EventLog):
    feed = await log.subscribe()
    await log.publish([event(1)])
    cursor = (await anext(feed)).cursor
    server.process.stop()
    started = time.monotonic()
    await log.publish([event(2)])
    await log.publish([event(3)])
    assert time.monotonic() - started < 5
    assert log.lost == 2
    with pytest.raises(Unavailable, match="Redis does not answer"):
        await log.subscribe()
    server.start()
    with pytest.raises(EventsLost, match="may have been lost"):
        await asyncio.wait_for(anext(feed), 10)
    await published(log, 4)
    with pytest.raises(CursorExpired):
        await log.subscribe(after=cursor)
    back = await log.subscribe()
    await log.publish([event(5)])
    assert await take(back, 1) == [5]


async def test_a_lost_stream_is_noticed_also_where_nothing_is_published(log: EventLog, redis: Redis):
    feed = await log.subscribe()
    await log.publish([event(1)])
    assert await take(feed, 1) == [1]
    await redis.delete(KEY)
    with pytest.raises(EventsLost):
        await asyncio.wait_for(anext(feed), 4)


async def test_another_stream_in_the_place_of_the_lost_one_is_noticed(log: EventLog, redis: Redis):
    feed = await log.subscribe()
    await log.publish([event(1)])
    assert await take(feed, 1) == [1]
    await redis.delete(KEY)
    await log.publish([event(2)])
    with pytest.raises(EventsLost):
        await asyncio.wait_for(anext(feed), 4)


async def test_a_frozen_redis_holds_up_one_write_and_what_was_lost_is_told(server: Server, log: EventLog):
    feed = await log.subscribe()
    await log.publish([event(0)])
    first = await anext(feed)
    server.signal(signal.SIGSTOP)
    waits: list[float] = []
    for each in range(1, 30):
        started = time.monotonic()
        await log.publish([event(each)])
        waits.append(time.monotonic() - started)
        await asyncio.sleep(0.1)
    server.signal(signal.SIGCONT)
    assert max(waits) < 2.5
    assert sum(wait > 0.1 for wait in waits) == 1
    assert log.lost == 29
    # Without a further event to publish: that some were lost is told all the same.
    with pytest.raises(EventsLost):
        await asyncio.wait_for(drain(feed), 10)
    with pytest.raises(CursorExpired):
        await asyncio.wait_for(drain(await log.subscribe(after=first.cursor)), 10)
    back = await log.subscribe()
    await published(log, 30)
    assert await take(back, 1) == [30]


async def test_a_pause_without_events_costs_nothing(server: Server, log: EventLog):
    feed = await log.subscribe()
    await log.publish([event(1)])
    assert await take(feed, 1) == [1]
    server.signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    server.signal(signal.SIGCONT)
    await log.publish([event(2)])
    assert await take(feed, 1) == [2]
    assert log.lost == 0


async def test_a_full_redis_gives_up_the_oldest_events_first(server: Server):
    server.process.stop()
    server.start(maxmemory=8 * MIB)
    redis = server.connect()
    log = EventLog(redis)
    await redis.set("cached", b"x" * MIB, ex=300)
    feed = await log.subscribe()
    # Some 20 MiB in all.
    for each in range(200):
        await log.publish([event(each, *(f"agent {each} {name}" for name in range(3000)))])
        assert await take(feed, 1) == [each]
    assert log.lost == 0
    assert await redis.exists("cached") == 0
    assert 10 < await redis.xlen(KEY) < 190
    await log.close()
    await redis.aclose()


async def test_closing_while_redis_is_away_takes_no_longer_than_its_timeout(server: Server, log: EventLog):
    feed = await log.subscribe()
    server.signal(signal.SIGSTOP)
    await log.publish([event(1)])
    started = time.monotonic()
    await log.close()
    assert time.monotonic() - started < 1.5
    with pytest.raises(Unavailable, match="stopping"):
        await anext(feed)


async def test_nothing_is_sent_before_there_is_something_to_say(redis: Redis):
    log = EventLog(redis)
    await log.publish([])
    assert await redis.exists(KEY) == 0
    assert await quiet(await log.subscribe())
    await log.close()
