"""Cursors come back as they went, and whatever else is passed for one is a clear error."""

import base64
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graph.edges import EDGES, LEARNED, RELATES_TO, REMEMBERS, Direction, Edge, Order
from graph.errors import BadInput
from graph.listing import order_columns
from graph.page import Values
from graph.pages import complete_order
from resolvers.cursors import LONGEST, decode_cursor, encode_cursor, mark_list

STEADY = settings(derandomize=True, deadline=None, max_examples=200, database=None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
times = st.builds(
    lambda moment, nanoseconds: f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z".rjust(30, "0"),
    st.datetimes(),
    st.integers(0, 999_999_999),
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def places(draw: st.DrawFn) -> tuple[Edge, tuple[Order, ...], Values]:
    """A list in some order, and the sort values of a row in it."""
    edge = draw(st.sampled_from(EDGES))
    chosen = draw(st.lists(st.sampled_from(list(edge.orders.values())), max_size=3)) if edge.orders else []
    order = complete_order(edge, [item.reversed() if draw(st.booleans()) else item for item in chosen])
    kinds = {datetime: times, float: numbers, str: texts}
    return edge, order, tuple(draw(kinds[column.type]) for column in order_columns(edge, order))


def decode(cursor: str, edge: Edge, order: tuple[Order, ...], parent: str | None = "p") -> Values:
    mark = mark_list(edge, Direction.OUT, parent, order)
    return decode_cursor(cursor, argument="after", mark=mark, edge=edge, order=order)


@STEADY
@given(places(), texts)
def test_cursors_come_back_as_they_went(place: tuple[Edge, tuple[Order, ...], Values], parent: str):
    edge, order, values = place
    cursor = encode_cursor(mark_list(edge, Direction.OUT, parent, order), values)
    assert repr(decode(cursor, edge, order, parent)) == repr(values)
    assert cursor.isascii()


def wrapped(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


ORDER = complete_order(REMEMBERS, [])
MARK = mark_list(REMEMBERS, Direction.OUT, "p", ORDER)
REFUSALS = {
    "after: this is not a cursor. Pass a cursor as this API gave it.",
    "after: this cursor belongs to another list or order. Pass one of the same list.",
}
GOOD = encode_cursor(MARK, (0.5, "Memory:1"))
json = st.recursive(
    st.none() | st.booleans() | numbers | st.integers(-(2**63), 2**64 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@STEADY
@given(
    st.one_of(
        texts,
        st.text(),
        st.binary(max_size=100).map(wrapped),
        json.map(orjson.dumps).map(wrapped),
        st.lists(st.none() | st.booleans() | texts | numbers, max_size=4).map(lambda v: encode_cursor(MARK, tuple(v))),
        st.integers(0, len(GOOD) - 1).map(lambda end: GOOD[:end]),
        st.integers(0, len(GOOD) - 1).map(lambda at: GOOD[:at] + "_" + GOOD[at + 1 :]),
    )
)
@example("")
@example("[" * LONGEST)
@example(wrapped(b"[" * 3000))
@example(wrapped(b"{}"))
@example(wrapped(b"[]"))
@example(wrapped(b'{"a":1,"b":2,"c":3}'))
@example(wrapped(b"[1e999]"))
@example(encode_cursor(MARK, (True, "Memory:1")))
@example(encode_cursor(MARK, (0.5, None)))
@example(encode_cursor(MARK, (2**63, "Memory:1")))
@example("é" * 8)
def test_whatever_is_no_cursor_is_a_clear_error(cursor: str):
    said = ""
    try:
        number, text = decode(cursor, REMEMBERS, ORDER)
    except BadInput as error:
        said = error.message
    if said:
        assert said in REFUSALS
    else:
        # Well-formed by chance: still nothing but what the database can compare.
        assert type(number) in {float, int}
        assert abs(number) < 2**63 or isinstance(number, float)
        assert isinstance(text, str)


def test_a_huge_cursor_is_refused_unread():
    with pytest.raises(BadInput, match="not a cursor"):
        decode(encode_cursor(MARK, (0.5, "x" * LONGEST)), REMEMBERS, ORDER)


def test_no_cursor_of_ours_is_too_long_to_come_back():
    longest = ("\U0001f600" * 200, "Topic:" + "\U0001f600" * 200)
    order = complete_order(LEARNED, [LEARNED.orders["topic"]])
    mark = mark_list(LEARNED, Direction.OUT, "p", order)
    assert decode(encode_cursor(mark, longest), LEARNED, order) == longest


@pytest.mark.parametrize(
    ("edge", "direction", "parent", "order"),
    [
        (REMEMBERS, Direction.OUT, "q", []),
        (REMEMBERS, Direction.OUT, None, []),
        (REMEMBERS, Direction.OUT, "p", [REMEMBERS.orders["createdAt"]]),
        (REMEMBERS, Direction.OUT, "p", [REMEMBERS.orders["importance"]]),
        (RELATES_TO, Direction.OUT, "p", []),
        (RELATES_TO, Direction.IN, "p", []),
    ],
)
def test_a_cursor_of_another_list_is_a_clear_error(edge: Edge, direction: Direction, parent: Any, order: list[Order]):
    foreign = encode_cursor(mark_list(edge, direction, parent, complete_order(edge, order)), (0.5, "Memory:1"))
    with pytest.raises(BadInput, match="after: this cursor belongs to another list or order"):
        decode(foreign, REMEMBERS, ORDER)


@pytest.mark.parametrize(
    "time",
    [
        *("soon", "", "2024", 5, None, "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "2024-01-01T25:00:00Z"),
        *("2024-01-01 00:00:00Z", "20240101T000000Z", "2024-W01-1T00:00Z", "2024-01-01T00:00:00+02:00"),
        *("2024-01-01T00:00:00.1234567890Z", "\u0662024-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n"),
    ],
)
def test_a_cursor_whose_time_is_none_is_a_clear_error(time: Any):
    order = complete_order(REMEMBERS, [REMEMBERS.orders["createdAt"]])
    mark = mark_list(REMEMBERS, Direction.OUT, "p", order)
    with pytest.raises(BadInput, match="not a cursor"):
        decode(encode_cursor(mark, (time, "Memory:1")), REMEMBERS, order)
