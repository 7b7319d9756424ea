"""On a real Redis cluster everything works as on one server, and what a lost node held is done without.

The nodes hold, in this order: bookmarks; the journal, which has a replica; the events.
"""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from graph.database import Database
from graph.errors import EventsLost
from resolvers import bookmarks, stream, valkey
from resolvers.bookmarks import RedisShelf
from resolvers.events import EventLog
from resolvers.journal import KEYS
from resolvers.rates import RateLimiter
from resolvers.valkey import LeftAlone, Redis, Script
from server.app import create_app
from server.settings import Settings
from tests.api.conftest import client_of
from tests.cluster import Cluster, Member
from tests.conftest import WIPE
from tests.resolvers.test_cache import Check, agent, nothing
from tests.resolvers.test_events import event, take
from tests.subscriptions import serving
from tests.workers import CREATE, Worker

JOURNAL, EVENTS, BOOKMARKS = KEYS[1], stream.KEY, bookmarks.KEY
NAME = "query Name($key: String!) { agent(key: $key) { name } }"
RENAME = (
    "mutation Rename($key: String!, $name: String!) { updateAgent(input: {key: $key, name: $name}) { agent { name } } }"
)
# Longer than any wait that is bounded, for a busy machine.
SOON = 8


@pytest.fixture(scope="module")
async def formed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), replicas=1)
    try:
        await cluster.form()
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
async def cluster(formed: Cluster) -> Cluster:
    """The cluster, whole and empty."""
    await formed.heal()
    await formed.empty()
    return formed


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[Redis]:
    found = valkey.connect(cluster.url)
    yield found
    await found.aclose()


@pytest.fixture
async def workers(migrated: Database, cluster: Cluster) -> AsyncIterator[list[Worker]]:
    await migrated.write("wipe", WIPE)
    await migrated.write("create", CREATE)
    found = [Worker(migrated, valkey.connect(cluster.url)) for _ in range(2)]
    for each in found:
        await each.trust()
    yield found
    for each in found:
        await each.close()


