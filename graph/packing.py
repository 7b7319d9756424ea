"""Answers to keys as JSON, so that they can be kept elsewhere and read back as they were."""

from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import orjson

from graph.lookups import Lookup, LookupKey
from graph.pages import FloatSummary, Listing, Page, PageShape, SummaryShape
from graph.reads import Key, Shape
from graph.rows import columns, reader, writer


def pack_answer(key: Key, answer: Any) -> bytes:
    """Writes what a key was answered with."""
    match key.shape:
        case PageShape(fields=fields, listing=listing):
            write = writer(listing.edge.row, fields)
            packed: Any = [[write(item) for item in answer.items], answer.positions, answer.more]
        case Lookup(row=row, fields=fields):
            packed = None if answer is None else writer(row, fields)(answer)
        case SummaryShape():
            packed = {name: [each.min, each.max, each.average, each.sum] for name, each in answer.items()}
        case _:
            packed = answer
    return orjson.dumps(packed)


def unpack_answer(key: Key, packed: bytes) -> Any:
    """Reads what `pack_answer` wrote for the same key."""
    found = orjson.loads(packed)
    match key.shape:
        case PageShape(fields=fields, listing=listing):
            read, (items, positions, more) = reader(listing.edge.row, fields), found
            return Page([read(item) for item in items], [tuple(each) for each in positions], more)
        case Lookup(row=row, fields=fields):
            return None if found is None else reader(row, fields)(found)
        case SummaryShape():
            return {name: FloatSummary(*each) for name, each in found.items()}
        case _:
            return found


@lru_cache(maxsize=1024)
def name_shape(shape: Shape) -> str:
    """A digest of what the keys of a shape ask for, the same in every process."""
    listing: Any = getattr(shape, "listing", shape)
    row: Any = getattr(shape, "row", None)
    match listing:
        case Listing(edge=edge, direction=direction, filter=filter):
            what: Any = (edge.name, direction.value, filter and (filter.text, filter.parameters))
            row = edge.row
        case _:
            what = shape.lane
    # What a version with other columns has kept is not read by this one.
    what = (what, [column.name for column in columns(row)] if row else None)
    cut: Any = getattr(shape, "fields", None)
    if isinstance(shape, PageShape):
        ends = (shape.backward, shape.after, shape.before, shape.inclusive)
        cut = (cut, shape.order, shape.limit, ends, shape.skip)
    return blake2b(repr((type(shape).__name__, what, cut)).encode(), digest_size=12).hexdigest()


def name_key(key: Key) -> tuple[str, str]:
    """Says whom a key asks about, and what in as few letters as nothing else is named by."""
    owner: Any = key.key if isinstance(key, LookupKey) else getattr(key, "parent", None)
    rest: list[Any] = [getattr(key, "after", ()), getattr(key, "before", ())]
    if isinstance(owner, tuple):
        owner, *rest = cast("tuple[Any, ...]", owner)
    if not any(rest):
        return str(owner), name_shape(key.shape)
    digest = blake2b(repr(rest).encode(), digest_size=12).hexdigest()
    return str(owner), f"{name_shape(key.shape)}:{digest}"
