"""Measures the network's analysis: neighbourhood questions over the API, and whole networks by both engines.

The neighbourhood is that of 10,000 agents with 15 relationships each, one of whom relates to all. The whole network
has a million relationships. It runs on embedded servers of its own.
"""

import asyncio
import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Annotated, Any

import httpx
import psutil
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from deploy.servers import temporary_servers
from graph.analytics.definitions import Measure
from graph.analytics.engine import Choice
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.ingest.network import draw
from graph.migrations import migrate
from resolvers.analytics import Analytics, Limits
from server.app import create_app
from server.settings import Settings

MIB = 2**20
AT_ONCE = 500
WIPE = "MATCH (n:Agent) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS"
AGENTS = """
UNWIND range($start, $end - 1) AS i
CREATE (:Agent {id: 'Agent:' + i, key: 'agent_' + i, name: 'Agent ' + i, socialEnergy: 1.0, learningRate: 0.1,
  memoryCapacity: 1000, importanceThreshold: 0.5, createdAt: datetime(), updatedAt: datetime()})
"""
TIES = """
UNWIND $rows AS r
MATCH (a:Agent {id: 'Agent:' + r[0]})
UNWIND r[1] AS target
MATCH (b:Agent {id: 'Agent:' + target})
CREATE (a)-[:RELATES_TO {id: 'Relationship:' + r[0] + '-' + target, sourceId: a.id, targetId: b.id, kind: 'friend',
  trust: 0.5, interactionCount: 0, strength: 0.05 + 0.9 * rand(), firstMetAt: datetime()}]->(b)
"""
QUESTIONS = {
    "ego, 1 step": "ego { truncated agents { key } relationships { strength } }",
    "ego, 2 steps": "ego(radius: 2) { truncated agents { key } relationships { strength } }",
    "mutual": "mutual(with: $other) { key }",
    "suggestions": "suggestions { score agent { key } }",
    "path by hops": "pathTo(key: $other, weighting: HOPS) { hops agents { key } }",
    "path by strength": "pathTo(key: $other) { cost agents { key } }",
    "degree, strength": "degree strength",
    "PageRank, community": "centrality(by: PAGERANK) community { size }",
}
WHOLE = (Measure.PAGERANK, Measure.COMPONENTS, Measure.CLUSTERING, Measure.LEIDEN, Measure.LOUVAIN)
out = Console()


async def write(database: Database, out_of: Sequence[Sequence[int]]) -> int:
    """Writes a network in place of what there is; gives the number of its relationships."""
    await database.write("wipe", WIPE, deadline=600)
    for start in range(0, len(out_of), AT_ONCE):
        end = min(start + AT_ONCE, len(out_of))
        await database.write("agents", AGENTS, {"start": start, "end": end}, deadline=60)
    for start in range(0, len(out_of), AT_ONCE):
        rows = [[start + i, list(targets)] for i, targets in enumerate(out_of[start : start + AT_ONCE])]
        await database.write("ties", TIES, {"rows": rows}, deadline=120)
    return sum(map(len, out_of))


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def ask(client: httpx.AsyncClient, field: str, key: str, other: str) -> float:
    """Asks a question over the API; gives the seconds that it took."""
    query = f"query($key: String!{', $other: String!' if '$other' in field else ''}) "
    query += f"{{ agent(key: $key) {{ network {{ {field} }} }} }}"
    started = time.perf_counter()
    response = await client.post("/graphql", json={"query": query, "variables": {"key": key, "other": other}})
    took = time.perf_counter() - started
    if "errors" in response.json():
        raise SystemExit(response.text)
    return took


async def measure_neighbourhood(settings: Settings, database: Database, agents: int, times: int) -> None:
    network = draw(agents, 15, seed=0)
    hub = 0
    network.out[hub] = [number for number in range(agents) if number != hub]
    relationships = await write(database, network.out)
    app, random = create_app(settings), Random(1)  # noqa: S311
    table = Table(
        "", "p50", "p95", "of whom all are known", title=f"{agents:,} agents, {relationships:,} relationships"
    )
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=300) as client:
            for name, field in QUESTIONS.items():
                pairs = [[f"agent_{random.randrange(1, agents)}" for _ in range(2)] for _ in range(times)]
                for key, other in pairs[:3]:
                    await ask(client, field, key, other)
                took = [await ask(client, field, key, other) for key, other in pairs]
                widely = statistics.median([await ask(client, field, f"agent_{hub}", pairs[0][1]) for _ in range(5)])
                cells = statistics.median(took), percentile(took, 0.95), widely
                table.add_row(name, *(f"{each * 1000:.1f} ms" for each in cells))
    out.print(table)


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Tells, at the end, by how much this process and its children grew at most, in bytes."""
    found: dict[str, float] = {}
    own, over, most = psutil.Process(), threading.Event(), [0.0]
    servers = {child.pid for child in own.children(recursive=True)}
    before = own.memory_info().rss

    def watch() -> None:
        while not over.wait(0.05):
            total = own.memory_info().rss - before
            for child in own.children(recursive=True):
                if child.pid not in servers:
                    try:
                        total += child.memory_info().rss
                    except psutil.Error:
                        continue
            most[0] = max(most[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        found["bytes"] = most[0]


async def measure_whole(database: Database, choice: Choice) -> None:
    analytics = Analytics(database, choice=choice, limits=Limits(max_age=3600, deadline=600))
    table = Table("", "", title=choice.value)
    with watched() as memory:
        started = time.perf_counter()
        snapshot = await analytics.snapshot()
        table.add_row("snapshot", f"{time.perf_counter() - started:.1f} s")
        # The first task starts a process, and the first call of GDS is slow.
        await analytics.measure(Measure.COMPONENTS, snapshot)
        for measure in WHOLE[:1]:
            table.add_row(measure.value, f"{await timed(analytics, measure, snapshot):.1f} s")
    table.add_row("memory, at most", f"{memory['bytes'] / MIB:.0f} MiB")
    for measure in WHOLE[2:]:
        table.add_row(measure.value, f"{await timed(analytics, measure, snapshot):.1f} s")
    await analytics.close()
    out.print(table)


async def timed(analytics: Analytics, measure: Measure, snapshot: Any) -> float:
    started = time.perf_counter()
    await analytics.measure(measure, snapshot)
    return time.perf_counter() - started


async def measure(servers: EmbeddedServers, agents: int, relationships: int, times: int) -> None:
    url, password = servers.addresses.database_url, servers.password
    settings = Settings(database_url=SecretStr(url), database_password=SecretStr(password))  # pyright: ignore[reportCallIssue]
    async with Database.connect(url, user="neo4j", password=password) as database:
        await migrate(database)
        await measure_neighbourhood(settings, database, agents, times)
        network = draw(relationships // 15, 15, seed=0)
        written = await write(database, network.out)
        del network
        out.print(f"{relationships // 15:,} agents, {written:,} relationships, on {os.cpu_count()} cores")
        for choice in (Choice.IGRAPH, Choice.GDS):
            await measure_whole(database, choice)


def main(
    agents: Annotated[int, typer.Option(help="How many agents have a neighbourhood.")] = 10_000,
    relationships: Annotated[int, typer.Option(help="How many relationships the whole network has.")] = 1_000_000,
    times: Annotated[int, typer.Option(help="How often each question is asked.")] = 200,
) -> None:
    """Measure on embedded servers of their own."""
    with temporary_servers(out.print) as servers:
        asyncio.run(measure(servers, agents, relationships, times))


if __name__ == "__main__":
    typer.run(main)
