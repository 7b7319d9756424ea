"""The measures that igraph and NumPy compute, from arrays alone; it runs in processes of its own."""

# igraph has types for some of its functions only.
# pyright: reportMissingTypeStubs=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from random import Random
from typing import Any

import igraph
import numpy as np
from numpy.typing import NDArray

from graph.analytics.definitions import DAMPING, Measure
from graph.analytics.network import Indexes, Network, Scores, Ties, summed, undirected

Result = NDArray[Any]

# When scores that sum to 1 change by less in all, they are as exact as their sum; each step changes less by a seventh.
UNCHANGED = 1e-13
# Randomised algorithms start from this, so that the same network gives the same communities.
SEED = 20
# Small networks are divided several times, and the division of the highest modularity is kept.
MOST_TRIES = 10
TRIED_RELATIONSHIPS = 100_000
# Components up to this size are solved densely, which is exact and needs no iteration.
DENSE = 300
SAME_EIGENVALUE = 1e-9


def compute(measure: Measure, network: Network) -> Result:
    """Computes a measure: a score or a community's number for each agent."""
    igraph.set_random_number_generator(Random(SEED))  # noqa: S311
    return COMPUTED[measure](network)


def graph_of(size: int, source: Indexes, target: Indexes, *, directed: bool = False) -> Any:
    return igraph.Graph(n=size, edges=np.column_stack((source, target)).astype(np.int64), directed=directed)


def directed_graph(network: Network) -> Any:
    return graph_of(network.size, network.source, network.target, directed=True)


def undirected_graph(ties: Ties) -> Any:
    return graph_of(ties.size, ties.low, ties.high)


def page_rank(network: Network) -> Scores:
    """Iterates until nothing changes; over arrays, because it takes longer to make a graph of them than to do that."""
    size = network.size
    scores = np.full(size, 1 / max(size, 1))
    outward = summed(network.source, network.strength, size)
    # Relationships of those whose strengths are all 0 pass nothing on.
    share = network.strength / np.where(outward > 0, outward, 1.0)[network.source]
    dangling = outward == 0
    change = 1.0
    while size and change > UNCHANGED:
        passed = summed(network.target, share * scores[network.source], size) + scores[dangling].sum() / size
        before, scores = scores, DAMPING * passed + (1 - DAMPING) / size
        change = float(np.abs(scores - before).sum())
    return scores


def betweenness(network: Network) -> Scores:
    pairs = (network.size - 1) * (network.size - 2)
    return np.array(directed_graph(network).betweenness(directed=True)) / max(pairs, 1)


def closeness(network: Network) -> Scores:
    """Computes closeness within what reaches an agent, times the share of agents that do."""
    if network.size < 2:
        return np.zeros(network.size)
    graph = directed_graph(network)
    near = np.nan_to_num(np.array(graph.closeness(mode="in", normalized=True)))
    return near * reaching(graph, near) / (network.size - 1)


def reaching(graph: Any, near: Scores) -> Scores:
    """Counts the others who reach each agent; `near` is one over their mean distance."""
    weak, strong = graph.connected_components("weak"), graph.connected_components("strong")
    if len(weak) == len(strong):
        # Whoever is in the same component reaches the agent.
        return np.array(weak.sizes())[np.array(weak.membership)] - 1.0
    one_over_sum = np.nan_to_num(np.array(graph.closeness(mode="in", normalized=False)))
    return np.rint(np.divide(near, one_over_sum, out=np.zeros_like(near), where=one_over_sum > 0))


def clustering(network: Network) -> Scores:
    return np.array(undirected_graph(undirected(network)).transitivity_local_undirected(mode="zero"))


def components(network: Network) -> Result:
    return np.array(directed_graph(network).connected_components("weak").membership, dtype=np.int64)


def eigenvector(network: Network) -> Scores:
    """Projects equal scores onto the space of the greatest eigenvalue, whatever components share it."""
    ties = undirected(network).heavy()
    graph = undirected_graph(ties)
    graph.es["weight"] = ties.weight.tolist()
    bound = summed(ties.low, ties.weight, ties.size) + summed(ties.high, ties.weight, ties.size)
    parts = sorted(
        ((float(bound[part].max()), part) for part in graph.connected_components()), key=lambda each: -each[0]
    )
    best, found = 0.0, list[tuple[float, list[int], Scores]]()
    for most, part in parts:
        # No eigenvalue exceeds the greatest strength of an agent.
        if most < best * (1 - SAME_EIGENVALUE) or (most == 0.0 and best > 0.0):
            break
        value, vector = principal(graph.induced_subgraph(part))
        best = max(best, value)
        found.append((value, part, vector))
    scores = np.zeros(network.size)
    for value, part, vector in found:
        if value >= best * (1 - SAME_EIGENVALUE):
            scores[part] = vector * vector.sum()
    return scores / (np.linalg.norm(scores) or 1.0)


def principal(graph: Any) -> tuple[float, Scores]:
    """Gives the greatest eigenvalue of a connected graph, and its vector of length 1."""
    size = graph.vcount()
    if size > DENSE:
        vector, value = graph.eigenvector_centrality(directed=False, weights="weight", return_eigenvalue=True)
        scores = np.array(vector)
    else:
        matrix = np.zeros((size, size))
        for tie in graph.es:
            matrix[tie.source, tie.target] = matrix[tie.target, tie.source] = tie["weight"]
        values, vectors = np.linalg.eigh(matrix)
        value, scores = values[-1], np.abs(vectors[:, -1])
    return float(value), scores / np.linalg.norm(scores)


def leiden(network: Network) -> Result:
    return best_division(
        network,
        lambda graph: graph.community_leiden(objective_function="modularity", weights="weight", n_iterations=-1),
    )


def louvain(network: Network) -> Result:
    return best_division(network, lambda graph: graph.community_multilevel(weights="weight"))


def best_division(network: Network, divide: Callable[[Any], Any]) -> Result:
    """Divides a network into communities, the smaller the more often, and keeps the best."""
    ties = undirected(network).heavy()
    if not len(ties.weight):
        return np.arange(network.size)
    graph = undirected_graph(ties)
    graph.es["weight"] = ties.weight.tolist()
    tries = max(1, min(MOST_TRIES, TRIED_RELATIONSHIPS // len(ties.weight)))
    divisions = [divide(graph).membership for _ in range(tries)]
    return np.array(max(divisions, key=lambda each: graph.modularity(each, weights="weight")), dtype=np.int64)


def label_propagation(network: Network) -> Result:
    ties = undirected(network).heavy()
    graph = undirected_graph(ties)
    found = graph.community_label_propagation(weights=ties.weight.tolist())
    return np.array(found.membership, dtype=np.int64)


COMPUTED: dict[Measure, Callable[[Network], Result]] = {
    Measure.PAGERANK: page_rank,
    Measure.EIGENVECTOR: eigenvector,
    Measure.BETWEENNESS: betweenness,
    Measure.CLOSENESS: closeness,
    Measure.CLUSTERING: clustering,
    Measure.LEIDEN: leiden,
    Measure.LOUVAIN: louvain,
    Measure.LABEL_PROPAGATION: label_propagation,
    Measure.COMPONENTS: components,
}
