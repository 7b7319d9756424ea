"""What one request read, and how long each step of it took."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from graph.reads import Key
from resolvers.loaders import Source


@dataclass(frozen=True, slots=True)
class Step:
    """What was asked for together: how many keys of which query, from when to when in seconds."""

    asked: dict[str, int]
    started: float
    ended: float


class Watched:
    """Notes what is asked of a source; who waits for whom is told by the times."""

    __slots__ = ("_noted", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._noted: list[tuple[Sequence[Key], float, float]] = []

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        started = perf_counter()
        try:
            return await self._source.load_many(keys)
        finally:
            self._noted.append((keys, started, perf_counter()))

    def steps(self) -> Iterator[Step]:
        """Tells the steps in the order in which they ended."""
        for keys, started, ended in self._noted:
            yield Step(dict(Counter(key.shape.lane for key in keys)), started, ended)
