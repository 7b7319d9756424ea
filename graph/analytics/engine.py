"""Engines compute measures: igraph in processes of its own, or Neo4j's Graph Data Science where the server has it."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from graph.analytics.definitions import Measure
from graph.analytics.network import Network
from graph.analytics.processes import Processes
from graph.analytics.snapshot import Snapshot
from graph.analytics.structure import degree_centrality, describe, strengths
from graph.database import Database
from graph.errors import SocietyError

GDS_VERSION = "RETURN gds.version()"


class Choice(Enum):
    """Which engine to use: what the server has, or one of them in any case."""

    AUTO = "auto"
    GDS = "gds"
    IGRAPH = "igraph"


class Engine(Protocol):
    """What computes measures of snapshots."""

    @property
    def name(self) -> str: ...

    async def open(self, snapshot: Snapshot) -> None:
        """Makes ready for measures of a snapshot that was just read."""
        ...

    async def compute(self, measure: Measure, snapshot: Snapshot) -> Any:
        """Computes a measure: of agents, an array by their numbers. Raises DeadlineExceeded or Unavailable."""
        ...

    async def close(self) -> None: ...


# What a look at each relationship settles needs no process of its own.
LOCAL: dict[Measure, Callable[[Network], Any]] = {
    Measure.STRUCTURE: describe,
    Measure.DEGREE: degree_centrality,
    Measure.STRENGTH: strengths,
}


class IGraph:
    """Computes with igraph over a snapshot's arrays."""

    name = "igraph"

    def __init__(self, *, deadline: float, processes: int = 2) -> None:
        self._deadline = deadline
        self._processes = Processes(processes)

    async def open(self, snapshot: Snapshot) -> None:
        pass

    async def compute(self, measure: Measure, snapshot: Snapshot) -> Any:
        if local := LOCAL.get(measure):
            return await asyncio.to_thread(local, snapshot.network)
        return await self._processes.run(compute_apart, measure, snapshot.network, seconds=self._deadline)

    async def close(self) -> None:
        self._processes.close()


def compute_apart(measure: Measure, network: Network) -> Any:
    """Computes in this process, which is the only one that loads igraph."""
    from graph.analytics.computing import compute  # noqa: PLC0415

    return compute(measure, network)


async def has_gds(database: Database) -> bool:
    """Says whether the server has Graph Data Science."""
    try:
        await database.read("gds.version", GDS_VERSION, deadline=5.0)
    except SocietyError:
        return False
    return True
