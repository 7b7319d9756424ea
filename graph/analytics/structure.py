"""What the network is like as a whole, and the measures that a look at each relationship settles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.analytics.network import Network, Scores

Degrees = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Structure:
    """Figures of the whole network; see `definitions`."""

    density: float
    reciprocity: float
    assortativity: float | None
    inward: Degrees
    outward: Degrees


def describe(network: Network) -> Structure:
    """Computes the figures of a network."""
    inward = np.bincount(network.target, minlength=network.size)
    outward = np.bincount(network.source, minlength=network.size)
    return Structure(density(network), reciprocity(network), assortativity(network, inward, outward), inward, outward)


def density(network: Network) -> float:
    possible = network.size * (network.size - 1)
    return len(network.source) / possible if possible else 0.0


def reciprocity(network: Network) -> float:
    if not len(network.source):
        return 0.0
    source, target = network.source.astype(np.int64), network.target.astype(np.int64)
    there, back = source * network.size + target, target * network.size + source
    return float(np.isin(there, back).mean())


def assortativity(network: Network, inward: Degrees, outward: Degrees) -> float | None:
    """Correlates degrees over all relationships; None where they do not vary."""
    x, y = outward[network.source], inward[network.target]
    if not len(x) or x.min() == x.max() or y.min() == y.max():
        return None
    return float(np.corrcoef(x, y)[0, 1])


def degree_centrality(network: Network) -> Scores:
    both = np.bincount(network.source, minlength=network.size) + np.bincount(network.target, minlength=network.size)
    # networkx gives 1 to a single agent.
    return both / (network.size - 1) if network.size > 1 else np.ones(network.size)


def strengths(network: Network) -> Scores:
    outward = np.bincount(network.source, network.strength, minlength=network.size)
    return outward + np.bincount(network.target, network.strength, minlength=network.size)
