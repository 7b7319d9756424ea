"""Relay connections: what a list field answers, each part read only when it is selected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.edges import Direction, Edge, Order
from graph.errors import BadInput
from graph.filters import compile_filter
from graph.pages import (
    CountKey,
    FloatSummary,
    Listing,
    Page,
    PageKey,
    PageShape,
    SummaryKey,
    SummaryShape,
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
) -> "Connection":
    """Prepares a connection; nothing is read yet. Raises BadInput for arguments that make no sense.

    `filter` maps field names to operators; each item of `order` maps one field name to ASC or DESC.
    """
    window = window or Window()
    total = complete_order(edge, [read_order(edge, item, place) for place, item in enumerate(order or ())])
    listing = Listing(edge, direction, compile_filter(edge.row, filter))
    mark = mark_list(edge, direction, parent, total)
    after, before = (
        decode_cursor(cursor, argument=name, mark=mark, edge=edge, order=total) if cursor is not None else ()
        for name, cursor in (("after", window.after), ("before", window.before))
    )
    shape = PageShape(
        listing,
        total,
        window.size,
        backward=window.last is not None,
        after=bool(after),
        before=bool(before),
        skip=window.skip,
    )
    return Connection(loaders, PageKey(shape, parent, after, before), mark)


def read_order(edge: Edge, item: Mapping[str, str], place: int) -> Order:
    """Reads one item of orderBy, which names exactly one field."""
    if len(item) != 1:
        raise BadInput(f"orderBy[{place}]: name exactly one field in each item; list several items to sort by several.")
    ((name, direction),) = item.items()
    order = edge.orders.get(name)
    if order is None:
        raise BadInput(f"orderBy[{place}]: this list cannot be sorted by {name}.")
    return order.reversed() if direction == "DESC" else order


class Connection:
    """A list from one parent, by pages. Whatever is not awaited is not read."""

    def __init__(self, loaders: Loaders, key: PageKey, mark: str) -> None:
        self.loaders = loaders
        self.key = key
        self.mark = mark

    async def page(self) -> Page:
        return await self.loaders.page(self.key)

    async def edges(self) -> "list[ConnectionEdge]":
        page = await self.page()
        return [ConnectionEdge(self, item, position) for item, position in zip(page.items, page.positions, strict=True)]

    async def nodes(self) -> list[Any]:
        return (await self.page()).items

    async def total_count(self) -> int:
        """Counts the whole list, whatever part of it the page is."""
        return await self.loaders.count(CountKey(self.key.shape.listing, self.key.parent))

    async def summary(self, name: str) -> FloatSummary:
        """Summarises a property over the whole list."""
        key = SummaryKey(SummaryShape(self.key.shape.listing), self.key.parent)
        return (await self.loaders.summary(key))[name]

    async def start_cursor(self) -> str | None:
        positions = (await self.page()).positions
        return encode_cursor(self.mark, positions[0]) if positions else None

    async def end_cursor(self) -> str | None:
        positions = (await self.page()).positions
        return encode_cursor(self.mark, positions[-1]) if positions else None

    async def has_next_page(self) -> bool:
        page = await self.page()
        return (page.more and not self.key.shape.backward) or await self._more_beyond(page, backward=False)

    async def has_previous_page(self) -> bool:
        page = await self.page()
        return (page.more and self.key.shape.backward) or await self._more_beyond(page, backward=True)

    async def _more_beyond(self, page: Page, *, backward: bool) -> bool:
        """Looks past an end of the page for what a cursor cut off there; without one there is nothing."""
        bound = self.key.after if backward else self.key.before
        if not bound:
            return False
        inclusive = not page.positions
        if page.positions:
            bound = page.positions[0 if backward else -1]
        shape = self.key.shape
        probe = PageShape(
            shape.listing,
            shape.order,
            limit=1,
            backward=backward,
            after=not backward,
            before=backward,
            inclusive=inclusive,
        )
        after, before = ((), bound) if backward else (bound, ())
        return bool((await self.loaders.page(PageKey(probe, self.key.parent, after, before))).items)


class ConnectionEdge:
    """One item of a connection and its place in the list."""

    __slots__ = ("connection", "node", "position")

    def __init__(self, connection: Connection, node: Any, position: tuple[Any, ...]) -> None:
        self.connection = connection
        self.node = node
        self.position = position

    @property
    def cursor(self) -> str:
        return encode_cursor(self.connection.mark, self.position)
