"""Communities: the network divided, and what each part is like."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.analytics.definitions import CommunityAlgorithm
from graph.analytics.network import summed
from graph.analytics.snapshot import Snapshot
from graph.model import doc

Numbers = NDArray[np.int64]


@dataclass(kw_only=True, eq=False)
class Community:
    """Agents who are tied to each other more than to others.

    Known by its algorithm and the smallest key among its members; `node(id:)` gives the community that this agent is
    in now.
    """

    id: str = doc("The global id.")
    key: str = doc("The smallest key among its members.")
    size: int = doc("How many members it has.")
    density: float = doc("Relationships between members, divided by the most that there could be; 0 for a single one.")
    internal_strength: float = doc("The sum of the strengths of the relationships between members.")
    division: "Division"
    number: int

    @property
    def members(self) -> Numbers:
        """The members' numbers, in the order of their keys."""
        start, end = self.division.starts[self.number : self.number + 2]
        return self.division.ordered[start:end]

    @property
    def member_keys(self) -> list[str]:
        return [self.division.snapshot.keys[number] for number in self.members]

    @property
    def member_ids(self) -> list[str]:
        return [self.division.snapshot.ids[number] for number in self.members]


@dataclass(frozen=True, eq=False, slots=True)
class Division:
    """Communities by their numbers, the largest first, those of a size by their smallest keys.

    `labels` says which community each agent is in; `ordered` has the agents community by community, `starts` where
    each begins and, at its end, how many agents there are.
    """

    algorithm: CommunityAlgorithm
    snapshot: Snapshot
    labels: Numbers
    ordered: Numbers
    starts: Numbers
    inside: Numbers
    strengths: NDArray[np.float64]
    modularity: float

    def __len__(self) -> int:
        return len(self.inside)

    def community(self, number: int) -> Community:
        key = self.key(number)
        size = self.size(number)
        pairs = size * (size - 1)
        return Community(
            id=f"Community:{self.algorithm.value}:{key}",
            key=key,
            size=size,
            density=int(self.inside[number]) / pairs if pairs else 0.0,
            internal_strength=float(self.strengths[number]),
            division=self,
            number=number,
        )

    def of_agent(self, number: int) -> Community:
        return self.community(int(self.labels[number]))

    def size(self, number: int) -> int:
        return int(self.starts[number + 1] - self.starts[number])

    def key(self, number: int) -> str:
        return self.snapshot.keys[self.ordered[self.starts[number]]]

    def position(self, number: int) -> tuple[int, str]:
        """What keeps a place when communities change: the size and the key there."""
        return self.size(number), self.key(number)

    def after(self, size: int, key: str) -> int:
        """The first community after a position, which may be another division's."""
        return bisect_right(range(len(self)), (-size, key), key=lambda number: (-self.size(number), self.key(number)))


def divide(algorithm: CommunityAlgorithm, snapshot: Snapshot, labels: Any) -> Division:
    """Numbers communities by size and key, and measures each."""
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    # Agents are numbered by their keys, so that the first of a community has its smallest key.
    order = np.lexsort((first, -sizes))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    found = number[inverse]
    network = snapshot.network
    source = found[network.source]
    within = source == found[network.target]
    count = len(order)
    strengths = summed(source[within], network.strength[within], count)
    return Division(
        algorithm,
        snapshot,
        found,
        np.argsort(found, kind="stable"),
        np.concatenate(([0], np.cumsum(sizes[order]))),
        np.bincount(source[within], minlength=count),
        strengths,
        modularity(snapshot, found, strengths),
    )


def modularity(snapshot: Snapshot, labels: Numbers, inside: NDArray[np.float64]) -> float:
    """Computes the modularity of a division; `inside` has each community's internal strength."""
    network = snapshot.network
    total = float(network.strength.sum())
    if not total:
        return 0.0
    count = len(inside)
    tied = summed(labels[network.source], network.strength, count)
    tied += summed(labels[network.target], network.strength, count)
    return float(inside.sum() / total - ((tied / (2 * total)) ** 2).sum())
