"""Networks to measure: known ones and random ones, as arrays and as networkx has them."""

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from graph.analytics.network import Network

Relationships = dict[tuple[int, int], float]


def network_of(size: int, relationships: Relationships) -> Network:
    ordered = sorted(relationships)
    return Network(
        size,
        np.array([source for source, _ in ordered], dtype=np.int32),
        np.array([target for _, target in ordered], dtype=np.int32),
        np.array([relationships[pair] for pair in ordered], dtype=np.float64),
    )


def directed(network: Network) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.size))
    rows = zip(network.source.tolist(), network.target.tolist(), network.strength.tolist(), strict=True)
    graph.add_weighted_edges_from(rows, weight="strength")
    return graph


def undirected(network: Network) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(network.size))
    for source, target, strength in directed(network).edges(data="strength"):
        before = graph.get_edge_data(source, target, {"strength": 0.0})["strength"]
        graph.add_edge(source, target, strength=before + strength)
    return graph


def both_ways(graph: nx.Graph) -> Network:
    """An undirected graph with weights, as relationships of the same strength each way."""
    number = {node: place for place, node in enumerate(sorted(graph))}
    most = max(weight for *_, weight in graph.edges(data="weight", default=1))
    found: Relationships = {}
    for a, b, weight in graph.edges(data="weight", default=1):
        found[number[a], number[b]] = found[number[b], number[a]] = weight / most
    return network_of(len(number), found)


@st.composite
def networks(draw: st.DrawFn, most: int = 12) -> Network:
    """Any network of a few agents: with gaps, one-way ties, ends, strengths of 0 and 1, and isolated agents."""
    size = draw(st.integers(1, most))
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)).filter(lambda pair: pair[0] != pair[1])
    strengths = st.sampled_from([0.0, 0.001, 0.25, 0.5, 0.5, 1.0])
    found = draw(st.dictionaries(pairs, strengths, max_size=4 * size)) if size > 1 else {}
    return network_of(size, found)


KNOWN = {
    "karate": both_ways(nx.karate_club_graph()),
    "les miserables": both_ways(nx.les_miserables_graph()),
    "one way": network_of(5, {(0, 1): 0.5, (1, 2): 1.0, (2, 3): 0.2, (0, 3): 0.7, (3, 1): 0.1}),
    "islands": network_of(9, {(0, 1): 0.5, (1, 0): 0.5, (2, 3): 1.0, (5, 4): 0.5, (4, 5): 0.5, (6, 7): 0.3}),
    "nobody tied": network_of(4, {}),
    "alone": network_of(1, {}),
    "nobody": network_of(0, {}),
    "all weigh nothing": network_of(3, {(0, 1): 0.0, (1, 2): 0.0}),
}
