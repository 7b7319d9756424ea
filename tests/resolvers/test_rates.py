"""Buckets: what a client may take in any span of time is bounded, by all workers together, with Redis and without."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import valkey
from resolvers.rates import MOST_CLIENTS, TAKE, LocalBuckets, Rate, RateLimiter
from resolvers.valkey import Redis
from server.settings import Settings, reveal


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    connection = valkey.connect(reveal(settings.redis_url))
    yield connection
    await connection.aclose()


steps = st.lists(st.tuples(st.floats(0, 20), st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0, 50.0])), min_size=1, max_size=40)


@given(st.floats(0.1, 100), st.floats(1, 50), steps)
def test_what_is_allowed_in_any_span_is_bounded(rate: float, burst: float, steps: list[tuple[float, float]]):
    clock = Clock()
    buckets = LocalBuckets(Rate(rate, burst), clock)
    allowed: list[tuple[float, float]] = []
    for pause, cost in steps:
        clock.now += pause
        verdict = buckets.take("ann", cost)
        if verdict.allowed:
            allowed.append((clock.now, cost))
        else:
            assert verdict.retry_after > 0
            clock.now += verdict.retry_after + 1e-6
            assert buckets.take("ann", 0).tokens >= min(cost, burst) - 1e-3, "it told the truth about when to come back"
    for begin, (since, _) in enumerate(allowed):
        # The last may leave a debt, which whoever comes next pays.
        taken = sum(cost for _, cost in allowed[begin:-1])
        assert taken <= burst + rate * (allowed[-1][0] - since) + 50 + 1e-6


async def test_redis_and_the_process_count_alike(redis: Redis):
    limiter = RateLimiter(redis, rate=0.001, burst=10)
    local = LocalBuckets(limiter.limit)
    client = uuid4().hex
    for cost in random.Random(3).choices([0.0, 0.5, 1.0, 2.0, 25.0], k=40):
        there, here = await limiter.take(client, cost), local.take(client, cost)
        assert there.allowed == here.allowed
        assert there.tokens == pytest.approx(here.tokens, abs=0.01)
        assert there.retry_after == pytest.approx(here.retry_after, rel=0.01, abs=10)


async def test_workers_share_a_bucket_to_the_last_token(settings: Settings):
    connections = [valkey.connect(reveal(settings.redis_url)) for _ in range(4)]
    workers = [RateLimiter(each, rate=0.001, burst=100) for each in connections]
    client = uuid4().hex
    verdicts = await asyncio.gather(*(workers[at % 4].take(client) for at in range(400)))
    assert sum(verdict.allowed for verdict in verdicts) == 100
    other = await workers[0].take(uuid4().hex)
    assert (other.allowed, other.tokens) == (True, 99.0), "each client has a bucket of its own"
    for each in connections:
        await each.aclose()


async def test_the_clock_of_redis_counts(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    limiter = RateLimiter(redis, rate=0.001, burst=2)
    client = uuid4().hex
    assert [(await limiter.take(client)).allowed for _ in range(3)] == [True, True, False]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert not (await limiter.take(client)).allowed, "a worker whose clock jumps gives nothing away"


async def test_a_bucket_that_went_back_in_time_gives_nothing_away(redis: Redis):
    """As after a failover to a replica whose clock is behind."""
    limiter = RateLimiter(redis, rate=1000, burst=5)
    client = uuid4().hex
    await limiter.take(client)
    key = f"ecs:rate:{sha256(client.encode()).hexdigest()[:32]}"
    assert await redis.exists(key)
    await redis.hset(key, mapping={"tokens": "0", "at": str(int((time.time() + 3600) * 1e6))})
    raw: Any = await redis.eval(TAKE, 1, key, 1000, 5, 1)
    assert raw[0] == 0


async def test_nothing_of_a_client_is_kept_for_longer_than_it_matters(redis: Redis):
    await redis.flushdb()
    limiter = RateLimiter(redis, rate=10, burst=20)
    await limiter.take("ann@example.org", 20)
    (key,) = [key async for key in redis.scan_iter("*")]
    assert b"ann" not in key
    assert 2000 <= await redis.pttl(key) <= 3000


async def test_without_redis_each_worker_counts_and_nobody_waits(caplog: pytest.LogCaptureFixture):
    clock = Clock()
    away = valkey.connect("redis://:hunter2@127.0.0.1:9")
    limiter = RateLimiter(away, rate=1, burst=3, clock=clock)
    with caplog.at_level(logging.WARNING, "ecs"):
        for _ in range(3):
            assert (await limiter.take("ann")).allowed
            clock.now += 1e-3
        refused = await limiter.take("ann")
        assert not refused.allowed
        assert 0.9 < refused.retry_after <= 1
        clock.now += 5
        assert (await limiter.take("ann")).allowed
    assert len(caplog.records) == 1, "it is said once"
    assert "hunter2" not in caplog.text
    await away.aclose()


async def test_a_redis_that_stalls_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture):
    connected = 0

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    redis = valkey.connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    limiter = RateLimiter(redis, rate=0.001, burst=50)
    async with asyncio.timeout(5):
        verdicts = [await limiter.take("ann") for _ in range(60)]
    assert sum(verdict.allowed for verdict in verdicts) == 50
    assert connected == 1
    await redis.aclose()
    server.close()


async def test_when_redis_is_back_it_counts_again(settings: Settings, caplog: pytest.LogCaptureFixture):
    target = urlsplit(reveal(settings.redis_url))

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    redis = valkey.connect(target._replace(netloc=f":{target.password}@127.0.0.1:{port}").geturl())
    limiter, client = RateLimiter(redis, rate=0.001, burst=2), uuid4().hex
    assert (await limiter.take(client)).tokens == 1

    server = await asyncio.start_server(forward, "127.0.0.1", port)
    assert (await limiter.take(client)).tokens == pytest.approx(0, abs=0.01), "still counted here"
    async with asyncio.timeout(10):
        while "answers again, for shared rate limits" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (await limiter.take(client)).tokens == 1
    await redis.aclose()
    server.close()


async def test_a_redis_that_forgot_the_script_learns_it_again(redis: Redis):
    limiter, client = RateLimiter(redis, rate=0.001, burst=100), uuid4().hex
    await limiter.take(client)
    await redis.script_flush()
    verdicts = await asyncio.gather(*(limiter.take(client) for _ in range(10)))
    assert sorted(verdict.tokens for verdict in verdicts) == pytest.approx(range(89, 99), abs=0.01)


def test_clients_that_a_process_knows_are_bounded():
    buckets = LocalBuckets(Rate(1, 5))
    for at in range(MOST_CLIENTS + 100):
        buckets.take(str(at), 1)
    assert len(buckets._buckets) == MOST_CLIENTS
    assert buckets.take(str(MOST_CLIENTS + 99), 1).tokens == pytest.approx(3, abs=0.1)
