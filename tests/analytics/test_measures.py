"""Every measure agrees with networkx to 1e-6, on known networks and on random ones, whichever engine computes it."""

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

# The one of networkx's that needs no SciPy.
from networkx.algorithms.link_analysis.pagerank_alg import _pagerank_python

from graph.analytics.computing import compute
from graph.analytics.definitions import Measure
from graph.analytics.network import Network
from graph.analytics.structure import degree_centrality, describe, strengths

from .networks import KNOWN, directed, networks, undirected

CLOSE = 1e-6


def power_iteration(graph: nx.Graph) -> dict[int, float]:
    return nx.eigenvector_centrality(graph, max_iter=200_000, tol=1e-14, weight="strength")


EXPECTED: dict[Measure, Callable[[Network], dict[int, float]]] = {
    Measure.DEGREE: lambda network: nx.degree_centrality(directed(network)),
    Measure.STRENGTH: lambda network: dict(directed(network).degree(weight="strength")),
    Measure.PAGERANK: lambda network: _pagerank_python(directed(network), weight="strength", tol=1e-14, max_iter=1000),
    Measure.EIGENVECTOR: lambda network: power_iteration(undirected(network)),
    Measure.BETWEENNESS: lambda network: nx.betweenness_centrality(directed(network)),
    Measure.CLOSENESS: lambda network: nx.closeness_centrality(directed(network)),
    Measure.CLUSTERING: lambda network: nx.clustering(undirected(network)),
}


def measured(measure: Measure, network: Network) -> Any:
    match measure:
        case Measure.DEGREE:
            return degree_centrality(network)
        case Measure.STRENGTH:
            return strengths(network)
        case _:
            return compute(measure, network)


def agree(measure: Measure, network: Network) -> None:
    check_scores(measure, network, measured(measure, network))


def check_scores(measure: Measure, network: Network, found: Any) -> None:
    """Compares the agents' scores with networkx's."""
    assert len(found) == network.size
    if not network.size:
        return
    expected = EXPECTED[measure](network)
    assert np.abs(found - [expected[i] for i in range(network.size)]).max() < CLOSE


@pytest.mark.parametrize("measure", EXPECTED, ids=lambda measure: measure.name)
@pytest.mark.parametrize("name", KNOWN)
def test_known_networks(measure: Measure, name: str):
    agree(measure, KNOWN[name])


@pytest.mark.parametrize("measure", EXPECTED, ids=lambda measure: measure.name)
@settings(max_examples=100, deadline=None)
@given(network=networks())
def test_random_networks(measure: Measure, network: Network):
    if measure is Measure.EIGENVECTOR and gap(network) < 0.02:
        # Power iteration would take too long.
        return
    agree(measure, network)


def gap(network: Network) -> float:
    """How far the greatest eigenvalue lies above the next different one, relative to both."""
    values = np.unique(np.linalg.eigvalsh(nx.to_numpy_array(undirected(network), weight="strength")).round(9))
    return (values[-1] - values[-2]) / (values[-1] + 1) if len(values) > 1 else 1.0


@settings(max_examples=200, deadline=None)
@given(network=networks())
def test_figures_of_random_networks(network: Network):
    graph, found = directed(network), describe(network)
    assert found.density == pytest.approx(nx.density(graph), abs=CLOSE)
    if graph.size():
        assert found.reciprocity == pytest.approx(nx.overall_reciprocity(graph), abs=CLOSE)
    ends = [(graph.out_degree(source), graph.in_degree(target)) for source, target in graph.edges]
    if found.assortativity is None:
        # Nothing correlates with what is everywhere the same; networkx divides by what rounding leaves of 0 then.
        assert any(len(set(degrees)) <= 1 for degrees in zip(*ends, strict=True)) or not ends
    else:
        assert found.assortativity == pytest.approx(nx.degree_assortativity_coefficient(graph), abs=CLOSE)
    assert found.inward.tolist() == [degree for _, degree in graph.in_degree()]
    assert found.outward.tolist() == [degree for _, degree in graph.out_degree()]


def groups(labels: Any) -> list[set[int]]:
    found: dict[int, set[int]] = {}
    for agent, label in enumerate(np.asarray(labels).tolist()):
        found.setdefault(label, set()).add(agent)
    return list(found.values())


def weighed(network: Network) -> nx.Graph:
    graph = undirected(network)
    graph.remove_edges_from([(a, b) for a, b, weight in graph.edges(data="strength") if weight == 0])
    return graph


def check_division(measure: Measure, network: Network, labels: Any) -> None:
    """Checks what is promised of a division into communities."""
    graph, found = weighed(network), groups(labels)
    assert sum(map(len, found)) == network.size
    if measure is Measure.COMPONENTS:
        expected = map(frozenset, nx.weakly_connected_components(directed(network)))
        assert set(map(frozenset, found)) == set(expected)
        return
    apart = list(nx.connected_components(graph))
    assert all(any(group <= part for part in apart) for group in found)
    if measure is Measure.LABEL_PROPAGATION:
        for agent in graph:
            among = dict.fromkeys(range(len(found)), 0.0)
            for other, weight in graph[agent].items():
                among[next(i for i, group in enumerate(found) if other in group)] += weight["strength"]
            own = next(i for i, group in enumerate(found) if agent in group)
            assert among[own] >= max(among.values()) - 1e-9
    elif graph.size():
        theirs = nx.community.louvain_communities(graph, weight="strength", seed=7)
        modularity = nx.community.modularity
        assert modularity(graph, found, weight="strength") >= modularity(graph, theirs, weight="strength") - 1e-9


DIVISIONS = (Measure.LEIDEN, Measure.LOUVAIN, Measure.LABEL_PROPAGATION, Measure.COMPONENTS)


@pytest.mark.parametrize("measure", DIVISIONS, ids=lambda measure: measure.name)
@pytest.mark.parametrize("name", KNOWN)
def test_divisions_of_known_networks(measure: Measure, name: str):
    check_division(measure, KNOWN[name], compute(measure, KNOWN[name]))


@pytest.mark.parametrize("measure", DIVISIONS, ids=lambda measure: measure.name)
@settings(max_examples=100, deadline=None)
@given(network=networks())
def test_divisions_of_random_networks(measure: Measure, network: Network):
    check_division(measure, network, compute(measure, network))
