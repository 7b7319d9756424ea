"""Steps: how a field gets its values, for all objects of a level at once.

What runs a step may be a field of one object, or a whole level of a plan: both ask for the same.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

from graph.lookups import AGENT_BY_ID, Lookup, LookupKey
from graph.page import Page
from graph.pages import PageKey, page_keys
from graph.reads import Key, narrow_page
from resolvers.connections import Connection, ConnectionEdge, ListRequest, PagedList, cursor_of
from resolvers.loaders import Reading, Step, Values
from resolvers.slices import Slice


def derive(read: Callable[[Any], Any]) -> Step:
    """Computes a value from each object."""
    return lambda objects: [attempt(read, each) for each in objects]


def take(attribute: str) -> Step:
    """Leads to what an attribute of each object holds."""
    read = attrgetter(attribute)
    return lambda objects: list(map(read, objects))


def same(objects: Sequence[Any]) -> Values:
    """Leads to a part of each object that is kept in the object itself."""
    return list(objects)


def look_up(lookup: Lookup, name: Callable[[Any], Any]) -> Step:
    """Finds what each object names, or None."""
    return ask(lambda each: LookupKey(lookup, name(each)))


def ask(key: Callable[[Any], Key]) -> Step:
    """Reads what a key of each object asks for."""

    def step(objects: Sequence[Any]) -> Reading:
        return (yield [key(each) for each in objects])

    return step


def find(key: Key) -> Step:
    """Finds the same for all."""

    def step(objects: Sequence[Any]) -> Reading:
        (found,) = yield [key]
        return [found] * len(objects)

    return step


def find_all(keys: Sequence[Key | Exception]) -> Step:
    """Finds the same list for all; what no key could be made of keeps its exception at its place."""

    def step(objects: Sequence[Any]) -> Reading:
        asked = [key for key in keys if not isinstance(key, Exception)]
        found = iter((yield asked))
        return [[key if isinstance(key, Exception) else next(found) for key in keys]] * len(objects)

    return step


class OpenLists:
    """Opens a list from each object, whose attribute `parent` names it, if it has any; nothing is read yet."""

    def __init__(self, request: ListRequest, parent: str) -> None:
        self.request = request
        self._parent = parent

    def between(self, after: str | None = None, before: str | None = None) -> "OpenLists":
        """Opens the lists between these cursors."""
        return OpenLists(self.request.between(after, before), self._parent)

    def __call__(self, objects: Sequence[Any]) -> Values:
        return [attempt(self._open, each) for each in objects]

    def keys(self, objects: Sequence[Any], names: frozenset[str] | None) -> list[PageKey]:
        """Asks for the pages of lists that are not bounded: of items the fields of these names."""
        shape = self.request.shape if names is None else narrow_page(self.request.shape, names)
        return page_keys(shape, map(getattr, objects, repeat(self._parent), repeat(None)))

    def read(self, keys: Sequence[PageKey], objects: Sequence[Any]) -> Reading:
        """Reads pages before their lists are opened."""
        yield keys
        return self(objects)

    def _open(self, object: Any) -> Connection:
        return self.request.open(getattr(object, self._parent, None))


def read_lists(request: ListRequest) -> Step:
    """Reads the items of a list from each object."""

    def step(objects: Sequence[Any]) -> Reading:
        return after((yield [request.open(each.id).key for each in objects]), lambda page: page.items)

    return step


def after(answers: Iterable[Any], read: Callable[[Any], Any]) -> Values:
    """Reads a value from each answer that is no exception."""
    return [answer if isinstance(answer, Exception) else read(answer) for answer in answers]


def attempt(read: Callable[[Any], Any], object: Any) -> Any:
    try:
        return read(object)
    except Exception as error:
        return error


def of_pages(read: Callable[[PagedList, Page], Any]) -> Step:
    """Reads a value from each connection's page."""

    def step(connections: Sequence[PagedList]) -> Reading:
        pages = yield [each.key for each in connections]
        return [
            page if isinstance(page, Exception) else read(connection, page)
            for connection, page in zip(connections, pages, strict=True)
        ]

    return step


def list_edges(connection: PagedList, page: Page) -> list[ConnectionEdge]:
    brought = page.brought or [None] * len(page.items)
    found = zip(page.items, page.positions, brought, strict=True)
    return [ConnectionEdge(connection, item, position, far) for item, position, far in found]


page_edges = of_pages(list_edges)
page_nodes = of_pages(lambda _, page: page.items)
start_cursor = of_pages(lambda connection, page: cursor_of(connection, page, 0))
end_cursor = of_pages(lambda connection, page: cursor_of(connection, page, -1))


def goes_on(*, backward: bool) -> Step:
    """Says whether each connection's list goes on past that end of its page."""

    def step(connections: Sequence[PagedList]) -> Reading:
        pages = yield [each.key for each in connections]
        found: Values = []
        probes: dict[int, Key] = {}
        for place, (connection, page) in enumerate(zip(connections, pages, strict=True)):
            if isinstance(page, Exception):
                found.append(page)
                continue
            found.append(connection.goes_on(page, backward=backward))
            if not found[-1] and (probe := connection.probe(page, backward=backward)):
                probes[place] = probe
        if probes:
            for place, answer in zip(probes, (yield list(probes.values())), strict=True):
                found[place] = answer if isinstance(answer, Exception) else bool(answer.items)
        return found

    return step


has_next_page = goes_on(backward=False)
has_previous_page = goes_on(backward=True)


def in_memory(read: Callable[[Slice], Any], step: Step) -> Step:
    """Reads from pages of lists that are held in memory; of others it is the step that reads."""

    def chosen(objects: Sequence[Any]) -> Values | Reading:
        return [read(each) for each in objects] if isinstance(objects[0], Slice) else step(objects)

    return chosen


def total_count(connections: Sequence[PagedList]) -> Reading:
    """Counts each connection's whole list, whatever part of it the page is."""
    return (yield [each.count_key for each in connections])


def summarise(name: str) -> Step:
    """Summarises a property over each connection's whole list."""

    def step(connections: Sequence[PagedList]) -> Reading:
        return after((yield [each.summary_key for each in connections]), lambda summary: summary[name])

    return step


# Tells the id of the agent at the other end of a connection's item.
Ends = Callable[[Any, Any], str]


def other_agent(ends: Ends) -> Step:
    """Finds the agent at the other end of each edge; most pages have brought them along."""
    asked = ask(lambda edge: LookupKey(AGENT_BY_ID, ends(edge.connection, edge.node)))

    def step(edges: Sequence[ConnectionEdge]) -> Values | Reading:
        brought = [edge.far for edge in edges]
        return brought if all(brought) else asked(edges)

    return step


def other_agents(ends: Ends) -> Step:
    """Finds the agents at the other ends of each connection's items; most pages have brought them along."""

    def step(connections: Sequence[Connection]) -> Reading:
        pages = yield [each.key for each in connections]
        wanted = [
            [] if isinstance(page, Exception) or page.brought else [ends(connection, item) for item in page.items]
            for connection, page in zip(connections, pages, strict=True)
        ]
        keys = [LookupKey(AGENT_BY_ID, id) for ids in wanted for id in ids]
        found = iter((yield keys)) if keys else iter(())
        lists = [[next(found) for _ in ids] for ids in wanted]
        return [
            page if isinstance(page, Exception) else first_fault(agents := page.brought or own) or agents
            for page, own in zip(pages, lists, strict=True)
        ]

    return step


def first_fault(values: Values) -> Exception | None:
    return next((each for each in values if isinstance(each, Exception)), None)
