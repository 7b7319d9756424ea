"""Rankings and divisions are ordered, described and cut as promised."""

from datetime import UTC, datetime

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.analytics.communities import divide
from graph.analytics.definitions import CommunityAlgorithm
from graph.analytics.network import Network
from graph.analytics.rankings import rank
from graph.analytics.snapshot import Snapshot

from .networks import directed, networks, undirected


def snapshot_of(network: Network) -> Snapshot:
    keys = [f"agent_{i:03}" for i in range(network.size)]
    nodes = np.arange(network.size)
    return Snapshot(datetime.now(UTC), [f"Agent:{key}" for key in keys], keys, nodes, network, True, b"")


@settings(max_examples=200, deadline=None)
@given(network=networks(), data=st.data())
def test_divisions(network: Network, data: st.DataObject):
    labels = data.draw(st.lists(st.integers(3, 6), min_size=network.size, max_size=network.size))
    division = divide(CommunityAlgorithm.LEIDEN, snapshot_of(network), np.array(labels))
    graph, whole = directed(network), undirected(network)
    found = [division.community(number) for number in range(len(division))]
    assert [(-each.size, each.key) for each in found] == sorted((-each.size, each.key) for each in found)
    for each in found:
        members = each.members.tolist()
        assert len({labels[member] for member in members}) == 1
        assert members == [agent for agent in range(network.size) if labels[agent] == labels[members[0]]]
        assert each.key == each.member_keys[0] == min(each.member_keys)
        part = graph.subgraph(members)
        assert each.density == pytest.approx(nx.density(part))
        assert each.internal_strength == pytest.approx(part.size(weight="strength"))
        assert division.of_agent(members[-1]).id == each.id == f"Community:LEIDEN:{each.key}"
        assert division.after(*division.position(each.number)) == each.number + 1
    if whole.size(weight="strength"):
        expected = nx.community.modularity(whole, [set(each.members.tolist()) for each in found], weight="strength")
        assert division.modularity == pytest.approx(expected)
    assert division.after(1000, "") == 0
    assert division.after(0, "zzz") == len(division)


@settings(max_examples=200, deadline=None)
@given(scores=st.lists(st.sampled_from([0.0, 0.1, 0.1 + 1e-16, 0.3, 1.0]), min_size=1, max_size=12))
def test_rankings(scores: list[float]):
    ranking = rank(
        snapshot_of(Network(len(scores), *(np.zeros(0, dtype=np.int32),) * 2, np.zeros(0))), np.array(scores)
    )
    expected = sorted(range(len(scores)), key=lambda i: (-round(scores[i], 12), i))
    assert ranking.order.tolist() == expected
    for place in range(len(scores)):
        assert ranking.after(*ranking.position(place)) == place + 1
    # A position of another ranking.
    assert ranking.after(0.2, "x") == sum(score > 0.2 for score in scores)
