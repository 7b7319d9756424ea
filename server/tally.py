"""Histograms that cost next to nothing to fill: numbers in a list, which are written out when somebody asks."""

from bisect import bisect_left
from collections.abc import Sequence

# In seconds. The objectives, 10 ms for the database and 100 ms for a request, are bounds of their own.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# In things.
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


class Tally:
    """How many values lie within which bounds, and their sum. Not for several threads at once."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Tells how many values were at most each bound, as Prometheus has it."""
        found: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            found.append(("+Inf" if bound == float("inf") else str(float(bound)), total))
        return found
