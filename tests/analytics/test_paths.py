"""The strongest path is found exactly, within any number of hops."""

from itertools import pairwise
from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.analytics.network import Network
from graph.analytics.paths import cheapest

from .networks import KNOWN, networks


def cost_of(network: Network, route: list[int]) -> float:
    strengths = dict(
        zip(zip(network.source.tolist(), network.target.tolist(), strict=True), network.strength.tolist(), strict=True)
    )
    return sum(-log(strengths[pair]) for pair in pairwise(route))


def brute_force(network: Network, source: int, target: int, hops: int) -> tuple[float, int]:
    """The least cost of all walks of at most so many hops, and the fewest hops that have it."""
    costs = np.full((network.size, network.size), inf)
    usable = network.strength > 0
    costs[network.source[usable], network.target[usable]] = -np.log(network.strength[usable])
    least = np.full(network.size, inf)
    least[source] = 0.0
    found = [least[target]]
    for _ in range(hops):
        least = np.minimum(least, (least[:, None] + costs).min(axis=0))
        found.append(least[target])
    return found[-1], next(i for i, cost in enumerate(found) if cost <= found[-1] + 1e-12 or cost == found[-1])


def check(network: Network, source: int, target: int, hops: int) -> None:
    expected, fewest = brute_force(network, source, target, hops)
    route = cheapest(network, source, target, hops)
    if route is None:
        assert expected == inf
        return
    assert (route[0], route[-1]) == (source, target)
    assert cost_of(network, route) == pytest.approx(expected, abs=1e-9)
    assert len(route) - 1 <= hops
    assert len(set(route)) == len(route)
    assert len(route) - 1 >= fewest


@settings(max_examples=300, deadline=None)
@given(network=networks(), data=st.data())
def test_random_networks(network: Network, data: st.DataObject):
    source, target = (data.draw(st.integers(0, network.size - 1)) for _ in range(2))
    check(network, source, target, data.draw(st.integers(1, 8)))


def test_known_networks():
    for hops in (1, 2, 3, 6):
        for target in range(34):
            check(KNOWN["karate"], 0, target, hops)
