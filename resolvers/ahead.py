"""Looking ahead: an agent is asked for together with the pages of the lists that will be opened from it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graph.eager import EagerKey, can_be_eager, eager_lookup
from graph.lookups import LookupKey
from graph.model import Agent
from graph.pages import PageShape
from graph.reads import Key, narrow_page
from resolvers.plan import Child
from resolvers.steps import OpenLists


def look_ahead(keys: Sequence[Key], lists: Sequence[Child], bind: Callable[[Child], Any]) -> Sequence[Key]:
    """Asks for the same, but for an agent eagerly if any of the lists can be; `bind` gives a child's step."""
    match keys:
        case [LookupKey(shape, name)] if shape.row is Agent and (pages := tuple(dict.fromkeys(pages_of(lists, bind)))):
            return [EagerKey(eager_lookup(shape, pages), name)]
        case _:
            return keys


def pages_of(lists: Sequence[Child], bind: Callable[[Child], Any]) -> Iterator[PageShape]:
    """Tells which pages can be asked for before it is known whose they are."""
    for each in lists:
        step = bind(each)
        if isinstance(step, OpenLists) and can_be_eager(step.request.shape) and each.names is not None:
            yield narrow_page(step.request.shape, each.names)
