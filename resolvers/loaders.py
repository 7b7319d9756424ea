"""What one request has asked for: each key once, those of a moment together."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from aiodataloader import DataLoader

from graph.lookups import Lookup, LookupKey
from graph.page import Page
from graph.pages import CountKey, FloatSummary, PageKey, SummaryKey
from graph.reads import Key

# What takes objects and gives a value for each, or the exception that befell it. One that must read yields the
# keys that it needs and is sent their answers, as often as it has to.
Values = list[Any]
Reading = Generator[Sequence[Key], Values, Values]
Step = Callable[[Sequence[Any]], Values | Reading]


class Source(Protocol):
    """What answers keys in their order, each with a value or with the exception that befell it."""

    async def load_many(self, keys: Sequence[Key]) -> list[Any]: ...


class Loaders:
    """The loaders of one request, made as they are needed, one for each kind of query.

    They memoise and gather; the source behind them joins what other requests gathered.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lanes: dict[str, DataLoader[Any, Any]] = {}

    def _load(self, key: Key) -> asyncio.Future[Any]:
        lane = key.shape.lane
        loader = self._lanes.get(lane)
        if loader is None:
            loader = self._lanes[lane] = DataLoader(self._source.load_many)
        return loader.load(key)

    def clear(self) -> None:
        """Forgets what was loaded."""
        self._lanes.clear()

    async def load_many(self, keys: Sequence[Key]) -> Values:
        """Answers keys in their order, each with a value or with the exception that befell it; remembers none."""
        return await self._source.load_many(keys)

    async def finish(self, reading: Reading) -> Any:
        """Gives the value that a step reads for its only object. Raises the exception that befell it."""
        try:
            keys = next(reading)
            while True:
                loading = [self._load(key) for key in keys]
                if loading:
                    # Others may wait for the same, so that a cancelled field must not cancel it.
                    await asyncio.wait(loading)
                keys = reading.send([each.exception() or each.result() for each in loading])
        except StopIteration as end:
            (value,) = end.value
        if isinstance(value, Exception):
            raise value
        return value

    def page(self, key: PageKey) -> asyncio.Future[Page]:
        return self._load(key)

    def count(self, key: CountKey) -> asyncio.Future[int]:
        return self._load(key)

    def summary(self, key: SummaryKey) -> asyncio.Future[dict[str, FloatSummary]]:
        return self._load(key)

    def one(self, lookup: Lookup, key: Any) -> asyncio.Future[Any]:
        """Finds what a lookup's key names, or None."""
        return self._load(LookupKey(lookup, key))

    async def several(self, lookup: Lookup, keys: Sequence[Any]) -> list[Any]:
        """Finds what keys of one lookup name, in their order, None for nothing."""
        return await asyncio.gather(*(self.one(lookup, key) for key in keys))
