"""Relay connections: what a list field answers, each part read only when it is selected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from graph.edges import Direction, Edge, Order
from graph.errors import BadInput
from graph.filters import compile_filter
from graph.page import Page, Values
from graph.pages import (
    CountKey,
    FloatSummary,
    Listing,
    PageKey,
    PageShape,
    SummaryKey,
    SummaryShape,
    bounded_page,
    complete_order,
)
from resolvers.cursors import decode_cursor, encode_cursor, mark_list
from resolvers.loaders import Loaders

DEFAULT_SIZE = 20
LARGEST_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is asked for, as the Relay specification names it; `skip` is for numbered pages."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    skip: int = 0

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None:
            raise BadInput("first and last exclude each other: pass first to page forward, last to page backward.")
        for name, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 0 <= size <= LARGEST_SIZE:
                raise BadInput(f"{name}: must lie between 0 and {LARGEST_SIZE}, is {size}.")

    @property
    def size(self) -> int:
        return next((size for size in (self.first, self.last) if size is not None), DEFAULT_SIZE)


def connect(
    loaders: Loaders,
    edge: Edge,
    *,
    parent: str | None = None,
    window: Window | None = None,
    direction: Direction = Direction.OUT,
    filter: Mapping[str, Any] | None = None,
    order: Sequence[Mapping[str, str]] | None = None,
) -> "OpenConnection":
    """Prepares a connection; nothing is read yet. Raises BadInput for arguments that make no sense."""
    request = request_list(edge, window=window, direction=direction, filter=filter, order=order)
    return OpenConnection(request, request.open(parent).key, loaders)


def request_list(
    edge: Edge,
    *,
    window: Window | None = None,
    direction: Direction = Direction.OUT,
    filter: Mapping[str, Any] | None = None,
    order: Sequence[Mapping[str, str]] | None = None,
) -> "ListRequest":
    """Checks what is asked of a list, whoever its parent. Raises BadInput for arguments that make no sense.

    `filter` maps field names to operators; each item of `order` maps one field name to ASC or DESC.
    """
    window = window or Window()
    chosen = [read_order(edge, item, place) for place, item in enumerate(order or ())]
    shape = PageShape(
        Listing(edge, direction, compile_filter(edge.row, filter)),
        complete_order(edge, chosen, direction),
        window.size,
        backward=window.last is not None,
        skip=window.skip,
    )
    return ListRequest(shape).between(window.after, window.before)


def read_order(edge: Edge, item: Mapping[str, str], place: int) -> Order:
    """Reads one item of orderBy, which names exactly one field."""
    if len(item) != 1:
        raise BadInput(f"orderBy[{place}]: name exactly one field in each item; list several items to sort by several.")
    ((name, direction),) = item.items()
    order = edge.orders.get(name)
    if order is None:
        raise BadInput(f"orderBy[{place}]: this list cannot be sorted by {name}.")
    return order.reversed() if direction == "DESC" else order


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What is asked of a list, the same for all parents; `after` and `before` are cursors."""

    shape: PageShape
    after: str | None = None
    before: str | None = None

    def between(self, after: str | None, before: str | None) -> "ListRequest":
        """Asks for what lies between these cursors as well, where there are any."""
        after = self.after if after is None else after
        before = self.before if before is None else before
        return ListRequest(bounded_page(self.shape, after is not None, before is not None), after, before)

    def open(self, parent: str | None) -> "Connection":
        """Prepares the list of one parent. Raises BadInput for cursors that are none, or another list's."""
        if not self.shape.bounded:
            return Connection(self, PageKey(self.shape, parent))
        after, before = (
            self._decode(name, cursor, parent) if cursor is not None else ()
            for name, cursor in (("after", self.after), ("before", self.before))
        )
        return Connection(self, PageKey(self.shape, parent, after, before))

    def _decode(self, argument: str, cursor: str, parent: str | None) -> Values:
        edge, order = self.shape.listing.edge, self.shape.order
        return decode_cursor(cursor, argument=argument, mark=self.mark(parent), edge=edge, order=order)

    def mark(self, parent: str | None) -> str:
        listing = self.shape.listing
        return mark_list(listing.edge, listing.direction, parent, self.shape.order)


