"""Looking ahead: agents are asked for together with the pages of the lists that will be opened from them."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from graph.eager import MOST_ROWS, EagerKey, EagerLookup, EagerPage, can_be_eager, eager_lookup, has_agents
from graph.lookups import Lookup, LookupKey
from graph.model import Agent
from graph.pages import PageKey, PageShape
from graph.reads import Key, narrow_page
from resolvers.plan import Child
from resolvers.steps import OpenLists


def look_ahead(keys: Sequence[Key], lists: tuple[Child, ...], bind: Callable[[Child], Any]) -> Sequence[Key]:
    """Asks for the same, but for an agent or a page of them eagerly if any of the lists can be.

    `bind` gives a child's step. Of several pages whose agents may be the same nothing is read so early.
    """
    match keys:
        case [LookupKey(shape) | PageKey(shape) as key] if eager := with_lists(shape, lists, *map(bind, lists)):
            return [EagerKey(eager, key)]
        case _:
            return keys


@lru_cache(maxsize=1024)
def with_lists(shape: Lookup | PageShape, lists: tuple[Child, ...], *steps: Any) -> EagerLookup | EagerPage | None:
    """Asks for agents with their lists, which these steps open; None if none can be read so early, or they are long."""
    pages = tuple(dict.fromkeys(pages_of(lists, steps)))
    if not pages:
        return None
    if isinstance(shape, PageShape):
        eager = EagerPage(shape, pages)
        return eager if has_agents(shape) and eager.rows <= MOST_ROWS else None
    return eager_lookup(shape, pages) if shape.row is Agent else None


def pages_of(lists: Sequence[Child], steps: Sequence[Any]) -> Iterator[PageShape]:
    """Tells which pages can be asked for before it is known whose they are."""
    for each, step in zip(lists, steps, strict=True):
        if isinstance(step, OpenLists) and can_be_eager(step.request.shape) and each.names is not None:
            yield narrow_page(step.request.shape, each.names)
