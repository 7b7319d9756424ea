"""Snapshots are reused while they are young, results kept with them, and what is under way is joined."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from graph.analytics.definitions import CommunityAlgorithm, Measure
from graph.analytics.engine import Choice, IGraph
from graph.analytics.snapshot import Snapshot
from graph.database import Database
from graph.errors import DeadlineExceeded, TooLarge, Unavailable
from resolvers.analytics import Analytics, Limits
from tests.conftest import GraphLog

WRITE = """
UNWIND range(0, 9) AS i CREATE (:Agent {id: 'Agent:' + i, key: 'agent_' + i})
WITH count(*) AS agents
MATCH (a:Agent), (b:Agent) WHERE a.key < b.key CREATE (a)-[:RELATES_TO {strength: 0.5}]->(b)
"""
READS = "analytics.snapshot"


class Counting(IGraph):
    """Counts what it computes; each computation waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(deadline=60)
        self.computed: Counter[Measure] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()

    async def compute(self, measure: Measure, snapshot: Snapshot) -> Any:
        self.computed[measure] += 1
        await self.gate.wait()
        return await super().compute(measure, snapshot)


@pytest.fixture
async def log(database: Database, graph_log: GraphLog) -> GraphLog:
    await database.write("fill", WRITE)
    database.observe = graph_log
    return graph_log


@pytest.fixture
def engine() -> Counting:
    return Counting()


@pytest.fixture
async def analytics(database: Database, log: GraphLog, engine: Counting) -> AsyncIterator[Analytics]:
    analytics = Analytics(database, choice=Choice.IGRAPH, limits=Limits(max_age=3.0))
    analytics._engine = engine
    yield analytics
    await analytics.close()


async def test_a_snapshot_is_reused_until_it_is_old(analytics: Analytics, log: GraphLog):
    first = await analytics.snapshot()
    assert await analytics.snapshot() is first
    assert log.names.count(READS) == 1
    await asyncio.sleep(3.1)
    await analytics.snapshot()
    assert log.names.count(READS) == 2


async def test_those_who_ask_at_once_share_a_snapshot(analytics: Analytics, log: GraphLog):
    found = await asyncio.gather(*(analytics.snapshot() for _ in range(20)))
    assert len(set(found)) == 1
    assert log.names.count(READS) == 1


async def test_a_fresh_snapshot_began_after_it_was_asked_for(analytics: Analytics, database: Database, log: GraphLog):
    early = asyncio.create_task(analytics.snapshot())
    await asyncio.sleep(0)
    late = [asyncio.create_task(analytics.snapshot(0.0)) for _ in range(5)]
    await asyncio.gather(early, *late)
    assert log.names.count(READS) == 2
    await database.write("add", "CREATE (:Agent {id: 'Agent:new', key: 'new'})")
    assert "Agent:new" not in (await analytics.snapshot(60.0)).numbers
    assert "Agent:new" in (await analytics.snapshot(0.0)).numbers


async def test_results_are_kept_with_the_network_they_are_of(
    analytics: Analytics, engine: Counting, database: Database
):
    first = await analytics.snapshot()
    ranking = await analytics.measure(Measure.PAGERANK, first)
    before = first.as_of
    same = await analytics.snapshot(0.0)
    assert same is first
    assert same.as_of > before
    assert await analytics.measure(Measure.PAGERANK, same) is ranking
    assert engine.computed == {Measure.PAGERANK: 1}
    await database.write("change", "MATCH (:Agent {key: 'agent_0'})-[r]->() SET r.strength = 0.9")
    other = await analytics.snapshot(0.0)
    assert other is not first
    assert await analytics.measure(Measure.PAGERANK, other) is not ranking
    assert engine.computed == {Measure.PAGERANK: 2}
    # What is of an old snapshot is not held on to.
    await analytics.measure(Measure.PAGERANK, first)
    await asyncio.sleep(0)
    assert {snapshot for snapshot, _ in analytics._results} == {other}


async def test_a_second_identical_request_joins_the_running_one(analytics: Analytics, engine: Counting):
    snapshot = await analytics.snapshot()
    engine.gate.clear()
    running = [asyncio.create_task(analytics.measure(Measure.LEIDEN, snapshot)) for _ in range(10)]
    await asyncio.sleep(0.05)
    # One who gives up takes nothing from the others.
    running.pop().cancel()
    engine.gate.set()
    found = await asyncio.gather(*running)
    assert all(each is found[0] for each in found)
    assert engine.computed == {Measure.LEIDEN: 1}


async def test_failures_are_not_kept(analytics: Analytics, engine: Counting, monkeypatch: pytest.MonkeyPatch):
    snapshot = await analytics.snapshot()
    compute = engine.compute

    async def fail(measure: Measure, snapshot: Snapshot) -> Any:
        monkeypatch.setattr(engine, "compute", compute)
        raise DeadlineExceeded("It took too long.")

    monkeypatch.setattr(engine, "compute", fail)
    with pytest.raises(DeadlineExceeded):
        await analytics.measure(Measure.CLOSENESS, snapshot)
    assert len(await analytics.measure(Measure.CLOSENESS, snapshot)) == 10


async def test_limits_are_told_of(database: Database, log: GraphLog):
    for limits, error in ((Limits(max_relationships=44), TooLarge), (Limits(deadline=0.001), DeadlineExceeded)):
        analytics = Analytics(database, choice=Choice.IGRAPH, limits=limits)
        with pytest.raises(error):
            await analytics.measure(Measure.PAGERANK, await analytics.snapshot())
        await analytics.close()


async def test_who_is_not_known_yet_is_looked_for_again(analytics: Analytics, database: Database):
    assert await analytics.community(CommunityAlgorithm.COMPONENTS, "new") is None
    await database.write("add", "CREATE (:Agent {id: 'Agent:new', key: 'new'})")
    await asyncio.sleep(1.1)
    found = await analytics.community(CommunityAlgorithm.COMPONENTS, "new")
    assert found
    assert found.member_ids == ["Agent:new"]


async def test_nothing_is_computed_after_the_end(database: Database, log: GraphLog):
    analytics = Analytics(database, choice=Choice.AUTO)
    snapshot = await analytics.snapshot()
    await analytics.measure(Measure.PAGERANK, snapshot)
    running = asyncio.create_task(analytics.measure(Measure.LEIDEN, snapshot))
    await asyncio.sleep(0)
    await analytics.close()
    assert log.names[-1] == "gds.drop"
    with pytest.raises((Unavailable, asyncio.CancelledError)):
        await running
    with pytest.raises(Unavailable, match="stopping"):
        await analytics.snapshot(0.0)
    with pytest.raises(Unavailable, match="stopping"):
        await analytics.measure(Measure.LOUVAIN, snapshot)
