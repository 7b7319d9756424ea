"""The reads that all resolvers share: pages, counts, summaries and lookups, by the shape of their keys."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from graph.database import Database
from graph.lookups import Lookup, fetch_lookups
from graph.pages import Listing, PageShape, SummaryShape, fetch_counts, fetch_pages, fetch_summaries
from graph.questions import Asking, fetch_answers


class Shape(Protocol):
    """What the keys of one query have in common. Queries of a lane wait for each other."""

    @property
    def lane(self) -> str: ...


class Key(Protocol):
    """What is asked for: hashable, with the shape of the query that answers it."""

    @property
    def shape(self) -> Shape: ...


FETCHERS: dict[type, Callable[[Database, Any, list[Any], float], Awaitable[list[Any]]]] = {
    PageShape: fetch_pages,
    Listing: fetch_counts,
    SummaryShape: fetch_summaries,
    Lookup: fetch_lookups,
    Asking: fetch_answers,
}


async def fetch(database: Database, shape: Shape, keys: list[Any], deadline: float) -> list[Any]:
    """Answers keys that share a shape with one query, in their order. `deadline` in seconds."""
    return await FETCHERS[type(shape)](database, shape, keys, deadline)
