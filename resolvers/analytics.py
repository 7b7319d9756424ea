"""The society's network, analysed: snapshots that are reused while they are young, results kept with them.

Whoever asks for what is being computed joins it. A computation belongs to no request: one that outlives a request's
deadline goes on, and whoever asks again gets its result.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from graph.analytics.communities import Community, Division, divide
from graph.analytics.definitions import Centrality, CommunityAlgorithm, Measure
from graph.analytics.engine import Choice, Engine, IGraph, has_gds
from graph.analytics.gds import GraphDataScience
from graph.analytics.paths import cheapest
from graph.analytics.rankings import rank
from graph.analytics.snapshot import Snapshot, read_snapshot
from graph.database import Database
from graph.errors import Unavailable
from graph.reads import Shape
from resolvers.analyses import (
    RECENT,
    CommunityShape,
    MeasureShape,
    RouteKey,
    RouteShape,
    SnapshotShape,
)

T = TypeVar("T")

log = logging.getLogger("ecs.analytics")

RANKED = {*(Measure(each.value) for each in Centrality), Measure.CLUSTERING}
DIVIDED = {Measure(each.value): each for each in CommunityAlgorithm}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How old a snapshot may be and how long a computation may take, in seconds, and how large the network may be."""

    max_age: float = 30.0
    deadline: float = 60.0
    max_relationships: int = 5_000_000


@dataclass(eq=False)
class Held:
    """The latest snapshot, and when its reading began."""

    snapshot: Snapshot
    since: float


class Analytics:
    """Snapshots of the network and what was computed of them. Nothing is read or started before it is asked for."""

    def __init__(self, database: Database, *, choice: Choice = Choice.AUTO, limits: Limits | None = None) -> None:
        self._database = database
        self._choice = choice
        self._limits = limits or Limits()
        self._engine: Engine | None = None
        self._held: Held | None = None
        self._reading: asyncio.Task[None] | None = None
        self._results: dict[tuple[Snapshot, Measure], asyncio.Task[Any]] = {}
        self._closed = False

    def answers(self, shape: Shape) -> bool:
        return isinstance(shape, SnapshotShape | MeasureShape | CommunityShape | RouteShape)

    async def answer(self, shape: Shape, keys: Sequence[Any]) -> list[Any]:
        """Answers keys that share a shape, in their order."""
        match shape:
            case SnapshotShape():
                return [await self.snapshot(key.oldest) for key in keys]
            case MeasureShape():
                return [await self.measure(shape.measure, key.snapshot) for key in keys]
            case CommunityShape():
                return [await self.community(shape.algorithm, key.key) for key in keys]
            case RouteShape():
                return await asyncio.to_thread(find_routes, shape.hops, keys)
            case _:
                raise TypeError(f"{shape} is not answered here.")

    async def snapshot(self, oldest: float | None = None) -> Snapshot:
        """Gives a snapshot of at most `oldest` seconds before now, as old as the limits allow if that is None."""
        limit = self._limits.max_age if oldest is None else oldest
        earliest = time.monotonic() - limit
        while not (self._held and self._held.since >= earliest):
            if self._closed:
                raise Unavailable("The server is stopping. Try again shortly.")
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
                self._reading.add_done_callback(self._finished_reading)
            # It belongs to all who wait for it; one that began too early is waited for and then repeated.
            await asyncio.shield(self._reading)
        return self._held.snapshot

    def _finished_reading(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()

    async def _read(self) -> None:
        since = time.monotonic()
        engine = await self._choose()
        limits = self._limits
        snapshot = await read_snapshot(
            self._database, most_relationships=limits.max_relationships, deadline=limits.deadline
        )
        if self._held and self._held.snapshot.version == snapshot.version:
            # The same network: what was computed of it holds for this moment, too.
            self._held.snapshot.as_of = snapshot.as_of
            snapshot = self._held.snapshot
        await engine.open(snapshot)
        self._held = Held(snapshot, since)
        self._results = {key: task for key, task in self._results.items() if key[0] is snapshot or not task.done()}

    async def _choose(self) -> Engine:
        """Chooses the engine by what the server has, once. Raises Unavailable for one that is not there."""
        if self._engine is None:
            igraph = IGraph(deadline=self._limits.deadline)
            found = self._choice is not Choice.IGRAPH and await has_gds(self._database)
            if self._choice is Choice.GDS and not found:
                raise Unavailable("ECS_ANALYTICS is gds, but the database has no Graph Data Science. Install it there.")
            lifetime = self._limits.max_age + self._limits.deadline
            deadline = self._limits.deadline
            gds = GraphDataScience(self._database, igraph, deadline=deadline, lifetime=lifetime) if found else None
            self._engine = gds or igraph
            log.info("The network is analysed by %s.", self._engine.name)
        return self._engine

    async def measure(self, measure: Measure, snapshot: Snapshot) -> Any:
        """Computes a measure of a snapshot, once."""
        key = snapshot, measure
        task = self._results.get(key)
        if task is None:
            if self._closed:
                raise Unavailable("The server is stopping. Try again shortly.")
            task = self._results[key] = asyncio.create_task(self._compute(measure, snapshot))
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: tuple[Snapshot, Measure], task: asyncio.Task[Any]) -> None:
        """Forgets what failed, and what is of a snapshot that is no longer held."""
        failed = task.cancelled() or task.exception() is not None
        if failed or not (self._held and self._held.snapshot is key[0]):
            self._results.pop(key, None)

    async def _compute(self, measure: Measure, snapshot: Snapshot) -> Any:
        engine = await self._choose()
        found = await engine.compute(measure, snapshot)
        if measure in RANKED:
            return await asyncio.to_thread(rank, snapshot, found)
        if algorithm := DIVIDED.get(measure):
            return await asyncio.to_thread(divide, algorithm, snapshot, found)
        return found

    async def community(self, algorithm: CommunityAlgorithm, key: str) -> Community | None:
        """Finds the community that the agent with a key is in now, or None if there is no such agent."""
        snapshot = await self.snapshot()
        number = snapshot.number_of_key(key)
        if number is None:
            snapshot = await self.snapshot(RECENT)
            number = snapshot.number_of_key(key)
        if number is None:
            return None
        division: Division = await self.measure(Measure(algorithm.value), snapshot)
        return division.of_agent(number)

    async def close(self) -> None:
        """Ends what is computed, and the processes and projections that computed."""
        self._closed = True
        running = [each for each in (self._reading, *self._results.values()) if each and not each.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._engine:
            await self._engine.close()


def find_routes(hops: int, keys: Sequence[RouteKey]) -> list[list[int] | None]:
    return [cheapest(key.snapshot.network, key.source, key.target, hops) for key in keys]


Read = Callable[[Shape, list[Any]], Coroutine[Any, Any, list[Any]]]


def reading(read: Read, analytics: Analytics) -> Read:
    """Makes the function that answers keys of all shapes, those of analyses by `analytics` and others by `read`."""

    async def answer(shape: Shape, keys: list[Any]) -> list[Any]:
        return await (analytics.answer(shape, keys) if analytics.answers(shape) else read(shape, keys))

    return answer
