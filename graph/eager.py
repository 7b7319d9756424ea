"""Eager loading: agents looked up together with the first pages of their lists, in one query instead of two in turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from graph.database import Database
from graph.lookups import Lookup, LookupKey
from graph.page import Page
from graph.pages import PageKey, PageShape, call_of, page_reader
from graph.rows import projection, reader


@dataclass(frozen=True, slots=True, eq=False)
class EagerLookup:
    """A lookup, and the pages that are read of what it finds: without bounds, filters and skipping."""

    lookup: Lookup
    pages: tuple[PageShape, ...]

    @property
    def lane(self) -> str:
        return f"{self.lookup.name} and lists"

    def pages_of(self, row: Any) -> list[PageKey]:
        """The keys that would ask for the pages of what was found."""
        return [PageKey(each, row.id) for each in self.pages]


@lru_cache(maxsize=1024)
def eager_lookup(lookup: Lookup, pages: tuple[PageShape, ...]) -> EagerLookup:
    """The same object for the same pages, so that comparing two costs nothing."""
    return EagerLookup(lookup, pages)


class EagerKey(NamedTuple):
    """One name looked up."""

    shape: EagerLookup
    key: Any

    @property
    def plain(self) -> LookupKey:
        """Asks for the same without lists."""
        return LookupKey(self.shape.lookup, self.key)


@dataclass(frozen=True, slots=True)
class Eager:
    """What was found, and by the keys that would have asked for them its pages, or the exceptions that befell them."""

    row: Any
    pages: dict[PageKey, Page | Exception]


def brought_by(key: Any, answer: Any) -> Iterator[tuple[Any, Any]]:
    """What the answer to a key brought along, each with the key that would have asked for it."""
    if isinstance(answer, Eager):
        for asked, page in answer.pages.items():
            yield asked, page
            yield from brought_by(asked, page)
    elif isinstance(answer, Page) and answer.brought and (brings := key.shape.brings):
        for each in answer.brought:
            yield LookupKey(brings, each.id), each


def can_be_eager(shape: PageShape) -> bool:
    """Whether a page of this shape can be read before it is known whose it is."""
    return not (shape.bounded or shape.skip or shape.listing.filter)


@lru_cache(maxsize=1024)
def eager_text(shape: EagerLookup) -> str:
    """The query that looks up and reads pages, the first of `$limit0` rows, the second of `$limit1` and so on."""
    lookup, numbers = shape.lookup, range(len(shape.pages))
    calls = [call_of(page, str(number)) for number, page in zip(numbers, shape.pages, strict=True)]
    rows = ", ".join(f"rows{number}" for number in numbers)
    return "\n".join(
        [
            f"UNWIND $keys AS k\nMATCH {lookup.match}",
            f"WITH k AS key, [{projection(lookup.row, chosen=lookup.fields)}] AS found, {{id: n.id}} AS k",
            *calls,
            f"RETURN collect([key, found, {rows}])",
        ]
    )


def eager_parameters(shape: EagerLookup, keys: Sequence[EagerKey]) -> dict[str, Any]:
    """The parameters with which the query of a shape looks up what keys name."""
    limits = {f"limit{number}": page.rows for number, page in enumerate(shape.pages)}
    return {"keys": [key.key for key in keys]} | limits


async def fetch_eager(
    database: Database, shape: EagerLookup, keys: list[EagerKey], deadline: float
) -> list[Eager | None]:
    """Finds what the keys name, with its pages; None for those that name nothing."""
    given = eager_parameters(shape, keys)
    ((records,),) = await database.read(shape.lane, eager_text(shape), given, deadline=deadline)
    read, readers = reader(shape.lookup.row, shape.lookup.fields), [page_reader(each) for each in shape.pages]
    found: dict[Any, Eager] = {}
    for key, row, *pages in records:
        agent = read(row)
        found[key] = Eager(agent, dict(zip(shape.pages_of(agent), read_pages(readers, pages), strict=True)))
    return [found.get(key.key) for key in keys]


def read_pages(
    readers: Sequence[Callable[[list[list[Any]]], Page]], pages: Sequence[list[list[Any]]]
) -> Iterator[Page | Exception]:
    """Reads pages; what one of them holds that cannot be read befalls no other."""
    for read, rows in zip(readers, pages, strict=True):
        try:
            yield read(rows)
        except Exception as error:
            yield error
