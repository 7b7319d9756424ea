"""Measures recall, and the searches of memories and knowledge, in a large synthetic society.

All are asked over GraphQL, in this process, one at a time, on an embedded Neo4j; the questions are drawn anew for
each turn.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.ingest import words
from graph.ingest.synthetic import seed_society
from graph.migrations import migrate
from graph.reads import fetch
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.writes import Writes
from schema.execution import Operation, execute
from schema.root import build_schema

MEMORIES = 1000
EMBEDDED = 10
AGENT = "query($key: String!) { agent(key: $key) { name } }"
RECALL = """query($key: String!, $query: String, $vector: [Float!]) { agent(key: $key) {
    recall(query: $query, vector: $vector) { score recency importance relevance
        memory { id content importance } } } }"""
SEARCH = """query($text: String!, $agent: String) { searchMemories(text: $text, agent: $agent, first: 20) {
    edges { cursor node { id content importance } } pageInfo { hasNextPage } } }"""
KNOWLEDGE = """query($prefix: String!, $agent: String) { searchKnowledge(prefix: $prefix, agent: $agent, first: 20) {
    edges { cursor node { id content topic { name } } } pageInfo { hasNextPage } } }"""
EMBED = """
MATCH (a:Agent {key: $key})-[:REMEMBERS]->(n:Memory)
WITH collect(n) AS memories UNWIND range(0, size(memories) - 1) AS i
WITH memories[i] AS n, i SET n.embedding = $vectors[i % size($vectors)]
"""
out = Console()

Ask = Callable[[str, dict[str, Any]], Awaitable[None]]


def asking(database: Database) -> Ask:
    """Sends a query as a request of its own."""
    schema, events = build_schema(), EventLog(None)
    coalescer = Coalescer(lambda shape, keys: fetch(database, shape, keys, 30.0))
    writes = Writes(database, events.publish, max_agents=1, deadline=30)

    async def ask(query: str, variables: dict[str, Any]) -> None:
        context = Context(Loaders(coalescer), writes, events)
        answer = await execute(schema, Operation(query, variables), context, deadline=30)
        if "errors" in answer.payload:
            raise SystemExit(answer.payload["errors"][0]["message"])

    return ask


async def time_each(ask: Ask, query: str, draw: Callable[[], dict[str, Any]], times: int) -> tuple[float, float]:
    """Gives the median and the 95th percentile in milliseconds, after some turns that don't count."""
    latencies: list[float] = []
    for turn in range(times + 20):
        variables = draw()
        started = time.perf_counter()
        await ask(query, variables)
        if turn >= 20:
            latencies.append((time.perf_counter() - started) * 1000)
    return statistics.median(latencies), statistics.quantiles(latencies, n=20)[-1]


async def measure(database: Database, agents: int, times: int) -> None:
    random = Random(1)  # noqa: S311
    vectors = [[random.gauss(0, 1) for _ in range(database.dimension)] for _ in range(50)]
    for number in range(EMBEDDED):
        await database.write("embed", EMBED, {"key": f"agent_{number}", "vectors": vectors})
    vocabulary = sorted({word for text in (*words.SUBJECTS, *words.PLACES, *words.PASTIMES) for word in text.split()})

    def key(most: int = agents) -> str:
        return f"agent_{random.randrange(most)}"

    def text() -> str:
        return " ".join(random.sample(vocabulary, random.randint(1, 6)))

    def prefix() -> str:
        return random.choice(vocabulary)[: random.randint(1, 6)]

    ask = asking(database)
    table = Table("what", "p50 ms", "p95 ms", title=f"{agents} agents with {MEMORIES} memories each")
    for name, query, draw in (
        ("for comparison: an agent's name", AGENT, lambda: {"key": key()}),
        ("recall, nothing asked", RECALL, lambda: {"key": key()}),
        ("recall by words", RECALL, lambda: {"key": key(), "query": text()}),
        ("recall by a vector", RECALL, lambda: {"key": key(EMBEDDED), "vector": random.choice(vectors)}),
        ("searchMemories of one agent", SEARCH, lambda: {"text": text(), "agent": key()}),
        ("searchMemories of all", SEARCH, lambda: {"text": text()}),
        ("searchKnowledge of one agent", KNOWLEDGE, lambda: {"prefix": prefix(), "agent": key()}),
        ("searchKnowledge of all", KNOWLEDGE, lambda: {"prefix": prefix()}),
        ("searchKnowledge of all, two words", KNOWLEDGE, lambda: {"prefix": f"{prefix()} {prefix()}"}),
    ):
        median, late = await time_each(ask, query, draw, times)
        table.add_row(name, f"{median:.1f}", f"{late:.1f}")
    out.print(table)


def main(
    agents: Annotated[int, typer.Option(help=f"Agents, each with {MEMORIES} memories.")] = 100,
    knowledge: Annotated[int, typer.Option(help="Pieces of knowledge in all.")] = 100_000,
    times: Annotated[int, typer.Option(help="How often each is asked.")] = 200,
) -> None:
    """Measure on an embedded Neo4j of its own."""
    with temporary_servers(out.print) as servers:
        asyncio.run(bench(servers, agents, knowledge, times))


async def bench(servers: EmbeddedServers, agents: int, knowledge: int, times: int) -> None:
    url, password = servers.addresses.database_url, servers.password
    async with Database.connect(url, user="neo4j", password=password) as database:
        await database.wait_until_ready(60)
        await migrate(database)
        each = knowledge / agents
        await seed_society(database, agents=agents, memories=MEMORIES, knowledge=each, seed=1, max_agents=agents)
        counted = await database.read("count", "MATCH (n:Knowledge) RETURN count(n)")
        out.print(f"{counted[0][0]} pieces of knowledge")
        await measure(database, agents, times)


if __name__ == "__main__":
    typer.run(main)
