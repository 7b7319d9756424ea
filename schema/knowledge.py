"""Knowledge: what agents know, by topic."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import model
from resolvers.steps import derive
from schema.connection import ListConnection
from schema.field import stepped
from schema.inputs import FloatFilter, SortDirection, StringFilter, absent
from schema.node import Node, agent_named
from schema.topic import Topic
from schema.view import view
from schema.writing import MutationInput, MutationPayload, draft

if TYPE_CHECKING:
    from schema.agent import Agent

AgentType = Annotated["Agent", strawberry.lazy("schema.agent")]


def topic_of(knowledge: model.Knowledge) -> model.Topic:
    return model.Topic(id=f"Topic:{knowledge.topic_name}", name=knowledge.topic_name)


@view(model.Knowledge)
class Knowledge(Node):
    topic: Topic = stepped(derive(topic_of), "What it is about.", reads=["topic_name"])
    agent: AgentType = agent_named("agent_id", "Who knows it.")


KnowledgeConnection = ListConnection[Knowledge]


@strawberry.input(description="Conditions on knowledge; all that are given must hold.")
class KnowledgeFilter:
    and_: list["KnowledgeFilter"] | None = absent("All of these hold.", name="and")
    or_: list["KnowledgeFilter"] | None = absent("At least one of these holds.", name="or")
    not_: "KnowledgeFilter | None" = absent("This does not hold.", name="not")
    topic: StringFilter | None = absent("The topic's name.")
    content: StringFilter | None = absent("What is known.")
    confidence: FloatFilter | None = absent("How sure the agent is.")


@strawberry.input(description="Conditions on what an agent knows.")
class KnowledgeMatch:
    some: KnowledgeFilter | None = absent("At least one piece passes.")
    none: KnowledgeFilter | None = absent("No piece passes.")
    all: KnowledgeFilter | None = absent("Every piece passes; so it is for an agent who knows nothing.")


@strawberry.input(description="What knowledge is sorted by: exactly one field.")
class KnowledgeOrder:
    topic: SortDirection | None = absent("By the topic's name.")
    confidence: SortDirection | None = absent("By confidence.")
    learned_at: SortDirection | None = absent("By when it was learned.")


@draft(model.KnowledgeDraft)
class NewKnowledge:
    agent: str = strawberry.field(description="The key of the agent who learns.")
    topic: str = strawberry.field(description="The name of the topic, which comes into being if there is none.")


@strawberry.input(description="What agents learn.")
class LearnInput(MutationInput):
    knowledge: list[NewKnowledge] = strawberry.field(description="The pieces of knowledge.")


@strawberry.type(description="What came of it.")
class LearnPayload(MutationPayload):
    knowledge: list[Knowledge] = strawberry.field(description="What is known now, in the order of the input.")
