"""What the network is like as a whole, and the measures that a look at each relationship settles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.analytics.network import Network, Scores, summed
from graph.edges import Direction

Degrees = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Structure:
    """Figures of the whole network; see `definitions`."""

    density: float
    reciprocity: float
    assortativity: float | None
    inward: Degrees
    outward: Degrees

    def distribution(self, direction: Direction) -> list[tuple[int, int]]:
        """Pairs each degree that there is with how many agents have it, the lowest first."""
        match direction:
            case Direction.OUT:
                degrees = self.outward
            case Direction.IN:
                degrees = self.inward
            case Direction.BOTH:
                degrees = self.inward + self.outward
        return list(zip(*(each.tolist() for each in np.unique(degrees, return_counts=True)), strict=True))


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
    return both.astype(np.float64) / (network.size - 1) if network.size > 1 else np.ones(network.size)


def strengths(network: Network) -> Scores:
    outward = summed(network.source, network.strength, network.size)
    return outward + summed(network.target, network.strength, network.size)
