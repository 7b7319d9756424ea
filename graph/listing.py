"""The text of the queries that list an edge: its pages, counts and summaries, for many parents at once.

Every text is made of the project's own words (edges, properties, compiled filters) and a few forms, so that
the database plans each of them once; all values are parameters. A key `k` is asked for in a subquery,
because then an index gives the order and only the rows of the page are read.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from graph.edges import Direction, Edge, Order, Way
from graph.rows import Column, column, projection

# Sorts before every time that can be stored, where an order meets an absent one.
NEVER = "datetime('-9999-01-01T00:00:00Z')"


@lru_cache(maxsize=1024)
def page_text(
    edge: Edge,
    direction: Direction,
    predicate: str,
    *,
    order: tuple[Order, ...],
    near: str | None,
    far: str | None,
    inclusive: bool,
    skip: bool,
) -> str:
    """The query that reads pages in an order, each from `near` on (inclusive or not) to before `far`.

    Bounds are named by the letter of their values in the key: k.a0, k.a1 … or k.b0, k.b1 … Rows that `skip`
    passes over are counted, not read.
    """
    sorts = order_columns(edge, order)
    conditions = [predicate] if predicate else []
    if near:
        conditions += beyond(order, sorts, near, inclusive=inclusive)
    if far:
        conditions += beyond(tuple(item.reversed() for item in order), sorts, far, inclusive=False)
    cut = "SKIP $skip LIMIT $limit" if skip else "LIMIT $limit"
    ways = edge.ways[direction]
    if len(ways) == 1:
        inner = _ordered(edge, ways[0], order, sorts, conditions, cut)
    else:
        bodies = [
            _ordered(edge, way, order, sorts, conditions, cut.replace("SKIP $skip LIMIT", "LIMIT $skip +"))
            for way in ways
        ]
        inner = f"{union(bodies)}\nWITH n ORDER BY {sorting(order, sorts)} {cut}"
    values = ", ".join([projection(edge.row), *map(exact, sorts)])
    return f"UNWIND $keys AS k\nCALL (k) {{\n{inner}\nRETURN collect([{values}]) AS rows\n}}\nRETURN k.i, rows"


def _ordered(
    edge: Edge, way: Way, order: Sequence[Order], sorts: Sequence[Column], conditions: list[str], cut: str
) -> str:
    match, keys = way.pattern, sorting(order, sorts)
    wanted = [way.where] if way.where else []
    if way.label:
        # An index gives the order only of properties that are known to be there, its first among them; it is
        # named, because a planner with stale statistics may sort everything instead.
        indexed = [order[0].property, *(() if order[0].unique else (edge.tie,))]
        wanted += [f"n.{property} IS NOT NULL" for property in indexed]
        if way.lead:
            indexed.insert(0, way.lead)
            keys = f"n.{way.lead}{' DESC' if order[0].descending else ''}, {keys}"
        match += f"\nUSING INDEX n:{way.label}({', '.join(indexed)})"
    where = " AND ".join(wanted + conditions) or "true"
    distinct = "DISTINCT " if edge.distinct else ""
    return f"MATCH {match}\nWHERE {where}\nWITH {distinct}n ORDER BY {keys} {cut}"


@lru_cache(maxsize=1024)
def count_text(edge: Edge, direction: Direction, predicate: str) -> str:
    """The query that counts; without a filter it asks for degrees and counts that are stored."""
    ways = edge.ways[direction]
    if predicate:
        return _tally(edge, ways, predicate, "count(n)")
    parent = f"MATCH {ways[0].parent}\n" if ways[0].parent else ""
    return f"UNWIND $keys AS k\n{parent}RETURN k.i, {' + '.join(way.count for way in ways)}"


@lru_cache(maxsize=1024)
def summary_text(edge: Edge, direction: Direction, predicate: str) -> str:
    """The query that gives least, greatest, mean and sum of each of `Edge.summaries`."""
    parts = [f"{each}(n.{name})" for name in edge.summaries for each in ("min", "max", "avg", "sum")]
    return _tally(edge, edge.ways[direction], predicate, f"[{', '.join(parts)}]")


def _tally(edge: Edge, ways: Sequence[Way], predicate: str, result: str) -> str:
    distinct = "DISTINCT " if edge.distinct else ""
    bodies: list[str] = []
    for way in ways:
        where = " AND ".join(each for each in (way.where, predicate) if each) or "true"
        bodies.append(f"MATCH {way.pattern}\nWHERE {where}\nWITH {distinct}n")
    inner = union(bodies) if len(bodies) > 1 else bodies[0]
    return f"UNWIND $keys AS k\nCALL (k) {{\n{inner}\nRETURN {result} AS result\n}}\nRETURN k.i, result"


def union(bodies: Sequence[str]) -> str:
    """Puts together what several ways find."""
    alternatives = "\nUNION\n".join(f"{body}\nRETURN n" for body in bodies)
    return f"CALL (k) {{\n{alternatives}\n}}"


def order_columns(edge: Edge, order: Sequence[Order]) -> list[Column]:
    """The columns that an order sorts by."""
    found = [column(edge.row, item.property) for item in order]
    return [each for each in found if each is not None]


def sorting(order: Sequence[Order], sorts: Sequence[Column]) -> str:
    """What ORDER BY says."""
    return ", ".join(
        sort_value(each) + (" DESC" if item.descending else "") for item, each in zip(order, sorts, strict=True)
    )


def sort_value(sort: Column) -> str:
    """What is compared: an absent time counts as earlier than all others, instead of sorting nowhere."""
    return f"coalesce(n.{sort.property}, {NEVER})" if sort.nullable else f"n.{sort.property}"


def exact(sort: Column) -> str:
    """A sort value as a cursor keeps it: times as text, to the nanosecond."""
    return f"toString({sort_value(sort)})" if sort.type is datetime else sort_value(sort)


def beyond(order: Sequence[Order], sorts: Sequence[Column], bound: str, *, inclusive: bool) -> list[str]:
    """Says that a row lies beyond a bound.

    The first comparison alone is what an index can seek by; the second settles ties.
    """
    names = [f"k.{bound}{j}" for j in range(len(sorts))]
    limits = [f"datetime({name})" if sort.type is datetime else name for name, sort in zip(names, sorts, strict=True)]
    settled = "true" if inclusive else "false"
    for item, sort, limit in reversed(list(zip(order, sorts, limits, strict=True))):
        operator, value = "<" if item.descending else ">", sort_value(sort)
        settled = f"({value} {operator} {limit} OR ({value} = {limit} AND {settled}))"
    operator = "<=" if order[0].descending else ">="
    return [f"{sort_value(sorts[0])} {operator} {limits[0]}", settled]
