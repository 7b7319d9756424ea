"""Interactions: what agents did toward each other."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import model
from graph.lookups import AGENT_BY_ID
from schema.connection import ListConnection
from schema.inputs import DateTimeFilter, FloatFilter, StringFilter, absent
from schema.node import Node
from schema.view import Request, view

if TYPE_CHECKING:
    from schema.agent import Agent

AgentType = Annotated["Agent", strawberry.lazy("schema.agent")]


@view(model.Interaction)
class Interaction(Node):
    @strawberry.field(description="Who started it.")
    async def source(self: model.Interaction, info: Request) -> AgentType:
        return await info.context.loaders.one(AGENT_BY_ID, self.source_id)

    @strawberry.field(description="Toward whom it went.")
    async def target(self: model.Interaction, info: Request) -> AgentType:
        return await info.context.loaders.one(AGENT_BY_ID, self.target_id)


InteractionConnection = ListConnection[Interaction]


@strawberry.input(description="Conditions on interactions; all that are given must hold.")
class InteractionFilter:
    kind: StringFilter | None = absent("What happened.")
    impact: FloatFilter | None = absent("What it did to the tie.")
    at: DateTimeFilter | None = absent("When it happened.")
    with_agent: str | None = absent("The other agent has this key.")
