"""Filters of plain values and orders, and how inputs become what the graph understands."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

import strawberry
from strawberry import UNSET

from graph.edges import Direction as EdgeDirection
from graph.rows import camel


@strawberry.enum(description="Which way a list is sorted.")
class SortDirection(Enum):
    ASC = "ASC"
    DESC = "DESC"


Direction = strawberry.enum(
    EdgeDirection, name="Direction", description="Which way relationships are followed from the agent."
)


def absent(description: str, *, name: str | None = None) -> Any:
    """An input field that may be left out."""
    return strawberry.field(description=description, name=name, default=UNSET)


@strawberry.input(description="Conditions on a text; all that are given must hold. Case matters.")
class StringFilter:
    eq: str | None = absent("Equal; null finds what has no value.")
    in_: list[str] | None = absent("Equal to one of these.", name="in")
    gt: str | None = absent("Later in the alphabet.")
    gte: str | None = absent("Equal or later in the alphabet.")
    lt: str | None = absent("Earlier in the alphabet.")
    lte: str | None = absent("Equal or earlier in the alphabet.")
    starts_with: str | None = absent("Starts with this.")
    contains: str | None = absent("Contains this.")
    ends_with: str | None = absent("Ends with this.")


@strawberry.input(description="Conditions on a number; all that are given must hold.")
class FloatFilter:
    eq: float | None = absent("Equal; null finds what has no value.")
    in_: list[float] | None = absent("Equal to one of these.", name="in")
    gt: float | None = absent("Greater.")
    gte: float | None = absent("Greater or equal.")
    lt: float | None = absent("Less.")
    lte: float | None = absent("Less or equal.")


@strawberry.input(description="Conditions on a whole number; all that are given must hold.")
class IntFilter:
    eq: int | None = absent("Equal; null finds what has no value.")
    in_: list[int] | None = absent("Equal to one of these.", name="in")
    gt: int | None = absent("Greater.")
    gte: int | None = absent("Greater or equal.")
    lt: int | None = absent("Less.")
    lte: int | None = absent("Less or equal.")


@strawberry.input(description="Conditions on a time; all that are given must hold.")
class DateTimeFilter:
    eq: datetime | None = absent("At this moment; null finds what has no value.")
    gt: datetime | None = absent("Later.")
    gte: datetime | None = absent("Then or later.")
    lt: datetime | None = absent("Earlier.")
    lte: datetime | None = absent("Then or earlier.")


def to_tree(value: Any) -> Any:
    """Turns an input, or mappings by the contract's names, into such mappings without what was left out.

    A null counts as left out, but for `eq`, where it asks for what has no value.
    """
    kind = type(value)
    if kind is list:
        return [to_tree(each) for each in value]
    if kind is dict:
        named = value.items()
    elif is_dataclass(value):
        named = [(name, getattr(value, attribute)) for attribute, name in names_of(kind)]
    else:
        return value
    return {name: to_tree(given) for name, given in named if given is not UNSET and (given is not None or name == "eq")}


@cache
def names_of(kind: type) -> list[tuple[str, str]]:
    """Gives each attribute of an input, and what the contract calls it."""
    return [(item.name, camel(item.name.rstrip("_"))) for item in fields(kind)]


def to_orders(items: list[Any] | None) -> list[Mapping[str, str]]:
    """Turns the items of an orderBy argument into mappings of a field's name to ASC or DESC."""
    return [{name: direction.value for name, direction in to_tree(item).items()} for item in items or ()]
