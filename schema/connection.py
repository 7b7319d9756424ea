"""Relay connections in the schema, and the fields that lead to them.

Their objects are `resolvers.connections.Connection`; each field here is the step that reads one part of it.
"""

import inspect
from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry import UNSET

from graph.edges import Direction as EdgeDirection
from graph.edges import Edge
from graph.reads import CURSOR
from resolvers import steps
from resolvers.columns import EDGE
from resolvers.connections import DEFAULT_SIZE, LARGEST_SIZE, Window, request_list
from resolvers.loaders import Step
from resolvers.plan import PAGE
from resolvers.steps import in_memory
from schema.field import answered, stepped
from schema.inputs import Direction, to_orders

T = TypeVar("T")


def paged(step: Step, description: str, *, reads: Sequence[str] = (), item: str | None = None) -> Any:
    """A field without arguments that is answered from a connection's page; see `answered`."""
    return stepped(step, description, reads=[PAGE, *reads], item=item)


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = paged(
        in_memory(attrgetter("goes_on"), steps.has_next_page), "Whether the list goes on after the page."
    )
    has_previous_page: bool = paged(
        in_memory(attrgetter("has_before"), steps.has_previous_page), "Whether the list has anything before the page."
    )
    start_cursor: str | None = paged(
        in_memory(attrgetter("start_cursor"), steps.start_cursor), "The cursor of the page's first edge."
    )
    end_cursor: str | None = paged(
        in_memory(attrgetter("end_cursor"), steps.end_cursor), "The cursor of the page's last edge."
    )


@strawberry.type(name="Edge", description="One item of a list.")
class ListEdge(Generic[T]):
    cursor: str = strawberry.field(description="Pass it as `after` or `before` to go on from here.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(name="Connection", description="A page of a list.")
class ListConnection(Generic[T]):
    edges: list[ListEdge[T]] = paged(steps.page_edges, "The page's items, each with its cursor.", item=EDGE)
    nodes: list[T] = paged(steps.page_nodes, "The page's items.", item="node")
    page_info: PageInfo = stepped(steps.same, "Where the page lies in the list.", reads=[CURSOR])
    total_count: int = stepped(steps.total_count, "How many items the whole list has.")


@strawberry.type(description="Numbers about a property over a whole list.")
class FloatSummary:
    min: float | None = strawberry.field(description="The least value; null for an empty list.")
    max: float | None = strawberry.field(description="The greatest value; null for an empty list.")
    average: float | None = strawberry.field(description="The arithmetic mean; null for an empty list.")
    sum: float | None = strawberry.field(description="The sum; 0 for an empty list.")


def summary(property: str, description: str) -> Any:
    """A field that summarises a property over the whole list."""
    return stepped(steps.summarise(property), description)


@strawberry.type(description="Figures over a whole list.")
class Aggregate:
    count: int = stepped(steps.total_count, "How many items the whole list has.")


def aggregate() -> Any:
    """The field that leads from a connection to its figures."""
    return stepped(steps.same, "Figures over the whole list, computed if selected.")


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

    def bind(after: str | None = None, before: str | None = None, **given: Any) -> Step:
        request = request_list(
            edge,
            window=Window(given.get("first"), after, given.get("last"), before),
            direction=given.get("direction") or direction or EdgeDirection.OUT,
            filter=starting(prefix, given.get("prefix")) or given.get("filter"),
            order=to_orders(given.get("order_by")),
        )
        return steps.OpenLists(request, parent)

    parameters = [
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
    bind.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return answered(bind, description, reads=[parent], cursors=("after", "before"))


def parameter(name: str, annotation: Any, description: str, default: Any = UNSET) -> inspect.Parameter:
    """An argument that clients may leave out."""
    described = Annotated[annotation, strawberry.argument(description=description)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=described, default=default)


def starting(property: str | None, prefix: str | None) -> dict[str, Any] | None:
    return {property: {"startsWith": prefix}} if property and prefix else None
