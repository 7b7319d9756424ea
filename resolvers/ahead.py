"""Looking ahead: an agent is asked for together with the pages of the lists that will be opened from it."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from graph.eager import EagerKey, EagerLookup, can_be_eager, eager_lookup
from graph.lookups import Lookup, LookupKey
from graph.model import Agent
from graph.pages import PageShape
from graph.reads import Key, narrow_page
from resolvers.plan import Child
from resolvers.steps import OpenLists


def look_ahead(keys: Sequence[Key], lists: tuple[Child, ...], bind: Callable[[Child], Any]) -> Sequence[Key]:
    """Asks for the same, but for an agent eagerly if any of the lists can be; `bind` gives a child's step."""
    match keys:
        case [LookupKey(shape, name)] if shape.row is Agent and (eager := look_up(shape, lists, *map(bind, lists))):
            return [EagerKey(eager, name)]
        case _:
            return keys


@lru_cache(maxsize=1024)
def look_up(lookup: Lookup, lists: tuple[Child, ...], *steps: Any) -> EagerLookup | None:
    """Looks up an agent with its lists, which these steps open; None if none of them can be read so early."""
    pages = tuple(dict.fromkeys(pages_of(lists, steps)))
    return eager_lookup(lookup, pages) if pages else None


def pages_of(lists: Sequence[Child], steps: Sequence[Any]) -> Iterator[PageShape]:
    """Tells which pages can be asked for before it is known whose they are."""
    for each, step in zip(lists, steps, strict=True):
        if isinstance(step, OpenLists) and can_be_eager(step.request.shape) and each.names is not None:
            yield narrow_page(step.request.shape, each.names)
