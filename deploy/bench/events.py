"""Lets many subscribers follow a few agents each, over WebSocket, and measures how far behind they are.

The server is `ecs serve` in a process of its own; subscribers and the publisher share another.
"""

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Annotated

import orjson
import psutil
import typer
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.ports import find_free_port
from graph.embedded.servers import EmbeddedServers
from graph.events import Event, EventKind
from graph.ids import derived_id
from graph.ingest.synthetic import seed_society
from graph.migrations import migrate
from graph.model import Memory
from resolvers import valkey
from resolvers.events import EventLog

SUBSCRIPTION = """subscription($agents: [String!]!) { societyEvents(agents: $agents) {
    kind at cursor agents { key name } subject { ... on Memory { content importance } } } }"""
KEYS = "MATCH (a:Agent) RETURN a.key, a.id ORDER BY a.key"
out = Console()


@contextmanager
def served(servers: EmbeddedServers, port: int) -> Iterator[psutil.Process]:
    """Runs the API over servers that are up."""
    settings = {
        "ECS_DATABASE_URL": servers.addresses.database_url,
        "ECS_DATABASE_PASSWORD": servers.password,
        "ECS_REDIS_URL": servers.redis_url,
        "ECS_PORT": str(port),
        "ECS_WORKERS": "1",
    }
    ecs = str(Path(sys.executable).with_name("ecs"))
    process = subprocess.Popen([ecs, "serve"], env=os.environ | settings, stdout=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


async def open_socket(url: str) -> ClientConnection:
    give_up = time.monotonic() + 60
    while True:
        try:
            return await connect(url, subprotocols=["graphql-transport-ws"], compression=None)  # pyright: ignore[reportArgumentType]
        except OSError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.2)


class Tally:
    """How far behind each delivery was, in seconds, and how many of each event there were."""

    def __init__(self, subscribers: int) -> None:
        self.lags: list[float] = []
        self.ended = 0
        self.missing = subscribers
        self.all_follow = asyncio.Event()

    async def follow(self, url: str, keys: list[str]) -> None:
        async with await open_socket(url) as socket:
            await socket.send('{"type":"connection_init"}')
            await socket.recv()
            payload = {"query": SUBSCRIPTION, "variables": {"agents": keys}}
            await socket.send(orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode())
            self.missing -= 1
            if not self.missing:
                self.all_follow.set()
            async for message in socket:
                answer = orjson.loads(message)
                if answer["type"] != "next" or "errors" in answer["payload"]:
                    self.ended += 1
                    return
                at = datetime.fromisoformat(answer["payload"]["data"]["societyEvents"]["at"])
                self.lags.append((datetime.now(UTC) - at).total_seconds())


async def publish(
    log: EventLog, agents: list[tuple[str, str]], rate: int, seconds: float, random: Random
) -> Counter[str]:
    """Publishes at a constant rate, ten times a second; tells how many events each agent had."""
    told: Counter[str] = Counter()
    started = time.perf_counter()
    for turn in range(int(seconds * 10)):
        await asyncio.sleep(max(0.0, started + turn / 10 - time.perf_counter()))
        events: list[Event] = []
        for _ in range(rate // 10):
            (key, id), now = random.choice(agents), datetime.now(UTC)
            memory = Memory(id=derived_id("Memory", key), agent_id=id, content="Klaus greeted me at the cafe.",
                            importance=0.4, created_at=now, accessed_at=now)  # fmt: skip
            events.append(Event(kind=EventKind.MEMORY_ADDED, at=now, agents={key: id}, subject=memory))
            told[key] += 1
        await log.publish(events)
    return told


async def measure(
    servers: EmbeddedServers, port: int, server: psutil.Process, sizes: tuple[int, int, int], rate: int, seconds: float
) -> None:
    subscribers, follows, agents = sizes
    url, password = servers.addresses.database_url, servers.password
    async with Database.connect(url, user="neo4j", password=password) as database:
        await migrate(database)
        await seed_society(database, agents=agents, memories=0, relationships=1, knowledge=0, max_agents=agents)
        known = [(key, id) for key, id in await database.read("keys", KEYS)]
    random, tally = Random(1), Tally(subscribers)  # noqa: S311
    wanted = [[key for key, _ in random.sample(known, follows)] for _ in range(subscribers)]
    address = f"ws://127.0.0.1:{port}/graphql"
    tasks = [asyncio.create_task(tally.follow(address, keys)) for keys in wanted]
    await asyncio.wait_for(tally.all_follow.wait(), 120)
    await asyncio.sleep(2)
    redis = valkey.connect(servers.redis_url or "")
    log = EventLog(redis)
    # What this process does with its own memory must not look like a delay of the server's.
    gc.collect()
    gc.freeze()
    before = server.cpu_times()
    told = await publish(log, known, rate, seconds, random)
    after = server.cpu_times()
    await asyncio.sleep(2)
    expected = sum(told[key] for keys in wanted for key in keys)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await log.close()
    await redis.aclose()
    lags = sorted(tally.lags)
    table = Table(
        "", "", title=f"{subscribers} subscribers, {follows} of {agents} agents each, {rate} events/s, {seconds:g} s"
    )
    table.add_row("deliveries", f"{len(lags)} of {expected}")
    table.add_row("subscriptions ended", str(tally.ended))
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        table.add_row(f"behind, {name}", f"{lags[min(len(lags) - 1, int(len(lags) * share))] * 1000:.1f} ms")
    table.add_row("server's CPU", f"{(sum(after[:2]) - sum(before[:2])) / seconds * 100:.0f} % of a core")
    table.add_row("server's RSS", f"{server.memory_info().rss / 2**20:.0f} MiB")
    out.print(table)


def main(
    subscribers: Annotated[int, typer.Option(help="How many follow.")] = 1000,
    follows: Annotated[int, typer.Option(help="How many agents each of them follows.")] = 10,
    agents: Annotated[int, typer.Option(help="How many agents there are.")] = 10_000,
    rate: Annotated[int, typer.Option(help="Events in a second.")] = 500,
    seconds: Annotated[float, typer.Option(help="For how long.")] = 20.0,
) -> None:
    """Measure events on embedded servers of their own."""
    port = find_free_port()
    with temporary_servers(out.print) as servers, served(servers, port) as server:
        asyncio.run(measure(servers, port, server, (subscribers, follows, agents), rate, seconds))


if __name__ == "__main__":
    typer.run(main)
