"""Both engines, over networks in the real database."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from graph.analytics.engine import Engine, IGraph
from graph.analytics.gds import GraphDataScience
from graph.analytics.network import Network
from graph.analytics.snapshot import Snapshot, read_snapshot
from graph.database import Database
from tests.conftest import WIPE

Take = Callable[[Network], Awaitable[Snapshot]]

WRITE = """
UNWIND range(0, $size - 1) AS i
CREATE (:Agent {id: 'Agent:' + i, key: 'agent_' + right('000' + i, 4), name: '', socialEnergy: 1.0, learningRate: 0.1,
  memoryCapacity: 1, importanceThreshold: 0.5, createdAt: datetime(), updatedAt: datetime()})
"""
TIE = """
UNWIND $rows AS r
MATCH (a:Agent {id: 'Agent:' + r[0]}) MATCH (b:Agent {id: 'Agent:' + r[1]})
CREATE (a)-[:RELATES_TO {id: 'Relationship:' + r[0] + '-' + r[1], sourceId: a.id, targetId: b.id, strength: r[2],
  kind: 'friend', trust: 0.5, interactionCount: 0, firstMetAt: datetime()}]->(b)
"""


def make_engine(name: str, database: Database) -> Engine:
    igraph = IGraph(deadline=60, processes=1)
    return igraph if name == "igraph" else GraphDataScience(database, igraph, deadline=60, lifetime=300)


@pytest.fixture(scope="module", params=["igraph", "gds"])
async def engine(request: pytest.FixtureRequest, migrated: Database) -> AsyncIterator[Engine]:
    engine = make_engine(request.param, migrated)
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def take(engine: Engine, migrated: Database) -> Take:
    """Puts a network in place of what the database holds, and takes a snapshot of it."""

    async def write(network: Network) -> Snapshot:
        await put(migrated, network)
        snapshot = await read_snapshot(migrated, most_relationships=10_000, deadline=30)
        await engine.open(snapshot)
        return snapshot

    return write


async def put(database: Database, network: Network) -> None:
    """Puts a network in place of what the database holds."""
    await database.write("wipe", WIPE)
    columns = network.source.tolist(), network.target.tolist(), network.strength.tolist()
    rows = [list(row) for row in zip(*columns, strict=True)]
    await database.transact("fill", (WRITE, {"size": network.size}), (TIE, {"rows": rows}))
