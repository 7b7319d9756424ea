"""Relationships: how agents feel about each other."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import model
from graph.edges import Direction as EdgeDirection
from graph.reads import CURSOR, FAR
from resolvers.columns import EDGE
from resolvers.connections import Connection
from resolvers.steps import other_agent, other_agents, page_edges, same, total_count
from schema.connection import Aggregate, FloatSummary, PageInfo, aggregate, paged, summary
from schema.field import held, stepped
from schema.inputs import DateTimeFilter, FloatFilter, SortDirection, StringFilter, absent
from schema.node import Node, agent_named
from schema.view import view
from schema.writing import MutationInput, MutationPayload, draft

if TYPE_CHECKING:
    from schema.agent import Agent, AgentFilter

AgentType = Annotated["Agent", strawberry.lazy("schema.agent")]
AgentFilterType = Annotated["AgentFilter", strawberry.lazy("schema.agent")]


@view(model.Relationship)
class Relationship(Node):
    source: AgentType = agent_named("source_id", "The agent who feels.")
    target: AgentType = agent_named("target_id", "The agent who is felt about.")


def other_end(connection: Connection, relationship: model.Relationship) -> str:
    """Tells the id of the agent at the other end from the connection's parent."""
    match connection.key.shape.listing.direction:
        case EdgeDirection.OUT:
            return relationship.target_id
        case EdgeDirection.IN:
            return relationship.source_id
        case EdgeDirection.BOTH:
            own = connection.key.parent
            return relationship.source_id if relationship.target_id == own else relationship.target_id


@strawberry.type(description="One relationship of a list, and who is at its other end.")
class RelationshipEdge:
    cursor: str = strawberry.field(description="Pass it as `after` or `before` to go on from here.")

    strength: float = held("node.strength", "How close the tie is: 0 none, 1 the closest.")
    relationship: Relationship = held("node", "The relationship itself.")
    node: AgentType = stepped(other_agent(other_end), "The agent at the other end.", reads=[FAR], embedded=FAR)


@strawberry.type(description="Figures over a whole list of relationships.")
class RelationshipAggregate(Aggregate):
    strength: FloatSummary = summary("strength", "How close the ties are.")
    trust: FloatSummary = summary("trust", "How much trust there is.")


@strawberry.type(description="A page of relationships.")
class RelationshipConnection:
    edges: list[RelationshipEdge] = paged(page_edges, "The page's relationships, each with its cursor.", item=EDGE)
    nodes: list[AgentType] = paged(other_agents(other_end), "The agents at the other ends.", reads=[FAR], item=FAR)
    page_info: PageInfo = stepped(same, "Where the page lies in the list.", reads=[CURSOR])
    total_count: int = stepped(total_count, "How many relationships the whole list has.")
    aggregate: RelationshipAggregate = aggregate()


@strawberry.input(description="Conditions on relationships; all that are given must hold.")
class RelationshipFilter:
    and_: list["RelationshipFilter"] | None = absent("All of these hold.", name="and")
    or_: list["RelationshipFilter"] | None = absent("At least one of these holds.", name="or")
    not_: "RelationshipFilter | None" = absent("This does not hold.", name="not")
    kind: StringFilter | None = absent("What the other is to the agent.")
    strength: FloatFilter | None = absent("How close the tie is.")
    trust: FloatFilter | None = absent("How much trust there is.")
    last_interaction_at: DateTimeFilter | None = absent("When the two last interacted.")
    agent: AgentFilterType | None = absent("The agent at the other end passes this filter.")


@strawberry.input(description="Conditions on the relationships that go out from an agent.")
class RelationshipMatch:
    some: RelationshipFilter | None = absent("At least one relationship passes.")
    none: RelationshipFilter | None = absent("No relationship passes.")
    all: RelationshipFilter | None = absent("Every relationship passes; so it is for an agent without any.")


@strawberry.input(description="What relationships are sorted by: exactly one field.")
class RelationshipOrder:
    strength: SortDirection | None = absent("By strength.")
    trust: SortDirection | None = absent("By trust.")
    last_interaction_at: SortDirection | None = absent("By when the two last interacted; never counts as the earliest.")


@draft(model.RelationshipDraft)
class SetRelationshipInput(MutationInput):
    """How one agent feels about another from now on; kind and trust stay as they are if they are left out."""

    source: str = strawberry.field(description="The key of the agent who feels.")
    target: str = strawberry.field(description="The key of the agent who is felt about.")


@strawberry.type(description="What came of it.")
class SetRelationshipPayload(MutationPayload):
    relationship: Relationship = strawberry.field(description="The relationship as it is now.")


@strawberry.input(description="A relationship to remove.")
class RemoveRelationshipInput(MutationInput):
    source: str = strawberry.field(description="The key of the agent who feels.")
    target: str = strawberry.field(description="The key of the agent who is felt about.")


@strawberry.type(description="What came of it.")
class RemoveRelationshipPayload(MutationPayload):
    removed_id: strawberry.ID | None = strawberry.field(description="The id that it had; null if there was none.")
