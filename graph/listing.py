"""The text of the queries that list an edge: its pages, counts and summaries, for many parents at once.

Every text is made of the project's own words (edges, properties, compiled filters) and a few forms, so that
the database plans each of them once; all values are parameters. A key `k` is asked for in a subquery,
because then an index gives the order and only the rows of the page are read. All that is found comes in one
record: in the driver a record costs more than everything that it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from graph.edges import Direction, Edge, Order, Way
from graph.lookups import Lookup
from graph.rows import Column, Fields, chosen_columns, column

# No time that can be stored sorts before it; where an order meets an absent time, it stands in.
NEVER = "datetime('0001-01-01T00:00:00Z')"


@lru_cache(maxsize=1024)
def page_call(
    edge: Edge,
    direction: Direction,
    predicate: str,
    *,
    order: tuple[Order, ...],
    near: str | None,
    far: str | None,
    inclusive: bool,
    skip: bool,
    fields: Fields = None,
    brings: Lookup | None = None,
    placed: bool = True,
    number: str = "",
    singly: bool = False,
) -> str:
    """The subquery that reads a page as `rows`, in an order, from `near` on (inclusive or not) to before `far`.

    Bounds are named by the letter of their values in the key: k.a0, k.a1 … or k.b0, k.b1 … Rows that `skip`
    passes over are counted, not read. What the rows are is told by `layout`. Where a query has several pages, a
    `number` follows the names that differ. If it goes on from the page, its rows come `singly`, each as `row`.
    """
    ways = edge.ways[direction]
    way = ways[0]
    indexed = way.sorts(order[0].property)
    sorts = sorts_of(edge, way, order)
    values = layout(edge, direction, order, fields, brings, placed=placed).values
    conditions = [predicate]
    if near:
        conditions += beyond(sorts, near, inclusive=inclusive)
    if far:
        conditions += beyond([sort.reversed() for sort in sorts], far, inclusive=False)
    cut = "SKIP $skip LIMIT $limit" if skip else f"LIMIT $limit{number}"
    if len(ways) > 1:
        page = "LIMIT $skip + $limit" if skip else cut
        bodies = [_ordered(edge, each, order, sorts, conditions, page) for each in ways]
        inner = f"{union(bodies)}\nWITH n ORDER BY {sorting(sorts)} {cut}"
    elif indexed:
        inner = _ordered(edge, way, order, sorts, conditions, cut)
    else:
        inner, named = _sorted(edge, way, sorts, conditions, cut)
        values = [named.get(each, each) for each in values]
    row = ", ".join(values)
    found = f"[{row}] AS row" if singly else f"collect([{row}]) AS rows{number}"
    return f"CALL (k) {{\n{inner}\nRETURN {found}\n}}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The values of which a page's rows are made, each once, and the places of those that each part of a row takes."""

    values: tuple[str, ...]
    row: tuple[int, ...]
    brought: tuple[int, ...]
    sorts: tuple[int, ...]


@lru_cache(maxsize=1024)
def layout(
    edge: Edge,
    direction: Direction,
    order: tuple[Order, ...],
    fields: Fields,
    brings: Lookup | None,
    *,
    placed: bool = True,
) -> Layout:
    """Lays out the rows of pages: what is read of each, what it brings along and, if `placed`, what it is sorted by."""
    way = edge.ways[direction][0]
    known = dict(way.known)
    sorts = sorts_of(edge, way, order) if placed else []
    parts = (
        [each.read_from("n") for each in chosen_columns(edge.row, fields)],
        [each.read_from("o") for each in chosen_columns(brings.row, brings.fields)] if brings else [],
        [sort.exact for sort in sorts],
    )
    values: dict[str, int] = {}
    places = [tuple(values.setdefault(known.get(each, each), len(values)) for each in part) for part in parts]
    return Layout(tuple(values), *places)


def _sorted(
    edge: Edge, way: Way, sorts: Sequence["Sort"], conditions: list[str], cut: str
) -> tuple[str, dict[str, str]]:
    """Sorts what no index sorts; the second gives the names under which the sorted values go on."""
    named = {sort.value: f"s{place}" for place, sort in enumerate(sorts)}
    distinct = "DISTINCT " if edge.distinct else ""
    values = ", ".join([distinct + edge.found, *(f"{value} AS {name}" for value, name in named.items())])
    keys = sorting([replace(sort, value=named[sort.value]) for sort in sorts])
    return f"{_matched(edge, way, edge.default, conditions)}\nWITH {values} ORDER BY {keys} {cut}", named


def _ordered(
    edge: Edge, way: Way, order: Sequence[Order], sorts: Sequence["Sort"], conditions: list[str], cut: str
) -> str:
    """Takes what is sorted from an index."""
    keys = sorting(sorts)
    if way.lead:
        keys = f"n.{way.lead}{' DESC' if order[0].descending else ''}, {keys}"
    return f"{_matched(edge, way, order[0], conditions)}\nWITH {edge.found} ORDER BY {keys} {cut}"