class PagedList(Protocol):
    """What the fields of a connection need to know of a list, however its items are found."""

    @property
    def key(self) -> Any: ...
    @property
    def count_key(self) -> Any: ...
    @property
    def summary_key(self) -> Any: ...
    def cursor_at(self, position: Values) -> str: ...
    def goes_on(self, page: Page, *, backward: bool) -> bool: ...
    def probe(self, page: Page, *, backward: bool) -> Any: ...


class Connection:
    """A list from one parent, by pages: what to ask for each part of it, and what the answers mean."""

    def __init__(self, request: ListRequest, key: PageKey) -> None:
        self.request = request
        self.key = key

    @cached_property
    def mark(self) -> str:
        return self.request.mark(self.key.parent)

    @property
    def count_key(self) -> CountKey:
        return CountKey(self.key.shape.listing, self.key.parent)

    @property
    def summary_key(self) -> SummaryKey:
        return SummaryKey(SummaryShape(self.key.shape.listing), self.key.parent)

    def cursor_at(self, position: Values) -> str:
        """Writes the cursor of a position."""
        return encode_cursor(self.mark, position)

    def goes_on(self, page: Page, *, backward: bool) -> bool:
        """Says whether the page was cut off at that end by its size."""
        return page.more and self.key.shape.backward is backward

    def probe(self, page: Page, *, backward: bool) -> PageKey | None:
        """Asks what lies past an end of the page where a cursor cut it off; without one there is nothing."""
        bound = self.key.after if backward else self.key.before
        if not bound:
            return None
        inclusive = not page.positions
        if page.positions:
            bound = page.positions[0 if backward else -1]
        shape = PageShape(
            self.key.shape.listing,
            self.key.shape.order,
            limit=1,
            backward=backward,
            after=not backward,
            before=backward,
            inclusive=inclusive,
        )
        after, before = ((), bound) if backward else (bound, ())
        return PageKey(shape, self.key.parent, after, before)


def cursor_of(connection: PagedList, page: Page, place: int) -> str | None:
    """Writes the cursor of a page's item, None for an empty page."""
    return connection.cursor_at(page.positions[place]) if page.positions else None


class OpenConnection(Connection):
    """A connection that reads what is awaited of it, and nothing else."""

    def __init__(self, request: ListRequest, key: PageKey, loaders: Loaders) -> None:
        super().__init__(request, key)
        self.loaders = loaders

    async def edges(self) -> "list[ConnectionEdge]":
        page = await self.loaders.page(self.key)
        return [ConnectionEdge(self, item, position) for item, position in zip(page.items, page.positions, strict=True)]

    async def nodes(self) -> list[Any]:
        return (await self.loaders.page(self.key)).items

    async def total_count(self) -> int:
        """Counts the whole list, whatever part of it the page is."""
        return await self.loaders.count(self.count_key)

    async def summary(self, name: str) -> FloatSummary:
        """Summarises a property over the whole list."""
        return (await self.loaders.summary(self.summary_key))[name]

    async def start_cursor(self) -> str | None:
        return cursor_of(self, await self.loaders.page(self.key), 0)

    async def end_cursor(self) -> str | None:
        return cursor_of(self, await self.loaders.page(self.key), -1)

    async def has_next_page(self) -> bool:
        return await self._goes_on(backward=False)

    async def has_previous_page(self) -> bool:
        return await self._goes_on(backward=True)

    async def _goes_on(self, *, backward: bool) -> bool:
        page = await self.loaders.page(self.key)
        if self.goes_on(page, backward=backward):
            return True
        probe = self.probe(page, backward=backward)
        return bool(probe and (await self.loaders.page(probe)).items)


class ConnectionEdge:
    """One item of a connection, its place in the list, and the agent at its other end if that was read along."""

    __slots__ = ("connection", "far", "node", "position")

    def __init__(self, connection: PagedList, node: Any, position: tuple[Any, ...], far: Any = None) -> None:
        self.connection = connection
        self.node = node
        self.position = position
        self.far = far

    @property
    def cursor(self) -> str:
        return self.connection.cursor_at(self.position)
