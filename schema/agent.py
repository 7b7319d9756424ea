"""Agents: the members of the society."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET

from graph import edges, model
from graph.errors import BadInput
from graph.lookups import RELATIONSHIP_BETWEEN
from graph.ranking import Weights
from resolvers.connections import LARGEST_SIZE
from resolvers.loaders import Step
from resolvers.recall import recall
from resolvers.steps import look_up, same
from schema.connection import Aggregate, FloatSummary, ListConnection, aggregate, connection, summary
from schema.field import answered, described, given, stepped
from schema.inputs import DateTimeFilter, Direction, FloatFilter, SortDirection, StringFilter, absent
from schema.interaction import InteractionConnection, InteractionFilter
from schema.knowledge import KnowledgeConnection, KnowledgeFilter, KnowledgeMatch, KnowledgeOrder
from schema.memory import (
    MemoryConnection,
    MemoryFilter,
    MemoryMatch,
    MemoryOrder,
    RecalledMemory,
    RecallWeights,
)
from schema.network import AgentNetwork
from schema.node import Node
from schema.relationship import (
    Relationship,
    RelationshipConnection,
    RelationshipFilter,
    RelationshipMatch,
    RelationshipOrder,
)
from schema.view import view
from schema.writing import MutationInput, MutationPayload, draft

LARGEST_WEIGHT = 1_000_000


@view(model.Persona)
class Persona:
    pass


def find_relationship(key: str) -> Step:
    return look_up(RELATIONSHIP_BETWEEN, lambda agent: (agent.id, key))


def recall_memories(
    query: described(
        str | None, "Words that come up, and no syntax; compared by meaning too where the server can."
    ) = UNSET,
    vector: described(list[float] | None, "What the memories' embeddings are compared with.") = UNSET,
    first: described(int | None, f"How many, {LARGEST_SIZE} at most.") = 10,
    weights: described(RecallWeights | None, "What counts how much.") = UNSET,
    touch: described(bool | None, "Count this as an access of what is recalled, after the answer.") = False,
    at: described(datetime | None, "When, on the simulation's clock, they are accessed; now unless told.") = UNSET,
) -> Step:
    return recall(
        query=given(query),
        vector=given(vector),
        first=10 if first is None else first,
        weights=read_weights(given(weights)),
        touch=bool(touch),
        at=given(at),
    )


def read_weights(weights: Mapping[str, Any] | None) -> Weights:
    """Completes weights by the defaults. Raises BadInput for those that make no sense."""
    found = dict(weights or {})
    half_life = found.pop("halfLife", None)
    if half_life is not None:
        if not half_life:
            raise BadInput("must be longer than no time at all.", "weights", "halfLife")
        found["half_life"] = half_life.total_seconds()
    for name, value in found.items():
        if not 0 <= value <= LARGEST_WEIGHT and name != "half_life":
            raise BadInput(f"must lie in [0, {LARGEST_WEIGHT}], is {value:g}.", "weights", name)
    return Weights(**found)


@view(model.Agent)
class Agent(Node):
    recall: list[RecalledMemory] = answered(
        recall_memories,
        "What comes to the agent's mind: memories by recency, importance and relevance to what comes up, best first.",
    )
    memories: MemoryConnection = connection(
        edges.REMEMBERS,
        filter=MemoryFilter,
        order=MemoryOrder,
        description="What the agent remembers; the most important first unless told otherwise.",
    )
    relationships: RelationshipConnection = connection(
        edges.RELATES_TO,
        direction=Direction.OUT,
        filter=RelationshipFilter,
        order=RelationshipOrder,
        description="The agent's ties to others; the strongest first unless told otherwise.",
    )
    interactions: InteractionConnection = connection(
        edges.INTERACTIONS,
        direction=Direction.BOTH,
        filter=InteractionFilter,
        description="What the agent did toward others (OUT) and they toward the agent (IN), the latest first.",
    )
    knowledge: KnowledgeConnection = connection(
        edges.LEARNED,
        filter=KnowledgeFilter,
        order=KnowledgeOrder,
        description="What the agent knows; the latest learned first unless told otherwise.",
    )

    relationship_with: Relationship | None = answered(
        find_relationship, "How the agent feels about the one with this key; null if not at all."
    )
    network: AgentNetwork = stepped(same, "The agent's place among the others.")


@strawberry.type(description="Figures over a whole list of agents.")
class AgentAggregate(Aggregate):
    social_energy: FloatSummary = summary("socialEnergy", "How ready the agents are to start interactions.")


@strawberry.type(description="A page of agents.")
class AgentConnection(ListConnection[Agent]):
    aggregate: AgentAggregate = aggregate()


@strawberry.input(description="Conditions on agents; all that are given must hold.")
class AgentFilter:
    and_: list["AgentFilter"] | None = absent("All of these hold.", name="and")
    or_: list["AgentFilter"] | None = absent("At least one of these holds.", name="or")
    not_: "AgentFilter | None" = absent("This does not hold.", name="not")
    key: StringFilter | None = absent("The simulation's own name for the agent.")
    name: StringFilter | None = absent("The agent's name.")
    social_energy: FloatFilter | None = absent("How ready the agent is to start interactions.")
    created_at: DateTimeFilter | None = absent("When the agent came into being.")
    memories: MemoryMatch | None = absent("What the agent remembers.")
    relationships: RelationshipMatch | None = absent("The ties that go out from the agent.")
    knowledge: KnowledgeMatch | None = absent("What the agent knows.")


@strawberry.input(description="What agents are sorted by: exactly one field.")
class AgentOrder:
    key: SortDirection | None = absent("By key.")
    name: SortDirection | None = absent("By name.")
    social_energy: SortDirection | None = absent("By social energy.")
    created_at: SortDirection | None = absent("By when they came into being.")


@draft(model.Persona)
class PersonaInput:
    pass


@draft(model.AgentDraft)
class NewAgent:
    pass


@strawberry.input(description="Agents to bring into being.")
class CreateAgentsInput(MutationInput):
    agents: list[NewAgent] = strawberry.field(description="The agents.")


@strawberry.type(description="What came of it.")
class CreateAgentsPayload(MutationPayload):
    agents: list[Agent] = strawberry.field(description="The agents, in the order of the input.")


@draft(model.AgentDraft, optional=True)
class UpdateAgentInput(MutationInput):
    """An agent's new fields; what is left out stays as it is."""

    key: str = strawberry.field(description="The key of the agent to change.")


@strawberry.type(description="What came of it.")
class UpdateAgentPayload(MutationPayload):
    agent: Agent = strawberry.field(description="The agent as it is now.")


@strawberry.input(description="Agents to remove.")
class DeleteAgentsInput(MutationInput):
    keys: list[str] = strawberry.field(description="The agents' keys.")


@strawberry.type(description="What came of it.")
class DeleteAgentsPayload(MutationPayload):
    deleted_ids: list[strawberry.ID] = strawberry.field(description="The agents' ids, in the input's order.")
