"""Faults in what is read: keys that fail, and columns that hold what they should not. Each is the same every time."""

import copy
import dataclasses
import zlib
from collections.abc import Sequence
from datetime import datetime
from operator import is_
from typing import Any

from graph.eager import Eager, EagerKey, brought_by
from graph.errors import DeadlineExceeded, Internal, Unavailable
from graph.page import Page
from graph.pages import FloatSummary
from graph.reads import Key
from resolvers.coalescer import Coalescer

ERRORS = (Unavailable("The database is busy."), DeadlineExceeded("Too slow."), Internal("x: y"), ValueError("odd"))
ODD_NUMBERS = (float("nan"), None, float("nan"), float("inf"), True, 7, 2**31, "text")
ODD = (None, float("nan"), float("inf"), True, 7, 2**31, 1e300, "text", [], ["a", 1, None], b"", {"a": 1}, 0.5, "")


class FaultyCoalescer(Coalescer):
    """Remembers what it read before, and spoils some of it: of a hundred keys or rows so many as `rate` says."""

    def __init__(self, real: Coalescer, known: dict[Key, Any], *, seed: int, rate: int) -> None:
        self._real = real
        self._known = known
        self._seed = seed
        self._rate = rate

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        if missing := [key for key in keys if key not in self._known]:
            for key, answer in zip(missing, await self._real.load_many(missing), strict=True):
                # Whoever asked at the same time may have been faster.
                self._known.setdefault(key, answer)
        return [self._spoil(key, self._known[key]) for key in keys]

    def _hits(self, *what: Any) -> int:
        """Gives 0 for what is not hit, else a number that says how."""
        number = zlib.crc32(repr((self._seed, *what)).encode())
        return number // 100 + 1 if number % 100 < self._rate else 0

    def _spoil(self, key: Any, answer: Any) -> Any:
        if isinstance(answer, Exception):
            return answer
        if isinstance(key, EagerKey):
            # The same befalls it as what would have been asked for singly.
            found = self._spoil(key.plain, answer and answer.answer)
            if answer is None or isinstance(found, Exception):
                return found
            return Eager(found, [(asked, self._spoil(asked, page)) for asked, page in answer.pages])
        name = name_of(key)
        if hit := self._hits("key", name):
            return ERRORS[hit % len(ERRORS)]
        if isinstance(answer, list):
            # What is chosen from, or found as a whole, comes or it doesn't.
            return answer
        if isinstance(answer, Page):
            brought = [self._spoil(*each) for each in brought_by(key, answer)]
            # Their ids may not have been read.
            items = [self._spoil_row(row, name, place) for place, row in enumerate(answer.items)]
            whole = all(map(is_, [*items, *brought], [*answer.items, *(answer.brought or [])]))
            # A page of which nothing is spoilt stays what it is, rows or objects.
            return answer if whole else Page(items, answer.positions, answer.more, brought)
        if isinstance(answer, dict):
            return {each: self._spoil_row(summary, name) for each, summary in answer.items()}
        if isinstance(answer, int):
            return ODD[hit % len(ODD)] if (hit := self._hits("count", name)) else answer
        return self._spoil_row(answer) if hasattr(answer, "id") else answer

    def _spoil_row(self, row: Any, *name: Any) -> Any:
        if row is None or not (hit := self._hits("row", *name, *([] if name else [row.id]))):
            return row
        if isinstance(row, FloatSummary):
            return dataclasses.replace(row, average=ODD_NUMBERS[hit % len(ODD_NUMBERS)])
        columns = [each.name for each in dataclasses.fields(row) if each.name != "id" and not each.name.endswith("_id")]
        column = columns[hit % len(columns)]
        if column not in vars(row):
            # It was not read, because nobody asks for it.
            return row
        odd = ODD_NUMBERS if isinstance(getattr(row, column), float) else ODD
        value: Any = odd[hit // 64 % len(odd)]
        if column == "persona" or isinstance(getattr(row, column), datetime):
            value = None
        spoilt = copy.copy(row)
        setattr(spoilt, column, value)
        return spoilt


BOUNDS = ("key", "parent", "after", "before", "id", "other", "source", "target", "oldest")


def name_of(key: Any) -> str:
    bounds = [getattr(key, name, None) for name in BOUNDS]
    shape = [getattr(key.shape, name, None) for name in ("lane", "limit", "backward", "inclusive")]
    return repr((type(key).__name__, bounds, shape))
