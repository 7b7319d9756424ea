"""Communities: agents who are tied to each other more than to others."""

from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import UNSET

from graph.analytics import communities as model
from graph.analytics.definitions import DEFINITIONS, MODULARITY, Measure
from graph.analytics.definitions import CommunityAlgorithm as Algorithm
from resolvers import society
from resolvers.connections import DEFAULT_SIZE, LARGEST_SIZE, Window
from resolvers.loaders import Step
from resolvers.steps import derive, same
from schema.connection import PageInfo
from schema.field import answered, described, stepped
from schema.node import Node
from schema.topic import Topic
from schema.view import view

if TYPE_CHECKING:
    from schema.agent import AgentConnection

CommunityAlgorithm = strawberry.enum(
    Algorithm,
    description=f"{Algorithm.__doc__}\n\n"
    + "\n".join(f"- {each.name}: {DEFINITIONS[Measure(each.value)].description}" for each in Algorithm),
)
First = described(int | None, f"How many from the start; {DEFAULT_SIZE} unless told, {LARGEST_SIZE} at most.")
After = described(str | None, "Only what comes after this cursor.")


def window(first: int | None, after: str | None) -> Window:
    """The part of a list that is asked for, whatever is left out."""
    return Window(None if first is UNSET else first, after or None)


def find_topics(first: described(int | None, "How many; 100 at most.") = 5) -> Step:
    return society.topics(5 if first is None else first)


def list_members(first: First = UNSET, after: After = UNSET) -> Step:
    return society.members(window(first, after))


@view(model.Community)
class Community(Node):
    topics: list[Topic] = answered(
        find_topics, "What most members know something about, the best known first, then by name."
    )
    members: Annotated["AgentConnection", strawberry.lazy("schema.agent")] = answered(
        list_members, "Its members, by key."
    )


@strawberry.type(description="One community of a list.")
class CommunityEdge:
    cursor: str = strawberry.field(description="Pass it as `after` to go on from here.")
    node: Community = strawberry.field(description="The community.")


@strawberry.type(description="A page of communities.")
class CommunityConnection:
    edges: list[CommunityEdge] = stepped(society.placed_communities, "The page's communities, each with its cursor.")
    nodes: list[Community] = stepped(society.nodes_of_communities, "The page's communities.")
    page_info: PageInfo = stepped(same, "Where the page lies in the list.")
    total_count: int = stepped(derive(attrgetter("total")), "How many communities there are.")
    modularity: float = stepped(derive(attrgetter("list.modularity")), MODULARITY)
