"""Filters of plain values and orders, and how inputs become what the graph understands."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLInputObjectType, GraphQLInputType, GraphQLList, GraphQLNonNull
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
    """Turns an input into nested mappings by the contract's names, without what was left out.

    A null counts as left out, but for `eq`, where it asks for what has no value.
    """
    if isinstance(value, list):
        return [to_tree(each) for each in value]
    if not is_dataclass(value):
        return value
    named = ((name, getattr(value, attribute)) for attribute, name in names_of(type(value)))
    return {name: to_tree(given) for name, given in named if given is not UNSET and is_told(name, given)}


def is_told(name: str, given: Any) -> bool:
    return given is not None or name == "eq"


@cache
def names_of(kind: type) -> list[tuple[str, str]]:
    """Gives each attribute of an input, and what the contract calls it."""
    return [(item.name, camel(item.name.rstrip("_"))) for item in fields(kind)]


@cache
def tree_reader(type: GraphQLInputType) -> Callable[[Any], Any] | None:
    """Makes the function that gives what `to_tree` would of a value of a type, as graphql-core gives it.

    None for values that stay as they are.
    """
    if isinstance(type, GraphQLNonNull):
        return tree_reader(type.of_type)
    if isinstance(type, GraphQLList):
        item = tree_reader(type.of_type)
        return item and (lambda values: [item(each) for each in values])
    if not isinstance(type, GraphQLInputObjectType):
        return None

    def read(value: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: given if given is None or (inner := tree_reader(type.fields[name].type)) is None else inner(given)
            for name, given in value.items()
            if is_told(name, given)
        }

    return read


def to_orders(items: list[Mapping[str, SortDirection]] | None) -> list[Mapping[str, str]]:
    """Turns the items of an orderBy argument into mappings of a field's name to ASC or DESC."""
    return [{name: direction.value for name, direction in item.items()} for item in items or ()]
