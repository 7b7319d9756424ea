"""Computes with Neo4j's Graph Data Science where its results are those of the definitions, and with igraph elsewhere.

PageRank comes without the share that agents who relate to nobody pass on; spreading that share evenly changes all
scores by the same factor, so that scaling their sum to 1 gives the defined ones. Betweenness is divided as defined.
Degrees, strengths and figures
come from the snapshot. The eigenvector is igraph's, because GDS iterates along relationships' direction and stops
early; and so are communities, whose modularity is better when small networks are divided several times, and which are
the same again for the same network.

GDS has no answer to agents who relate to themselves, and divides by 0 where strengths are 0. A snapshot with either,
or one whose projection does not have the same relationships because the graph was written to in between, is left to
igraph as well.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from graph.analytics.definitions import DAMPING, Measure
from graph.analytics.engine import IGraph
from graph.analytics.network import undirected
from graph.analytics.processes import too_long
from graph.analytics.snapshot import Snapshot
from graph.database import Database
from graph.errors import DeadlineExceeded, Internal, SocietyError

log = logging.getLogger("ecs.analytics")

PREFIX = "ecs-network-"

# A relationship that is there both ways is one tie in BOTH, which counts it from either end.
PROJECT = """
CALL gds.graph.project($name, 'Agent', {
  OUT: {type: 'RELATES_TO', orientation: 'NATURAL', properties: {strength: {property: 'strength', defaultValue: 0.0}}},
  BOTH: {type: 'RELATES_TO', orientation: 'UNDIRECTED', aggregation: 'SINGLE'}
}, {readConcurrency: 2, logProgress: false})
YIELD nodeCount, relationshipCount
RETURN nodeCount, relationshipCount
"""
DROP = "CALL gds.graph.drop($name, false) YIELD graphName RETURN graphName"
DROP_LEFTOVERS = """
CALL gds.graph.list() YIELD graphName, creationTime
WITH graphName, creationTime
WHERE graphName STARTS WITH $prefix AND creationTime < datetime() - duration({seconds: $seconds})
CALL gds.graph.drop(graphName, false) YIELD graphName AS dropped
RETURN dropped
"""


@dataclass(frozen=True, slots=True)
class Projection:
    """A network in GDS's memory, and the snapshot whose agents and relationships it has."""

    snapshot: Snapshot
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """How GDS computes a measure: the algorithm, what it is told, what it yields and how that becomes the measure."""

    algorithm: str
    types: str
    column: str
    told: str
    scale: Callable[[Any], Any]

    @property
    def text(self) -> str:
        return f"""
        CALL gds.{self.algorithm}.stream($name, {{
          relationshipTypes: ['{self.types}'], logProgress: false, {self.told}
        }})
        YIELD nodeId, {self.column} AS value
        RETURN collect(nodeId), collect(value)
        """


def to_sum_of_one(scores: Any) -> Any:
    return scores / (scores.sum() or 1.0)


def per_pair(scores: Any) -> Any:
    return scores / max((len(scores) - 1) * (len(scores) - 2), 1)


def same(values: Any) -> Any:
    return values


CALLS: dict[Measure, Call] = {
    Measure.PAGERANK: Call(
        "pageRank",
        "OUT",
        "score",
        f"relationshipWeightProperty: 'strength', dampingFactor: {DAMPING}, maxIterations: 400, tolerance: 1e-8, "
        "concurrency: 2",
        to_sum_of_one,
    ),
    Measure.BETWEENNESS: Call("betweenness", "OUT", "score", "concurrency: 2", per_pair),
    Measure.CLOSENESS: Call("closeness", "OUT", "score", "useWassermanFaust: true, concurrency: 2", same),
    Measure.CLUSTERING: Call(
        "localClusteringCoefficient", "BOTH", "localClusteringCoefficient", "concurrency: 2", same
    ),
    Measure.COMPONENTS: Call("wcc", "OUT", "componentId", "concurrency: 2", same),
}


class GraphDataScience:
    """Computes in the database. There is one projection at a time, of the latest snapshot, dropped when it is old.

    Everything is sent where writes go, because in a cluster a projection is on one server only. `lifetime` is how long
    a projection is kept, in seconds; what is much older was left by processes that are gone.
    """

    name = "gds"

    def __init__(self, database: Database, fallback: IGraph, *, deadline: float, lifetime: float) -> None:
        self._database = database
        self._fallback = fallback
        self._deadline = deadline
        self._lifetime = lifetime
        self._projected: Projection | None = None
        self._expiring: asyncio.Task[None] | None = None

    async def open(self, snapshot: Snapshot) -> None:
        """Projects the network; without a sound projection igraph computes."""
        await self._let_go()
        if not snapshot.whole or not len(snapshot.network.source):
            return
        ties = await asyncio.to_thread(undirected, snapshot.network)
        expected = [snapshot.network.size, len(snapshot.network.source) + 2 * len(ties.low)]
        projection = Projection(snapshot, f"{PREFIX}{uuid4().hex}")
        try:
            await self._run("gds.leftovers", DROP_LEFTOVERS, prefix=PREFIX, seconds=2 * self._lifetime + 60)
            found = await self._run("gds.project", PROJECT, name=projection.name)
        except SocietyError as error:
            log.warning("Graph Data Science cannot project the network, igraph goes on: %s", error.message)
            found = []
        if found == [expected]:
            self._projected = projection
            self._expiring = asyncio.create_task(self._expire())
        else:
            await self._drop(projection.name)

    async def compute(self, measure: Measure, snapshot: Snapshot) -> Any:
        call, projected = CALLS.get(measure), self._projected
        if call is None or projected is None or projected.snapshot is not snapshot:
            return await self._fallback.compute(measure, snapshot)
        try:
            ((nodes, values),) = await self._run(f"gds.{call.algorithm}", call.text, name=projected.name)
        except DeadlineExceeded:
            raise too_long(self._deadline) from None
        except Internal as error:
            # The projection may have been dropped, or the algorithm may need more memory than the server has.
            log.warning("Graph Data Science fails, igraph goes on: %s", error.message)
            return await self._fallback.compute(measure, snapshot)
        return call.scale(by_number(snapshot, nodes, values))

    async def close(self) -> None:
        await self._let_go()
        await self._fallback.close()

    async def _expire(self) -> None:
        await asyncio.sleep(self._lifetime)
        self._expiring = None
        await self._let_go()

    async def _let_go(self) -> None:
        if self._expiring:
            self._expiring.cancel()
            self._expiring = None
        if self._projected:
            projected, self._projected = self._projected, None
            await self._drop(projected.name)

    async def _drop(self, name: str) -> None:
        """Drops a projection; one that cannot be dropped now is a leftover for others to drop."""
        try:
            await self._run("gds.drop", DROP, name=name)
        except SocietyError as error:
            log.warning("The projection %s is left behind: %s", name, error.message)

    async def _run(self, query: str, text: str, **parameters: Any) -> list[list[Any]]:
        return await self._database.write(query, text, parameters, deadline=self._deadline)


def by_number(snapshot: Snapshot, nodes: list[int], values: list[Any]) -> Any:
    """Orders values by the agents' numbers; `nodes` are the database's own."""
    order = np.argsort(snapshot.nodes)
    found = np.empty(snapshot.network.size, dtype=np.asarray(values).dtype)
    found[order[np.searchsorted(snapshot.nodes, nodes, sorter=order)]] = values
    return found
