"""Answers to keys as JSON, so that they can be kept elsewhere and read back as they were."""

from typing import Any

import orjson

from graph.lookups import Lookup
from graph.pages import FloatSummary, Listing, Page, PageShape, SummaryShape
from graph.reads import Key
from graph.rows import reader, writer


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


def name_key(key: Key) -> bytes:
    """Writes down what a key asks for, the same in every process."""
    shape: Any = key.shape
    listing: Any = getattr(shape, "listing", shape)
    match listing:
        case Listing(edge=edge, direction=direction, filter=filter):
            what: Any = (edge.name, direction.value, filter and (filter.text, filter.parameters))
        case _:
            what = shape.lane
    cut = (
        (shape.order, shape.limit, shape.backward, shape.after, shape.before, shape.inclusive, shape.skip, shape.fields)
        if isinstance(shape, PageShape)
        else getattr(shape, "fields", None)
    )
    asked = [getattr(key, name, None) for name in ("key", "parent", "after", "before")]
    return repr((type(shape).__name__, what, cut, asked)).encode()
