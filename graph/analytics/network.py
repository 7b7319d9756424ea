"""The network as arrays: no Python object for a relationship, so that a million of them take 16 MB."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int32]
Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Network:
    """Directed relationships between `size` agents, who are numbered by their keys' order.

    `source` and `target` hold the agents' numbers, ordered by source, and `strength` the weights. There is at most
    one relationship each way between two agents, and none of an agent with itself.
    """

    size: int
    source: Indexes
    target: Indexes
    strength: Scores

    def __reduce__(self) -> tuple[Any, ...]:
        return Network, (self.size, self.source, self.target, self.strength)


@dataclass(frozen=True, eq=False, slots=True)
class Ties:
    """Undirected ties, each once, the lower number first; `weight` sums the strengths of both ways."""

    size: int
    low: Indexes
    high: Indexes
    weight: Scores

    def heavy(self) -> "Ties":
        """Those that weigh something."""
        chosen = self.weight > 0
        return Ties(self.size, self.low[chosen], self.high[chosen], self.weight[chosen])


def summed(at: NDArray[Any], values: Scores, size: int) -> Scores:
    """Adds up the values at each of `size` numbers."""
    return np.bincount(at, values, size).astype(np.float64)


def undirected(network: Network) -> Ties:
    """Joins the relationships between each two agents."""
    low = np.minimum(network.source, network.target).astype(np.int64)
    high = np.maximum(network.source, network.target)
    pairs, place = np.unique(low * max(network.size, 1) + high, return_inverse=True)
    weight = summed(place, network.strength, len(pairs))
    low, high = np.divmod(pairs, max(network.size, 1))
    return Ties(network.size, low.astype(np.int32), high.astype(np.int32), weight)