@asynccontextmanager
async def application(settings: Settings, cluster: Cluster, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    changed = {"redis_url": SecretStr(cluster.url), "cache": True} | changed
    app = create_app(settings.model_copy(update=changed))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def eventually(done: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await done():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def caches(workers: list[Worker]) -> bool:
    """Says whether every worker is given something that was kept."""
    before = [each.cache.counts.near for each in workers]
    for each in workers:
        await each.get(agent())
    return all(each.cache.counts.near > count for each, count in zip(workers, before, strict=True))


async def test_each_command_goes_to_whoever_holds_its_key(cluster: Cluster, redis: Redis):
    names = [f"name:{number}" for number in range(60)]
    await redis.send_all([("SET", name, name) for name in names])
    assert await redis.send_all([("GET", name) for name in names]) == [name.encode() for name in names]
    assert all([await member.ask("DBSIZE") for member in cluster.members[:3]])
    count = Script(redis, "return {redis.call('INCR', KEYS[1]), ARGV[1]}")
    assert await count.run_all([(f"count:{name}", name) for name in names]) == [[1, name.encode()] for name in names]
    assert [await count.run([f"count:{name}"], ["x"]) for name in names] == [[2, b"x"]] * 60
    for name in names:
        assert await redis.get(name) == name.encode()
    assert await valkey.answers(redis)


async def test_events_reach_the_subscribers_of_every_worker(cluster: Cluster):
    connections = [valkey.connect(cluster.url) for _ in range(2)]
    one, other = [EventLog(each) for each in connections]
    feeds = [await log.subscribe() for log in (one, other)]
    for number in range(3):
        await (one, other)[number % 2].publish([event(number)])
    assert [await take(feed, 3) for feed in feeds] == [[0, 1, 2]] * 2
    for each in (one, other, *connections):
        await (each.close() if isinstance(each, EventLog) else each.aclose())


async def test_bookmarks_are_shared(cluster: Cluster):
    connections = [valkey.connect(cluster.url) for _ in range(2)]
    one, other = [RedisShelf(each) for each in connections]
    await one.replace((), {"a", "b"})
    await other.replace({"a"}, {"c"})
    assert set(await one.take()) == set(await other.take()) == {"b", "c"}
    for each in (one, other):
        await each.close()
    for each in connections:
        await each.aclose()


async def test_workers_share_buckets_to_the_last_token(cluster: Cluster):
    connections = [valkey.connect(cluster.url) for _ in range(2)]
    limiters = [RateLimiter(each, rate=0.001, burst=10) for each in connections]
    clients = [uuid4().hex for _ in range(12)]
    asked = [(limiters[turn % 2], client) for turn in range(20) for client in clients]
    verdicts = await asyncio.gather(*(limiter.take(client) for limiter, client in asked))
    allowed = Counter(client for (_, client), verdict in zip(asked, verdicts, strict=True) if verdict.allowed)
    assert allowed == dict.fromkeys(clients, 10)
    for each in connections:
        await each.aclose()


async def test_the_whole_api_works_across_two_workers(settings: Settings, database: Database, cluster: Cluster):
    await database.write("create", CREATE)
    limits = {"rate_limit": 0.01, "rate_burst": 500}
    changed = {"redis_url": SecretStr(cluster.url), "cache": True} | limits
    document = {"persistedQuery": {"version": 1, "sha256Hash": sha256(NAME.encode()).hexdigest()}}
    async with (
        application(settings, cluster, **limits) as one,
        serving(create_app(settings.model_copy(update=changed))) as (address, _),
        httpx.AsyncClient(base_url=f"http://{address}", timeout=SOON) as other,
    ):
        asked = {"query": NAME, "variables": {"key": "a1"}}
        assert (await one.post("/graphql", json=asked | {"extensions": document})).json()["data"]
        named = {"variables": {"key": "a1"}, "extensions": document}
        assert (await other.post("/graphql", json=named)).json() == {"data": {"agent": {"name": "0"}}}
        kinds = {"query": "subscription { societyEvents { kind } }"}
        async with other.stream("POST", "/graphql", json=kinds, headers={"Accept": "text/event-stream"}) as told:
            lines = told.aiter_lines()
            # What comes first says that it is listened to.
            await anext(lines)
            await asyncio.sleep(0.2)
            for number in range(1, 4):
                renamed = {"query": RENAME, "variables": {"key": "a1", "name": str(number)}}
                assert "errors" not in (await one.post("/graphql", json=renamed)).json()
                for client in (one, other):
                    assert (await client.post("/graphql", json=asked)).json() == {
                        "data": {"agent": {"name": str(number)}}
                    }
            assert [await next_kind(lines) for _ in range(3)] == ["AGENT_CHANGED"] * 3
        ready = await one.get("/health/ready")
        assert ready.json()["status"] == "ready"
        shared = await other.post("/graphql", json=asked)
        assert int(shared.headers["ratelimit-remaining"]) < 500 - 8, "both workers count"


async def next_kind(lines: AsyncIterator[str]) -> str:
    async with asyncio.timeout(SOON):
        async for line in lines:
            if line.startswith("data: {"):
                return json.loads(line.removeprefix("data: "))["data"]["societyEvents"]["kind"]
    raise EOFError


async def test_nobody_reads_less_than_what_was_acknowledged(workers: list[Worker]):
    check = Check(workers, seconds=2)
    await check.run(nothing)
    assert check.writes > 1
    await eventually(lambda: caches(workers))
    assert all(each.epoch.trusted for each in workers), "writers tell readers through the journal"


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_a_node_the_rest_goes_on(workers: list[Worker], cluster: Cluster, redis: Redis, harm: int):
    """Who holds the events dies or hangs: the cache, and what lies elsewhere, works as before."""
    lost: Member = cluster.members[2]
    assert await cluster.owner(EVENTS) is lost
    one, _ = workers
    names = [f"name:{number}" for number in range(60)]
    helped = redis.within(0.5, "this test")
    await helped.send_all([("SET", name, name) for name in names])
    log = EventLog(redis)
    feed = await log.subscribe()
    assert (await one.get(agent())).name
    lost.send(harm)
    async with asyncio.timeout(SOON):
        first = await helped.send_all([("GET", name) for name in names])
        here = [name for name, answer in zip(names, first, strict=True) if answer == name.encode()]
        gone = [name for name, answer in zip(names, first, strict=True) if isinstance(answer, Exception)]
        assert len(here) + len(gone) == 60
        assert len(here) > 20
        assert gone
    started = asyncio.get_running_loop().time()
    for _ in range(20):
        again = await helped.send_all([("GET", name) for name in names])
        assert [type(each) for each in again].count(LeftAlone) == len(gone)
    assert asyncio.get_running_loop().time() - started < SOON
    check = Check(workers, seconds=1)
    await check.run(nothing)
    assert all(each.epoch.trusted for each in workers)
    assert check.writes > 1
    await eventually(lambda: caches(workers))
    async with asyncio.timeout(SOON):
        await log.publish([event(1)])
        assert not await valkey.answers(redis)
    assert log.lost == 1
    lost.send(signal.SIGCONT) if harm == signal.SIGSTOP else None
    await cluster.heal()
    with pytest.raises(EventsLost):
        await take(feed, 1)
    await eventually(lambda: valkey.answers(redis))
    await log.close()


async def test_a_replica_takes_over_and_nobody_reads_less(workers: list[Worker], cluster: Cluster):
    """Neither while the journal's node hangs and is replaced, nor when it goes on and does not know it yet."""
    held = await cluster.owner(JOURNAL)

    async def replaced() -> bool:
        return await cluster.owner(JOURNAL) is not held

    async def trouble() -> None:
        await asyncio.sleep(0.3)
        held.send(signal.SIGSTOP)
        try:
            await eventually(replaced)
            await asyncio.sleep(0.5)
        finally:
            held.send(signal.SIGCONT)

    check = Check(workers, seconds=4)
    await check.run(trouble)
    assert check.reads > 100
    assert await cluster.owner(JOURNAL) is not held
    await eventually(lambda: caches(workers))


async def test_nor_while_the_journal_moves_to_another_node(workers: list[Worker], cluster: Cluster):
    here = await cluster.owner(JOURNAL)
    there = cluster.members[0]

    async def trouble() -> None:
        await asyncio.sleep(0.5)
        await cluster.move(JOURNAL, there)
        await asyncio.sleep(0.5)
        await cluster.move(JOURNAL, here)

    check = Check(workers, seconds=3)
    await check.run(trouble)
    assert check.reads > 100
    assert await cluster.owner(JOURNAL) is here


async def test_without_the_journal_s_nodes_it_is_as_without_redis(workers: list[Worker], cluster: Cluster):
    async def trouble() -> None:
        await asyncio.sleep(0.5)
        for member in (cluster.members[1], cluster.members[3]):
            member.send(signal.SIGKILL)
        await asyncio.sleep(1.5)
        await cluster.heal()

    check = Check(workers, seconds=4)
    await check.run(trouble)
    assert check.writes > 3
    assert check.reads > 100
    for each in workers:
        await each.trust()
