"""Lets clients read, write and follow events for minutes, and shows what the API's memory does meanwhile.

What the society holds stays about the same, because its agents forget as much as they remember: what grows is held
by processes that should let go of it.
"""

import asyncio
import sys
import time
from pathlib import Path
from random import Random
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from deploy.bench.systems import CACHED, run_system
from deploy.load.operations import CONTEXT
from deploy.load.processes import API, Watch, own_children
from deploy.servers import temporary_servers

out = Console(highlight=False)

AGENTS = 200
CAPACITY = 40
# A worker's memory settles within the first part; from then on it may vary, but not grow by more than so much.
SETTLED = 0.4
MOST_GROWTH = 0.1

CREATE = "mutation ($input: CreateAgentsInput!) { createAgents(input: $input) { agents { id } } }"
REMEMBER = "mutation ($input: AddMemoriesInput!) { addMemories(input: $input) { memories { id } evicted } }"
FEEL = "mutation ($input: SetRelationshipInput!) { setRelationship(input: $input) { relationship { strength } } }"
FOLLOW = "subscription { societyEvents { kind agents { key } } }"


def draw(random: Random) -> tuple[str, dict[str, Any]]:
    """Draws one request: two reads for each write."""
    one, other = (f"soak_{each}" for each in random.sample(range(AGENTS), 2))
    match random.randrange(9):
        case 0 | 1:
            memory = {"agent": one, "content": f"Met {other}: {random.random()}", "importance": random.random()}
            return REMEMBER, {"input": {"memories": [memory]}}
        case 2:
            return FEEL, {"input": {"source": one, "target": other, "strength": random.random()}}
        case _:
            return CONTEXT.document, {"key": one}


class Soak:
    """Clients at work until a moment, and what became of their requests."""

    def __init__(self, url: str, until: float) -> None:
        self._url = url
        self._until = until
        self.answered = self.failed = self.events = 0

    async def run(self, clients: int) -> None:
        async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None)) as client:
            agents = [{"key": f"soak_{at}", "name": "S", "memoryCapacity": CAPACITY} for at in range(AGENTS)]
            await self._ask(client, CREATE, {"input": {"agents": agents}})
            work = [self._work(client, seed) for seed in range(clients)]
            await asyncio.gather(*work, *(self._follow(client, seed) for seed in range(4)))

    async def _ask(self, client: httpx.AsyncClient, query: str, variables: dict[str, Any]) -> None:
        try:
            answer = (await client.post(self._url, json={"query": query, "variables": variables})).json()
        except (httpx.TransportError, ValueError):
            answer = {"errors": []}
        self.answered += "errors" not in answer
        self.failed += "errors" in answer

    async def _work(self, client: httpx.AsyncClient, seed: int) -> None:
        random = Random(seed)  # noqa: S311
        while time.monotonic() < self._until:
            await self._ask(client, *draw(random))

    async def _follow(self, client: httpx.AsyncClient, seed: int) -> None:
        """Follows events for some seconds, goes away, and comes again."""
        random = Random(seed)  # noqa: S311
        accept = {"Accept": "text/event-stream"}
        while time.monotonic() < self._until:
            leave = time.monotonic() + random.uniform(1, 5)
            async with client.stream("POST", self._url, json={"query": FOLLOW}, headers=accept) as stream:
                async for line in stream.aiter_lines():
                    self.events += line.startswith("data: {")
                    if time.monotonic() > leave:
                        break


def growth(samples: list[float]) -> float:
    """By how much the last third of what follows the settling is more than the first, as a share of it."""
    settled = samples[round(len(samples) * SETTLED) :]
    third = max(1, len(settled) // 3)
    return mean(settled[-third:]) / mean(settled[:third]) - 1


def main(
    seconds: Annotated[float, typer.Option(min=10, help="For how long.")] = 600.0,
    clients: Annotated[int, typer.Option(min=1, help="How many clients ask at a time.")] = 16,
) -> None:
    """Ask and write for a while; it ends with an error if the API's memory grows."""
    with (
        TemporaryDirectory() as logs,
        temporary_servers(out.print) as servers,
        run_system(CACHED, servers, {}, Path(logs)) as system,
    ):
        out.print(f"{clients} clients for {seconds:g} s")
        soak = Soak(system.url, time.monotonic() + seconds)
        with Watch(own_children) as watch:
            asyncio.run(soak.run(clients))
        cached = httpx.get(system.url.replace("/graphql", "/metrics")).text
    held = [sample[API] / 2**20 for _, sample in watch.samples if API in sample]
    for part in range(10):
        piece = held[len(held) * part // 10 : len(held) * (part + 1) // 10]
        out.print(f"{part * 10:3} to {part * 10 + 10:3} %: {mean(piece):,.0f} MiB" if piece else "")
    near = [line.rpartition(" ")[2] for line in cached.splitlines() if line.startswith("ecs_cache_near_bytes ")]
    out.print(f"Of that the cache takes about {sum(map(float, near)) / 2**20:,.0f} MiB.")
    grown = growth(held)
    out.print(f"{soak.answered:,} answered, {soak.failed:,} failed, {soak.events:,} events read")
    out.print(f"The API's memory grew by {grown:.1%} after it had settled.")
    if grown > MOST_GROWTH or soak.failed > soak.answered / 1000:
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
