"""What one request has asked for: each key once, those of a moment together."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiodataloader import DataLoader

from graph.lookups import Lookup, LookupKey
from graph.pages import CountKey, FloatSummary, Page, PageKey, SummaryKey
from graph.reads import Key
from resolvers.coalescer import Coalescer


class Loaders:
    """The loaders of one request, made as they are needed, one for each kind of query.

    They memoise and gather; the coalescer behind them joins what other requests gathered.
    """

    def __init__(self, coalescer: Coalescer) -> None:
        self._coalescer = coalescer
        self._lanes: dict[str, DataLoader[Any, Any]] = {}

    def _load(self, key: Key) -> asyncio.Future[Any]:
        lane = key.shape.lane
        loader = self._lanes.get(lane)
        if loader is None:
            loader = self._lanes[lane] = DataLoader(self._coalescer.load_many)
        return loader.load(key)

    def clear(self) -> None:
        """Forgets what was loaded, because something was written since."""
        self._lanes.clear()

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
