"""Agents in the order of their scores."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph.analytics.network import Scores
from graph.analytics.snapshot import Snapshot

# Scores that differ by less differ by how they were computed, and are ordered by key.
DIGITS = 12


@dataclass(frozen=True, eq=False, slots=True)
class Ranking:
    """Scores by the agents' numbers, and those numbers from the highest score to the lowest, equal ones by key."""

    snapshot: Snapshot
    scores: Scores
    order: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.order)

    @property
    def mean(self) -> float:
        """The mean score; 0 for nobody."""
        return float(self.scores.mean()) if len(self.scores) else 0.0

    def score(self, number: int) -> float:
        return float(self.scores[number])

    def position(self, place: int) -> tuple[float, str]:
        """What keeps a place when the scores change: the score and the key there."""
        number = int(self.order[place])
        return float(self.scores[number]), self.snapshot.keys[number]

    def after(self, score: float, key: str) -> int:
        """The first place after a position, which may be another ranking's."""
        return bisect_right(range(len(self)), (-score, key), key=self._sorted)

    def _sorted(self, place: int) -> tuple[float, str]:
        score, key = self.position(place)
        return -score, key


def rank(snapshot: Snapshot, scores: Scores) -> Ranking:
    """Orders agents by their scores."""
    rounded = np.round(scores, DIGITS) + 0.0
    return Ranking(snapshot, rounded, np.argsort(-rounded, kind="stable"))
