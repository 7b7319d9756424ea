"""The reads that all resolvers share: pages, counts, summaries and lookups, by the shape of their keys."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Protocol

from graph.database import Database
from graph.eager import EagerLookup, EagerPage, fetch_eager, fetch_eager_pages
from graph.edges import FAR_ENDS
from graph.lookups import AGENT_BY_ID, Lookup, LookupKey, fetch_lookups, narrowed_lookup
from graph.pages import (
    Listing,
    PageKey,
    PageShape,
    SummaryShape,
    fetch_counts,
    fetch_pages,
    fetch_summaries,
    narrowed_page,
)
from graph.prefixes import KnowledgeSearch, KnowledgeTally, fetch_knowledge, fetch_knowledge_tallies
from graph.questions import Asking, fetch_answers
from graph.recall import RecallShape, fetch_candidates
from graph.related import RelatedShape, fetch_related
from graph.rows import choose
from graph.search import MemorySearch, MemoryTally, fetch_found, fetch_tallies

# The names under which the agents at the other ends of a list's items are asked for, and where in it the items are.
FAR = "far"
CURSOR = "cursor"


def far_name(name: str) -> str:
    """The name under which a field of the agents at the other ends is asked for."""
    return f"{FAR}.{name}"


class Shape(Protocol):
    """What is asked for but for whose it is. Queries of a lane wait for each other.

    One that filters has a `query`, the same without the values that each key brings along.
    """

    @property
    def lane(self) -> str: ...


class Key(Protocol):
    """What is asked for: hashable, with the shape of the query that answers it."""

    @property
    def shape(self) -> Shape: ...


def query_of(shape: Shape) -> Shape:
    """What the keys of one query have in common."""
    return getattr(shape, "query", shape)


def narrow(keys: Sequence[Key], names: frozenset[str]) -> list[Key]:
    """Asks for the same, but of rows only for the fields of these names."""
    found: list[Key] = []
    whole: Any = None
    shape: Any = None
    for key in keys:
        # One shape stands for many keys.
        if key.shape is not whole:
            whole, shape = key.shape, narrow_shape(key.shape, names)
        if isinstance(key, PageKey):
            found.append(PageKey(shape, *key[1:]))
        elif isinstance(key, LookupKey):
            found.append(LookupKey(shape, key.key))
        else:
            found.append(key)
    return found


def narrow_shape(shape: Shape, names: frozenset[str]) -> Shape:
    if isinstance(shape, PageShape):
        return narrow_page(shape, names)
    if isinstance(shape, Lookup):
        return narrow_lookup(shape, names)
    return shape


@lru_cache(maxsize=1024)
def narrow_page(shape: PageShape, names: frozenset[str]) -> PageShape:
    edge, brings = shape.listing.edge, None
    if edge.far and FAR in names:
        brings = narrow_lookup(AGENT_BY_ID, names)
        names |= FAR_ENDS[shape.listing.direction]
    return narrowed_page(shape, choose(edge.row, names), brings, placed=CURSOR in names)


@lru_cache(maxsize=1024)
def narrow_lookup(lookup: Lookup, names: frozenset[str]) -> Lookup:
    if FAR in names:
        # Whoever is looked up on the way from a list's items is at their other ends.
        names = frozenset(item.name for item in fields(lookup.row) if far_name(item.name) in names)
    return narrowed_lookup(lookup, choose(lookup.row, names | {"id"}))


FETCHERS: dict[type, Callable[[Database, Any, list[Any], float], Awaitable[list[Any]]]] = {
    PageShape: fetch_pages,
    Listing: fetch_counts,
    SummaryShape: fetch_summaries,
    Lookup: fetch_lookups,
    EagerLookup: fetch_eager,
    EagerPage: fetch_eager_pages,
    MemorySearch: fetch_found,
    MemoryTally: fetch_tallies,
    KnowledgeSearch: fetch_knowledge,
    KnowledgeTally: fetch_knowledge_tallies,
    RecallShape: fetch_candidates,
    RelatedShape: fetch_related,
    Asking: fetch_answers,
}


async def fetch(database: Database, shape: Shape, keys: list[Any], deadline: float) -> list[Any]:
    """Answers keys that share a query, in their order; the shape is that of one of them. `deadline` in seconds."""
    return await FETCHERS[type(shape)](database, shape, keys, deadline)
