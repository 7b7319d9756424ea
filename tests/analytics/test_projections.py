"""What is computed where, what is projected and dropped, and what happens to processes."""

import asyncio
import os
import signal
import time

import psutil
import pytest

from graph.analytics.definitions import Measure
from graph.analytics.engine import IGraph
from graph.analytics.gds import PREFIX, GraphDataScience
from graph.analytics.processes import Processes
from graph.analytics.snapshot import read_snapshot
from graph.database import Database
from graph.errors import DeadlineExceeded, TooLarge, Unavailable
from tests.conftest import GraphLog

from .conftest import make_engine, put
from .networks import KNOWN
from .test_measures import check_scores


async def test_graph_data_science_computes_where_it_can(migrated: Database):
    engine = make_engine("gds", migrated)
    await put(migrated, KNOWN["karate"])
    snapshot = await read_snapshot(migrated, most_relationships=10_000, deadline=30)
    migrated.observe = log = GraphLog()
    await engine.open(snapshot)
    for measure in Measure:
        await engine.compute(measure, snapshot)
    await engine.close()
    migrated.observe = None
    assert log.names == [
        "gds.leftovers", "gds.project", "gds.localClusteringCoefficient", "gds.pageRank", "gds.betweenness",
        "gds.closeness", "gds.wcc", "gds.drop",
    ]  # fmt: skip
    assert await projections(migrated) == []


async def test_one_projection_at_a_time_is_kept(migrated: Database):
    engine = make_engine("gds", migrated)
    await put(migrated, KNOWN["karate"])
    for _ in range(3):
        await engine.open(await read_snapshot(migrated, most_relationships=10_000, deadline=30))
        assert len(await projections(migrated)) == 1
    await engine.close()
    assert await projections(migrated) == []


async def test_projections_of_processes_that_are_gone_are_dropped(migrated: Database):
    gone, engine = (
        GraphDataScience(migrated, IGraph(deadline=60), deadline=60, lifetime=lifetime) for lifetime in (300, -30)
    )
    await put(migrated, KNOWN["karate"])
    snapshot = await read_snapshot(migrated, most_relationships=10_000, deadline=30)
    await gone.open(snapshot)
    (left,) = await projections(migrated)
    await asyncio.sleep(1.1)
    await engine.open(snapshot)
    assert left not in await projections(migrated)
    # Whose projection is dropped goes on with igraph.
    assert len(await gone.compute(Measure.PAGERANK, snapshot)) == 34
    await engine.close()
    await gone.close()


async def test_what_was_written_since_the_snapshot_is_noticed(migrated: Database):
    engine = make_engine("gds", migrated)
    await put(migrated, KNOWN["karate"])
    snapshot = await read_snapshot(migrated, most_relationships=10_000, deadline=30)
    await migrated.write("write", "MATCH (a:Agent {key: 'agent_0000'}) DETACH DELETE a")
    await engine.open(snapshot)
    assert await projections(migrated) == []
    check_scores(Measure.PAGERANK, KNOWN["karate"], await engine.compute(Measure.PAGERANK, snapshot))
    await engine.close()


async def projections(database: Database) -> list[str]:
    text = (
        f"CALL gds.graph.list() YIELD graphName WITH graphName WHERE graphName STARTS WITH '{PREFIX}' RETURN graphName"
    )
    return [name for (name,) in await database.read("projections", text)]


@pytest.mark.filterwarnings("ignore")
async def test_a_process_that_is_killed_or_takes_too_long_is_replaced():
    processes = Processes(1)
    assert await processes.run(os.getpid, seconds=30) == await processes.run(os.getpid, seconds=30)
    with pytest.raises(DeadlineExceeded, match="ECS_ANALYTICS_DEADLINE"):
        await processes.run(time.sleep, 60, seconds=0.2)
    with pytest.raises(Unavailable, match="came to an end"):
        await processes.run(os._exit, 1, seconds=30)
    # One that ended while it had nothing to do is replaced unnoticed.
    os.kill(await processes.run(os.getpid, seconds=30), signal.SIGKILL)
    pid = await processes.run(os.getpid, seconds=30)
    processes.close()
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("it still runs")
    with pytest.raises(Unavailable, match="stopping"):
        await processes.run(os.getpid, seconds=30)


async def test_too_large_a_network_is_refused(migrated: Database):
    await put(migrated, KNOWN["karate"])
    with pytest.raises(TooLarge, match="156 relationships, and its network is analysed up to 100"):
        await read_snapshot(migrated, most_relationships=100, deadline=30)


async def test_an_agents_relationship_with_itself_is_left_out(migrated: Database):
    await put(migrated, KNOWN["karate"])
    await migrated.write("loop", "MATCH (a:Agent) CREATE (a)-[:RELATES_TO {strength: 1.0}]->(a)")
    snapshot = await read_snapshot(migrated, most_relationships=1000, deadline=30)
    assert len(snapshot.network.source) == 156
    assert not snapshot.whole
    for name in ("igraph", "gds"):
        engine = make_engine(name, migrated)
        await engine.open(snapshot)
        check_scores(Measure.PAGERANK, KNOWN["karate"], await engine.compute(Measure.PAGERANK, snapshot))
        await engine.close()