def _matched(edge: Edge, way: Way, order: Order, conditions: Sequence[str], *, hint: bool = True) -> str:
    """Finds a way's items, in an index's order if it has them in one.

    The index is named, because a planner with stale statistics may sort everything; so must its properties be. One that
    takes the index for empty, as after the first import, walks along all of it for each key, unless it is told to seek.
    """
    if not way.label:
        return f"MATCH {way.pattern}\nUSING INDEX SEEK {way.seek}\nWHERE {all_of(*conditions)}"
    properties = [order.property] if order.unique else [order.property, way.tie]
    index = [way.lead, *properties] if way.lead else properties
    seek = "SEEK " if way.lead else ""
    using = f"\nUSING INDEX {seek}n:{way.label}({', '.join(index)})" if hint else ""
    known = [f"n.{each} IS NOT NULL" for each in properties]
    return f"MATCH {way.pattern}{using}\nWHERE {all_of(way.where, *known, *conditions)}"


def all_of(*conditions: str) -> str:
    return " AND ".join(filter(None, conditions)) or "true"


@lru_cache(maxsize=1024)
def count_text(edge: Edge, direction: Direction, predicate: str) -> str:
    """The query that counts; without a filter it asks for degrees and counts that are stored."""
    ways = edge.ways[direction]
    if predicate:
        return _tally(edge, ways, predicate, "count(n)")
    parent = f"MATCH {ways[0].parent}\n" if ways[0].parent else ""
    return f"UNWIND $keys AS k\n{parent}RETURN collect([k.i, {' + '.join(way.count for way in ways)}])"


@lru_cache(maxsize=1024)
def summary_text(edge: Edge, direction: Direction, predicate: str) -> str:
    """The query that gives least, greatest, mean and sum of each of `Edge.summaries`."""
    parts = [f"{each}(n.{name})" for name in edge.summaries for each in ("min", "max", "avg", "sum")]
    return _tally(edge, edge.ways[direction], predicate, f"[{', '.join(parts)}]")


def _tally(edge: Edge, ways: Sequence[Way], predicate: str, result: str) -> str:
    distinct = "DISTINCT " if edge.distinct else ""
    # What is summarised is read from the index as well.
    order = Order(property=edge.summaries[0]) if edge.summaries else edge.default
    bodies: list[str] = []
    for way in ways:
        matched = _matched(edge, way, order, [predicate], hint=bool(way.lead))
        bodies.append(f"{matched}\nWITH {distinct}n")
    inner = union(bodies) if len(bodies) > 1 else bodies[0]
    return f"UNWIND $keys AS k\nCALL (k) {{\n{inner}\nRETURN {result} AS result\n}}\nRETURN collect([k.i, result])"


def union(bodies: Sequence[str]) -> str:
    """Puts together what several ways find."""
    alternatives = "\nUNION\n".join(f"{body}\nRETURN n" for body in bodies)
    return f"CALL (k) {{\n{alternatives}\n}}"


def order_columns(edge: Edge, order: Sequence[Order]) -> list[Column]:
    """The columns that an order sorts by."""
    found = [column(edge.row, item.property) for item in order]
    return [each for each in found if each is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """One property of an order: what of a row is compared, whether as a time, and whether an index does it."""

    value: str
    descending: bool
    time: bool
    indexed: bool

    @property
    def exact(self) -> str:
        """The value as a cursor keeps it: times as text, to the nanosecond."""
        return f"toString({self.value})" if self.time else self.value

    def bound(self, name: str) -> str:
        """A cursor's value, as it is compared."""
        return f"datetime({name})" if self.time else name

    def reversed(self) -> "Sort":
        return replace(self, descending=not self.descending)


def sorts_of(edge: Edge, way: Way, order: Sequence[Order]) -> list[Sort]:
    """How an order is written down; an index compares its first property, if there is one."""
    indexed = way.sorts(order[0].property)
    return [
        Sort(
            value=sort_value(way, sort, indexed=indexed and place == 0),
            descending=item.descending,
            time=sort.type is datetime,
            indexed=indexed and place == 0,
        )
        for place, (item, sort) in enumerate(zip(order, order_columns(edge, order), strict=True))
    ]


def sort_value(way: Way, sort: Column, *, indexed: bool) -> str:
    """What is compared: an absent time counts as earlier than all others, instead of sorting nowhere."""
    if sort.nullable:
        return f"coalesce(n.{sort.property}, {NEVER})"
    if sort.type is str and not indexed and sort.property != way.tie:
        # Neo4j sorts stored texts by code points but compares them with others by UTF-16, where an emoji comes
        # before some letters; what is put together is sorted and compared alike.
        return f"n.{sort.property} + ''"
    return f"n.{sort.property}"


def sorting(sorts: Sequence[Sort]) -> str:
    """What ORDER BY says."""
    return ", ".join(sort.value + (" DESC" if sort.descending else "") for sort in sorts)


def beyond(sorts: Sequence[Sort], bound: str, *, inclusive: bool) -> list[str]:
    """Says that a row lies beyond a bound: the first value that differs settles it."""
    cases: list[str] = []
    sought: list[str] = []
    for place, sort in enumerate(sorts):
        value, limit = sort.value, sort.bound(f"k.{bound}{place}")
        past, short = ("<", ">") if sort.descending else (">", "<")
        if sort.indexed:
            sought.append(f"{value} {past}= {limit}")
            cases.append(f"WHEN {value} <> {limit} THEN true")
        else:
            cases.append(f"WHEN {value} {past} {limit} THEN true WHEN {value} {short} {limit} THEN false")
    # Written with AND and OR, the planner would look for each alternative by itself and sort what it finds.
    return [*sought, f"CASE {' '.join(cases)} ELSE {'true' if inclusive else 'false'} END"]


def opposite(order: Sequence[Order]) -> tuple[Order, ...]:
    """The order from the other end."""
    return tuple(item.reversed() for item in order)
