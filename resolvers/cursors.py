"""Cursors: opaque to clients, exact for the server.

A cursor holds the sort values of a row, as the database compares them, behind a mark of the list that it
belongs to (edge, parent and order): it is text in URL-safe base64 of a JSON array.
"""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2s
from typing import Any, cast

import orjson

from graph.edges import Direction, Edge, Order
from graph.errors import BadInput
from graph.listing import order_columns
from graph.page import Values

LONGEST = 4096
STORED_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?Z")


def mark_list(edge: Edge, direction: Direction, parent: str | None, order: Sequence[Order]) -> str:
    """Marks a list, so that a cursor of another one is noticed."""
    by = ",".join(f"{item.property}{'-' if item.descending else '+'}" for item in order)
    return blake2s(f"{edge.name}|{direction.value}|{parent}|{by}".encode(), digest_size=6).hexdigest()


def encode_cursor(mark: str, position: Values) -> str:
    """Writes the cursor of a row at a position in a marked list."""
    return base64.urlsafe_b64encode(orjson.dumps((mark, *position))).decode().rstrip("=")


def decode_cursor(cursor: str, *, argument: str, mark: str, edge: Edge, order: Sequence[Order]) -> Values:
    """Reads a position back. Raises BadInput for what is no cursor of ours or belongs to another list."""
    kinds = [column.type for column in order_columns(edge, order)]
    return decode_position(cursor, argument=argument, mark=mark, kinds=kinds)


def decode_position(cursor: str, *, argument: str, mark: str, kinds: Sequence[Any]) -> Values:
    """Reads a position of values of these kinds back. Raises BadInput as `decode_cursor` does."""
    position = open_cursor(cursor, argument=argument, mark=mark)
    if len(position) != len(kinds) or not all(map(fits, position, kinds)):
        raise malformed(argument)
    return tuple(position)


def malformed(argument: str) -> BadInput:
    return BadInput(f"{argument}: this is not a cursor. Pass a cursor as this API gave it.")


def open_cursor(cursor: str, *, argument: str, mark: str) -> list[Any]:
    """Gives what is in a cursor. Raises BadInput for what is none, or belongs to another list than the marked one."""
    if len(cursor) > LONGEST:
        raise malformed(argument)
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        # Unpacking raises ValueError for an empty list, TypeError for what is none.
        found, *position = cast("list[Any]", orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
    except (ValueError, TypeError):
        raise malformed(argument) from None
    if found != mark:
        raise BadInput(f"{argument}: this cursor belongs to another list or order. Pass one of the same list.")
    return position


def fits(value: Any, kind: Any) -> bool:
    """Says whether a decoded value is one that the database compares with."""
    if kind is datetime:
        return isinstance(value, str) and is_stored_time(value)
    if kind in {float, int}:
        # The database has no whole numbers beyond 64 bits, and true is no number.
        return (kind is float and type(value) is float) or (type(value) is int and abs(value) < 2**63)
    return isinstance(value, kind)


def is_stored_time(text: str) -> bool:
    """Says whether a text is a time as the database writes those that are stored."""
    if not STORED_TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
