"""How often the cache has what is asked for: profiles of agents by Zipf's law, and some writes between.

Two workers share the database and Redis. Of a hundred operations some write: half of these a memory, half an
interaction with an agent that is also drawn by Zipf's law.
"""

import asyncio
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.bench.compare import seed
from deploy.bench.queries import QUESTIONS, Person
from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.reads import fetch
from graph.writes.change import Change
from graph.writes.interactions import RecordInteractions
from graph.writes.memories import AddMemories
from resolvers import valkey
from resolvers.cache import Counts
from resolvers.caching import Caching
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.writes import Writes
from schema.execution import Operation, execute
from schema.root import build_schema

AT_ONCE = 16
DEADLINE = 30.0
PROFILE = next(each for each in QUESTIONS if each.name == "profile")
out = Console()


class Worker:
    """What one worker process holds."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self.redis = valkey.connect(redis_url)
        self.coalescer = Coalescer(lambda shape, keys: fetch(database, shape, keys, DEADLINE))
        self.caching = Caching(database, self.redis, self.coalescer)
        self.cache, self.epoch, transact = self.caching.cache, self.caching.epoch, self.caching.transact
        self.events = EventLog(self.redis)
        self.writes = Writes(database, self.events.publish, max_agents=10**6, deadline=DEADLINE, transact=transact)

    async def close(self) -> None:
        await self.writes.close()
        await self.events.close()
        await self.caching.close()
        await self.coalescer.close()
        await self.redis.aclose()


class Mix:
    """Draws operations."""

    def __init__(self, people: list[Person], exponent: float, writes: float) -> None:
        self._random = Random(1)  # noqa: S311
        self._people = self._random.sample(people, len(people))
        self._weights = list(accumulate(1 / rank**exponent for rank in range(1, len(people) + 1)))
        self._writes = writes

    def person(self) -> Person:
        return self._random.choices(self._people, cum_weights=self._weights)[0]

    def operation(self) -> Change | dict[str, Any]:
        """Gives what is to be written, or the variables of what is to be read."""
        one, now = self.person(), datetime.now(UTC)
        if self._random.random() >= self._writes:
            return {"key": one.key}
        if self._random.random() < 0.5:
            return AddMemories.read({"memories": [{"agent": one.key, "content": "x", "importance": 0.5}]}, now)
        other = next(each for each in iter(self.person, None) if each != one)
        met = {"source": one.key, "target": other.key, "kind": "chat", "impact": 0.1}
        return RecordInteractions.read({"interactions": [met]}, now)


async def run(workers: list[Worker], mix: Mix, operations: int) -> None:
    schema = build_schema()

    async def work() -> None:
        for number in range(operations // AT_ONCE):
            worker, asked = workers[number % len(workers)], mix.operation()
            if isinstance(asked, Change):
                await worker.writes.commit(asked)
                continue
            moment = worker.cache.begin()
            context = Context(Loaders(moment), worker.writes, worker.events, moment)
            answer = await execute(schema, Operation(PROFILE.document, asked), context, deadline=DEADLINE)
            if answer.payload.get("errors"):
                raise RuntimeError(answer.payload["errors"])

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def measure(servers: EmbeddedServers, society: tuple[int, int, int], operations: int, mix: Any) -> Table:
    people = await seed(servers, society)
    url, password = servers.addresses.database_url, servers.password
    table = Table("operations", "hit rate", "near", "far", "missed", "not cached")
    async with Database.connect(url, user="neo4j", password=password) as database:
        workers = [Worker(database, servers.redis_url or "") for _ in range(2)]
        for each in workers:
            while not each.epoch.trusted:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        drawn = Mix(people, *mix)
        for _ in range(4):
            for each in workers:
                each.cache.counts = Counts()
            await run(workers, drawn, operations // 4)
            found = [each.cache.counts for each in workers]
            near, far, missed, passed = (
                sum(getattr(each, name) for each in found) for name in ("near", "far", "missed", "passed")
            )
            rate = (near + far) / (near + far + missed)
            table.add_row(f"{operations // 4:,}", f"{rate:.1%}", *(f"{each:,}" for each in (near, far, missed, passed)))
        for each in workers:
            await each.close()
    return table


def main(
    agents: Annotated[int, typer.Option(help="How many agents there are.")] = 10_000,
    operations: Annotated[int, typer.Option(help="How many operations; the table shows each quarter.")] = 40_000,
    exponent: Annotated[float, typer.Option(help="Of Zipf's law.")] = 1.0,
    writes: Annotated[float, typer.Option(help="The part of the operations that writes.")] = 0.05,
) -> None:
    """Measure the cache's hit rate on embedded servers of their own."""
    with temporary_servers(out.print) as servers:
        out.print(asyncio.run(measure(servers, (agents, 30, 15), operations, (exponent, writes))))


if __name__ == "__main__":
    typer.run(main)
