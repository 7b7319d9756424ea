"""Compares group commit with one transaction a mutation, side by side on the same database.

Each client adds one memory at a time to agents of its own and waits for the acknowledgement. Both sides do the
same work in the same code; they differ in how many mutations may share a transaction.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.events import Event
from graph.migrations import migrate
from graph.writes.agents import CreateAgents
from graph.writes.memories import AddMemories
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.writes import LARGEST, Writes
from schema.execution import Operation, execute
from schema.root import build_schema

AGENTS = 1000
MUTATION = """mutation($input: AddMemoriesInput!) { addMemories(input: $input) { memories { id } evicted } }"""
out = Console()

Send = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: how many rows share a transaction, how many of these run at once."""

    name: str
    largest: int
    in_flight: int


GROUPED = Side("group commit", LARGEST, 1)
ALONE = Side("one transaction a mutation", 1, 64)


@dataclass
class Figures:
    """Mutations in a second and the median latency in seconds."""

    rate: float
    median: float


async def measure(send: Send, clients: int, seconds: float) -> Figures:
    """Lets clients write for a time, each to agents of its own."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        turn = number
        while (started := time.perf_counter()) < end:
            await send(f"agent_{turn % AGENTS}")
            latencies.append(time.perf_counter() - started)
            turn += clients

    started = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    return Figures(len(latencies) / (time.perf_counter() - started), statistics.median(latencies))


def memory_for(key: str) -> dict[str, object]:
    return {"agent": key, "content": "Klaus greeted me at the cafe.", "importance": 0.4}


async def silence(_: Sequence[Event]) -> None:
    pass


def make_writes(database: Database, side: Side) -> Writes:
    return Writes(database, silence, max_agents=AGENTS, deadline=60, largest=side.largest, in_flight=side.in_flight)


def direct(writes: Writes) -> Send:
    """Hands changes to the writer itself."""

    async def send(key: str) -> None:
        await writes.commit(AddMemories.read({"memories": [memory_for(key)]}, datetime.now(UTC)))

    return send


def through_graphql(database: Database, writes: Writes) -> Send:
    """Executes a GraphQL mutation for each."""
    schema, coalescer, events = build_schema(), Coalescer(lambda shape, keys: asyncio.sleep(0, [])), EventLog(None)

    async def send(key: str) -> None:
        operation = Operation(MUTATION, {"input": {"memories": [memory_for(key)]}})
        answer = await execute(schema, operation, Context(Loaders(coalescer), writes, events), deadline=60)
        assert "errors" not in answer.payload, answer.payload  # noqa: S101

    return send


async def compare(database: Database, seconds: float, rounds: int) -> None:
    """Measures both sides in turn, so that a noisy moment meets both, and prints medians of the rounds."""
    agents = {
        "agents": [{"key": f"agent_{at}", "name": f"Agent {at}", "memoryCapacity": 10**6} for at in range(AGENTS)]
    }
    writes = make_writes(database, GROUPED)
    await writes.commit(CreateAgents.read(agents, datetime.now(UTC)))
    table = Table("way", "clients", "side", "writes/s", "p50 ms", title="addMemories, one memory each")
    for way in ("graph", "GraphQL"):
        for clients in (1, 16, 64, 256):
            found: dict[str, list[Figures]] = {GROUPED.name: [], ALONE.name: []}
            for turn in range(rounds + 1):
                # In turn the first, so that neither gains from what the other has warmed up.
                for side in (GROUPED, ALONE) if turn % 2 else (ALONE, GROUPED):
                    writes = make_writes(database, side)
                    send = direct(writes) if way == "graph" else through_graphql(database, writes)
                    figures = await measure(send, clients, seconds)
                    if turn:  # the first round warms up
                        found[side.name].append(figures)
            rates = {name: statistics.median(each.rate for each in rounds) for name, rounds in found.items()}
            for name, figures in found.items():
                median = statistics.median(each.median for each in figures)
                table.add_row(way, str(clients), name, f"{rates[name]:,.0f}", f"{median * 1000:.2f}")
            table.add_row("", "", "ratio", f"{rates[GROUPED.name] / rates[ALONE.name]:.2f}", "", end_section=True)
    out.print(table)


def main(
    seconds: Annotated[float, typer.Option(help="How long each side is measured each time.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="How often; the table shows medians.")] = 3,
) -> None:
    """Measure writes on an embedded Neo4j of its own."""
    with temporary_servers(out.print) as servers:
        asyncio.run(bench(servers, seconds, rounds))


async def bench(servers: EmbeddedServers, seconds: float, rounds: int) -> None:
    url, password = servers.addresses.database_url, servers.password
    async with Database.connect(url, user="neo4j", password=password) as database:
        await database.wait_until_ready(60)
        await migrate(database)
        await compare(database, seconds, rounds)


if __name__ == "__main__":
    typer.run(main)
