"""Pages of edges, counts and summaries: one query for any number of parents.

A page is cut by keyset: the values that the rows are sorted by, compared as the database compares them, so
that neither ties nor floats nor concurrent inserts and deletes can lose or repeat a row.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

from graph.database import Database
from graph.edges import Direction, Edge, Order
from graph.filters import Filter, parameters_of, values_of, words_of
from graph.listing import Layout, count_text, layout, opposite, page_call, summary_text
from graph.lookups import Lookup
from graph.page import Page, RowForm, RowPage, Values
from graph.rows import Fields, chosen_columns, converted, converter, reader, stored_places


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: an edge, the way it is followed and the filter it passes."""

    edge: Edge
    direction: Direction = Direction.OUT
    filter: Filter | None = None

    @property
    def lane(self) -> str:
        return f"{self.edge.name}.count"

    @property
    def query(self) -> "Listing":
        return replace(self, filter=self.filter.open) if self.filter else self


@dataclass(frozen=True, slots=True)
class PageShape:
    """What the pages of one query have in common. `backward` reads from the end of the list.

    `after` and `before` say which bounds there are; `inclusive` lets the bound itself in. `skip` passes over rows,
    which costs more the more there are; cursors cost the same everywhere. `fields` are those that are read.
    What a page `brings` is what this lookup would find by the ids of the agents at the other ends. Unless it is
    `placed`, neither positions are read nor whether more items follow.
    """

    listing: Listing
    order: tuple[Order, ...]
    limit: int
    backward: bool = False
    after: bool = False
    before: bool = False
    inclusive: bool = False
    skip: int = 0
    fields: Fields = None
    brings: Lookup | None = None
    placed: bool = True
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Computed once: it would be most of what it costs to look up a key.
        own = (self.listing, self.order, self.limit, self.backward, self.after, self.before, self.inclusive)
        object.__setattr__(self, "_hash", hash((own, self.skip, self.fields, self.brings, self.placed)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def lane(self) -> str:
        return self.listing.edge.name

    @property
    def query(self) -> "PageShape":
        return opened(self) if self.listing.filter else self

    @property
    def bounded(self) -> bool:
        """Whether there are cursors, which are to be read before a page can be."""
        return self.after or self.before

    @property
    def rows(self) -> int:
        """How many rows are read of each list at most: one more than shown tells that more follow."""
        return self.limit + 1 if self.placed else self.limit


@lru_cache(maxsize=1024)
def opened(shape: PageShape) -> PageShape:
    """The shape of all pages of a query, whatever values they are filtered by."""
    return replace(shape, listing=shape.listing.query)


@lru_cache(maxsize=1024)
def bounded_page(shape: PageShape, after: bool, before: bool) -> PageShape:
    """The shape of pages of the same list that have these bounds."""
    return replace(shape, after=after, before=before)


@lru_cache(maxsize=1024)
def narrowed_page(shape: PageShape, fields: Fields, brings: Lookup | None = None, *, placed: bool = True) -> PageShape:
    """The shape of the same pages with only some fields, and what they bring along."""
    return replace(shape, fields=fields, brings=brings, placed=placed)


# Keys are tuples: they are made, hashed and compared more often than anything else.
class PageKey(NamedTuple):
    """One page: of which parent, between which sort values (both exclusive)."""

    shape: PageShape
    parent: str | None = None
    after: Values = ()
    before: Values = ()


make_key: Callable[[tuple[Any, ...]], PageKey] = partial(tuple.__new__, PageKey)  # pyright: ignore[reportUnknownMemberType]


def page_keys(shape: PageShape, parents: Iterable[str | None]) -> list[PageKey]:
    """The keys of pages without bounds, in half the time that a call of `PageKey` for each would take."""
    return [make_key((shape, parent, (), ())) for parent in parents]


class CountKey(NamedTuple):
    """How many items a listing has from one parent."""

    shape: Listing
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class SummaryShape:
    """The summary of a listing's properties, in the order of `Edge.summaries`."""

    listing: Listing

    @property
    def lane(self) -> str:
        return f"{self.listing.edge.name}.summary"

    @property
    def query(self) -> "SummaryShape":
        return SummaryShape(self.listing.query)


class SummaryKey(NamedTuple):
    """The summary of a listing from one parent."""

    shape: SummaryShape
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class FloatSummary:
    """The least, greatest and mean value and the sum; the first three are None where there is no value."""

    min: float | None
    max: float | None
    average: float | None
    sum: float | None


def complete_order(edge: Edge, order: Sequence[Order], direction: Direction = Direction.OUT) -> tuple[Order, ...]:
    """Makes an order total: the edge's own where none is asked for, with what breaks ties in that direction."""
    chosen = list(order) or [edge.default]
    for place, item in enumerate(chosen):
        if item.unique:
            return tuple(chosen[: place + 1])
    return (*chosen, Order(property=edge.ways[direction][0].tie, descending=chosen[-1].descending, unique=True))


def selection(listing: Listing) -> tuple[Edge, Direction, str]:
    """What of a listing shapes its query; the filter's values do not."""
    return listing.edge, listing.direction, words_of(listing.filter)


def text_of(shape: PageShape) -> str:
    """The query that reads pages of a shape."""
    return f"UNWIND $keys AS k\n{call_of(shape)}\nRETURN collect([k.i, rows])"


def call_of(shape: PageShape, number: str = "", *, singly: bool = False) -> str:
    """The subquery that reads a page of a shape for the key `k`; see `page_call`."""
    order = opposite(shape.order) if shape.backward else shape.order
    near, far = ("b", "a") if shape.backward else ("a", "b")
    return page_call(
        *selection(shape.listing),
        order=order,
        near=near if (shape.before if shape.backward else shape.after) else None,
        far=far if (shape.after if shape.backward else shape.before) else None,
        inclusive=shape.inclusive,
        skip=shape.skip > 0,
        fields=shape.fields,
        brings=shape.brings,
        placed=shape.placed,
        number=number,
        singly=singly,
    )


def layout_of(shape: PageShape) -> Layout:
    """How the rows of pages of a shape are laid out."""
    listing = shape.listing
    return layout(listing.edge, listing.direction, shape.order, shape.fields, shape.brings, placed=shape.placed)


@lru_cache(maxsize=1024)
def agent_place(shape: PageShape) -> int:
    """Where in a page's rows the id of each one's agent is: the one at the other end if they are brought along."""
    laid_out, brings = layout_of(shape), shape.brings
    row, fields, places = (
        (brings.row, brings.fields, laid_out.brought)
        if brings
        else (shape.listing.edge.row, shape.fields, laid_out.row)
    )
    return places[[column.name for column in chosen_columns(row, fields)].index("id")]


def page_parameters(shape: PageShape, keys: Sequence[PageKey]) -> dict[str, Any]:
    """The parameters with which the query of a shape reads the pages of keys."""
    rows: list[dict[str, Any]] = [{"i": i, "id": key.parent} for i, key in enumerate(keys)]
    if shape.bounded or shape.listing.filter:
        for row, key in zip(rows, keys, strict=True):
            row.update({f"a{j}": value for j, value in enumerate(key.after)})
            row.update({f"b{j}": value for j, value in enumerate(key.before)})
            row.update(values_of(key.shape.listing.filter))
    return {"keys": rows, "limit": shape.rows, "skip": shape.skip} | parameters_of(shape.listing.filter)


async def fetch_pages(database: Database, shape: PageShape, keys: list[PageKey], deadline: float) -> list[Page]:
    """Reads the pages of keys that share a query, in the keys' order."""
    given = page_parameters(shape, keys)
    ((records,),) = await database.read(shape.lane, text_of(shape), given, deadline=deadline)
    found: dict[int, list[list[Any]]] = dict(records)
    read = page_reader(shape.query)
    return [read(found[i]) for i in range(len(keys))]


@lru_cache(maxsize=1024)
def page_reader(shape: PageShape) -> Callable[[list[list[Any]]], Page]:
    """Makes the function that turns the rows of one key into its page."""
    row, laid_out = shape.listing.edge.row, layout_of(shape)
    form, alone = (row_form(row, shape.fields, brings, laid_out) for brings in (shape.brings, None))

    def make(rows: list[list[Any]]) -> Page:
        more = len(rows) > shape.limit
        if more:
            rows.pop()
        if shape.backward:
            rows.reverse()
        if form.convert:
            form.convert(rows)
        page = RowPage(rows, more, form, alone)
        # What could still fail is read at once, so that it befalls nobody else.
        return page if form.plain else Page(page.items, page.positions, more, page.brought)

    return make


@lru_cache(maxsize=1024)
def row_form(row: type, fields: Fields, brings: Lookup | None, laid_out: Layout) -> RowForm:
    """The same object for rows that are alike, so that one function answers all of them."""
    parts = {"node": (row, fields, laid_out.row)}
    if brings:
        parts["far"] = (brings.row, brings.fields, laid_out.brought)
    readers: dict[str, Callable[[list[Any]], Any]] = {}
    places: dict[str, dict[str, int]] = {}
    appended = 0
    for name, part in parts.items():
        appended += len(converted(*part[:2]))
        readers[name] = reader(*part, appended)
        if (found := stored_places(*part, appended)) is not None:
            places[name] = found
    # What is the node's comes last, so that it is as far from the end whatever else was brought.
    return RowForm(readers, places, laid_out.sorts, converter(*reversed(parts.values())))


async def fetch_counts(database: Database, listing: Listing, keys: list[CountKey], deadline: float) -> list[int]:
    """Counts a listing's items from each parent; without a filter nothing but stored degrees is read."""
    filters = [key.shape.filter for key in keys]
    values = await _fetch_values(database, filters, keys, count_text(*selection(listing)), listing.lane, deadline)
    return [value or 0 for value in values]


async def fetch_summaries(
    database: Database, shape: SummaryShape, keys: list[SummaryKey], deadline: float
) -> list[dict[str, FloatSummary]]:
    """Summarises a listing's properties from each parent."""
    listing = shape.listing
    names = listing.edge.summaries
    filters = [key.shape.listing.filter for key in keys]
    values = await _fetch_values(database, filters, keys, summary_text(*selection(listing)), shape.lane, deadline)
    return [
        {name: FloatSummary(*value[4 * j : 4 * j + 4]) for j, name in enumerate(names)}
        if value
        else {name: FloatSummary(None, None, None, 0.0) for name in names}
        for value in values
    ]


async def _fetch_values(
    database: Database,
    filters: Sequence[Filter | None],
    keys: Sequence[CountKey | SummaryKey],
    text: str,
    name: str,
    deadline: float,
) -> list[Any]:
    rows = [
        {"i": i, "id": key.parent} | values_of(filter)
        for i, (key, filter) in enumerate(zip(keys, filters, strict=True))
    ]
    ((records,),) = await database.read(name, text, {"keys": rows} | parameters_of(filters[0]), deadline=deadline)
    found: dict[int, Any] = dict(records)
    return [found.get(i) for i in range(len(keys))]
