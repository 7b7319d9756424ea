"""Relay connections in the schema, and the fields that lead to them.

What resolves them is `resolvers.connections.Connection`; each field here asks it for one part.
"""

import inspect
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry import UNSET

from graph.edges import Direction as EdgeDirection
from graph.edges import Edge
from resolvers.connections import DEFAULT_SIZE, LARGEST_SIZE, Connection, Window, connect
from schema.inputs import Direction, to_orders, to_tree
from schema.view import Request

T = TypeVar("T")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    @strawberry.field(description="Whether the list goes on after the page.")
    async def has_next_page(self: Connection) -> bool:
        return await self.has_next_page()

    @strawberry.field(description="Whether the list has anything before the page.")
    async def has_previous_page(self: Connection) -> bool:
        return await self.has_previous_page()

    @strawberry.field(description="The cursor of the page's first edge.")
    async def start_cursor(self: Connection) -> str | None:
        return await self.start_cursor()

    @strawberry.field(description="The cursor of the page's last edge.")
    async def end_cursor(self: Connection) -> str | None:
        return await self.end_cursor()


@strawberry.type(name="Edge", description="One item of a list.")
class ListEdge(Generic[T]):
    cursor: str = strawberry.field(description="Pass it as `after` or `before` to go on from here.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(name="Connection", description="A page of a list.")
class ListConnection(Generic[T]):
    @strawberry.field(description="The page's items, each with its cursor.")
    async def edges(self: Connection) -> list[ListEdge[T]]:
        return await self.edges()  # pyright: ignore[reportReturnType]

    @strawberry.field(description="The page's items.")
    async def nodes(self: Connection) -> list[T]:
        return await self.nodes()

    @strawberry.field(description="Where the page lies in the list.")
    def page_info(self: Connection) -> PageInfo:
        return self  # pyright: ignore[reportReturnType]

    @strawberry.field(description="How many items the whole list has.")
    async def total_count(self: Connection) -> int:
        return await self.total_count()


@strawberry.type(description="Numbers about a property over a whole list.")
class FloatSummary:
    min: float | None = strawberry.field(description="The least value; null for an empty list.")
    max: float | None = strawberry.field(description="The greatest value; null for an empty list.")
    average: float | None = strawberry.field(description="The arithmetic mean; null for an empty list.")
    sum: float | None = strawberry.field(description="The sum; 0 for an empty list.")


def summary(property: str, description: str) -> Any:
    """A field that summarises a property over the whole list."""

    async def resolve(self: Connection) -> FloatSummary:
        return await self.summary(property)  # pyright: ignore[reportReturnType]

    return strawberry.field(resolver=resolve, description=description)


@strawberry.type(description="Figures over a whole list.")
class Aggregate:
    @strawberry.field(description="How many items the whole list has.")
    async def count(self: Connection) -> int:
        return await self.total_count()


def aggregate(kind: type) -> Any:
    """The field that leads from a connection to its figures."""

    def resolve(self: Connection) -> Any:
        return self

    resolve.__annotations__["return"] = kind
    return strawberry.field(resolver=resolve, description="Figures over the whole list, computed if selected.")


def connection(
    edge: Edge,
    *,
    description: str,
    filter: type | None = None,
    order: type | None = None,
    direction: EdgeDirection | None = None,
    prefix: str | None = None,
    parent: str = "id",
) -> Any:
    """A field that lists an edge of its parent, whose `parent` attribute names it, with the contract's arguments.

    `filter`, `order`, `direction` (its default) and `prefix` (of which property) say which of these arguments
    the field takes.
    """

    def resolve(self: Any, info: Request, **arguments: Any) -> Any:
        given = {name: value for name, value in arguments.items() if value is not UNSET}
        return connect(
            info.context.loaders,
            edge,
            parent=getattr(self, parent, None),
            window=Window(given.get("first"), given.get("after"), given.get("last"), given.get("before")),
            direction=given.get("direction") or direction or EdgeDirection.OUT,
            filter=starting(prefix, given.get("prefix")) or to_tree(given.get("filter")),
            order=to_orders(given.get("order_by")),
        )

    parameters = [
        parameter("self"),
        parameter("info", Request),
        parameter("first", int | None, f"How many from the start; {DEFAULT_SIZE} unless told, {LARGEST_SIZE} at most."),
        parameter("after", str | None, "Only what comes after this cursor."),
        parameter("last", int | None, f"How many from the end, {LARGEST_SIZE} at most; excludes first."),
        parameter("before", str | None, "Only what comes before this cursor."),
    ]
    if direction:
        said = "Which way relationships are followed from the agent."
        parameters.append(parameter("direction", Direction | None, said, default=direction))
    if prefix:
        parameters.append(parameter("prefix", str | None, f"Only those whose {prefix} starts with this."))
    if filter:
        parameters.append(parameter("filter", filter | None, "Only what passes this filter."))
    if order:
        said = "Sorted by the first item, ties by the next, and so on."
        parameters.append(parameter("order_by", list[order] | None, said))
    # Strawberry reads a resolver's arguments from its signature.
    resolve.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    resolve.__annotations__ = {each.name: each.annotation for each in parameters[1:]}
    return strawberry.field(resolver=resolve, description=description, metadata={"edge": edge})


def parameter(name: str, annotation: Any = None, description: str = "", default: Any = UNSET) -> inspect.Parameter:
    """A resolver's parameter; one with a description is an argument that clients may leave out."""
    if not description:
        return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
    described = Annotated[annotation, strawberry.argument(description=description)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=described, default=default)


def starting(property: str | None, prefix: str | None) -> dict[str, Any] | None:
    return {property: {"startsWith": prefix}} if property and prefix else None
