"""Both engines agree with networkx over networks in the database, by the same tests."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from graph.analytics.definitions import Measure
from graph.analytics.engine import Engine
from graph.analytics.network import Network
from graph.ingest.smallville import read_smallville

from .conftest import Take
from .networks import KNOWN, network_of, networks
from .test_measures import DIVISIONS, EXPECTED, check_division, check_scores, gap


async def check(engine: Engine, take: Take, network: Network) -> None:
    snapshot = await take(network)
    assert snapshot.network.source.tolist() == network.source.tolist()
    assert snapshot.network.target.tolist() == network.target.tolist()
    assert snapshot.network.strength.tolist() == network.strength.tolist()
    for measure in EXPECTED:
        if measure is not Measure.EIGENVECTOR or gap(network) > 0.02:
            check_scores(measure, network, await engine.compute(measure, snapshot))
    for measure in DIVISIONS:
        check_division(measure, network, await engine.compute(measure, snapshot))


@pytest.mark.parametrize("name", KNOWN)
async def test_known_networks(engine: Engine, take: Take, name: str):
    await check(engine, take, KNOWN[name])


async def test_smallville(engine: Engine, take: Take, shared: Path):
    folder = shared / "data" / "smallville"
    if not folder.is_dir():
        pytest.skip(f"needs the simulations in {folder}")
    society = read_smallville([folder / "m", folder / "n25"])
    numbers = {key: number for number, key in enumerate(sorted(agent.key for agent in society.agents))}
    network = network_of(
        len(numbers), {(numbers[each.source], numbers[each.target]): each.strength for each in society.relationships}
    )
    assert len(network.source) > 20
    await check(engine, take, network)


async def test_random_networks(engine: Engine, take: Take):
    loop = asyncio.get_running_loop()
    drawn: list[Any] = []

    @settings(max_examples=15, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(network=networks(20))
    def draw(network: Network) -> None:
        drawn.append(network)

    await loop.run_in_executor(None, draw)
    for network in drawn:
        await check(engine, take, network)
