"""Interactions: what agents did toward each other."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import model
from schema.connection import ListConnection
from schema.inputs import DateTimeFilter, FloatFilter, StringFilter, absent
from schema.node import Node, agent_named
from schema.view import view
from schema.writing import MutationInput, MutationPayload, draft

if TYPE_CHECKING:
    from schema.agent import Agent
    from schema.relationship import Relationship

AgentType = Annotated["Agent", strawberry.lazy("schema.agent")]
RelationshipType = Annotated["Relationship", strawberry.lazy("schema.relationship")]


@view(model.Interaction)
class Interaction(Node):
    source: AgentType = agent_named("source_id", "Who started it.")
    target: AgentType = agent_named("target_id", "Toward whom it went.")


InteractionConnection = ListConnection[Interaction]


@strawberry.input(description="Conditions on interactions; all that are given must hold.")
class InteractionFilter:
    kind: StringFilter | None = absent("What happened.")
    impact: FloatFilter | None = absent("What it did to the tie.")
    at: DateTimeFilter | None = absent("When it happened.")
    with_agent: str | None = absent("The other agent has this key.")


@draft(model.InteractionDraft)
class NewInteraction:
    source: str = strawberry.field(description="The key of the agent who started it.")
    target: str = strawberry.field(description="The key of the agent toward whom it went.")
    at: datetime | None = absent("When it happened; now unless told.")


@strawberry.input(description="What agents did toward each other, in the order in which it happened.")
class RecordInteractionsInput(MutationInput):
    interactions: list[NewInteraction] = strawberry.field(description="The interactions.")


@strawberry.type(description="What came of it.")
class RecordInteractionsPayload(MutationPayload):
    interactions: list[Interaction] = strawberry.field(description="The interactions, in the order of the input.")
    relationships: list[RelationshipType] = strawberry.field(
        description="The relationships that they moved, each both ways, as they are now."
    )
