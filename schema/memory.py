"""Memories: what agents remember."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import edges, model
from resolvers.connections import LARGEST_SIZE, Window, request_list
from resolvers.steps import read_lists
from schema.connection import Aggregate, FloatSummary, ListConnection, aggregate, summary
from schema.field import stepped
from schema.inputs import DateTimeFilter, FloatFilter, SortDirection, StringFilter, absent
from schema.node import Node, agent_named
from schema.view import view
from schema.writing import MutationInput, MutationPayload, draft

if TYPE_CHECKING:
    from schema.agent import Agent

MemoryKind = strawberry.enum(model.MemoryKind, description=model.MemoryKind.__doc__)
AgentType = Annotated["Agent", strawberry.lazy("schema.agent")]


@view(model.Memory)
class Memory(Node):
    agent: AgentType = agent_named("agent_id", "Whose memory it is.")
    about: list[AgentType] = stepped(
        read_lists(request_list(edges.ABOUT, window=Window(LARGEST_SIZE))),
        f"The agents it is about, by key, {LARGEST_SIZE} at most.",
    )
    evidence: list["Memory"] = stepped(
        read_lists(request_list(edges.EVIDENCE, window=Window(LARGEST_SIZE))),
        f"The memories it was drawn from, the oldest first, {LARGEST_SIZE} at most.",
    )


@strawberry.type(description="A memory that came to mind, and why: the score and its parts, each in [0, 1].")
class RecalledMemory:
    memory: Memory = strawberry.field(description="The memory.")
    score: float = strawberry.field(description="The parts' sum, each times its weight.")
    recency: float = strawberry.field(
        description="How recently it came to mind: 1 for the latest; so far as relevance counts, no less than that."
    )
    importance: float = strawberry.field(
        description="How important it is: 1 for the most important; so far as relevance counts, no less than that."
    )
    relevance: float = strawberry.field(
        description="How well it fits what was asked: 1 for the best, 0 for not at all."
    )


@strawberry.input(description="What counts how much for what comes to mind; none may be negative.")
class RecallWeights:
    recency: float | None = strawberry.field(default=1.0, description="How much it counts that it came to mind lately.")
    importance: float | None = strawberry.field(default=1.0, description="How much it counts that it is important.")
    relevance: float | None = strawberry.field(default=1.0, description="How much it counts that it fits.")
    half_life: timedelta | None = absent("In which time recency halves; six hours unless told.")


@strawberry.type(description="Figures over a whole list of memories.")
class MemoryAggregate(Aggregate):
    importance: FloatSummary = summary("importance", "How important the memories are.")


@strawberry.type(description="A page of memories.")
class MemoryConnection(ListConnection[Memory]):
    aggregate: MemoryAggregate = aggregate()


@strawberry.input(description="Conditions on memories; all that are given must hold.")
class MemoryFilter:
    and_: list["MemoryFilter"] | None = absent("All of these hold.", name="and")
    or_: list["MemoryFilter"] | None = absent("At least one of these holds.", name="or")
    not_: "MemoryFilter | None" = absent("This does not hold.", name="not")
    kind: list[MemoryKind] | None = absent("Of one of these kinds.")
    importance: FloatFilter | None = absent("How important it is.")
    created_at: DateTimeFilter | None = absent("When it was remembered.")
    content: StringFilter | None = absent("What was remembered.")
    about_agent: str | None = absent("It is about the agent with this key.")


@strawberry.input(description="Conditions on an agent's memories.")
class MemoryMatch:
    some: MemoryFilter | None = absent("At least one memory passes.")
    none: MemoryFilter | None = absent("No memory passes.")
    all: MemoryFilter | None = absent("Every memory passes; so it is for an agent without any.")


@strawberry.input(description="What memories are sorted by: exactly one field.")
class MemoryOrder:
    importance: SortDirection | None = absent("By importance.")
    created_at: SortDirection | None = absent("By when they were remembered.")
    accessed_at: SortDirection | None = absent("By when they last came to mind.")


@draft(model.MemoryDraft, required={"importance"})
class NewMemory:
    agent: str = strawberry.field(description="The key of the agent who remembers.")
    created_at: datetime | None = absent("When it was remembered; now unless told.")
    about: list[str] | None = absent("The keys of the agents it is about.")
    evidence: list[strawberry.ID] | None = absent("The ids of the memories it was drawn from.")
    embedding: list[float] | None = absent("A vector that stands for its meaning; computed where the server does that.")


@strawberry.input(description="Memories to add.")
class AddMemoriesInput(MutationInput):
    memories: list[NewMemory] = strawberry.field(description="The memories.")


@strawberry.type(description="What came of it.")
class AddMemoriesPayload(MutationPayload):
    memories: list[Memory] = strawberry.field(description="The memories, in the order of the input.")
    evicted: int = strawberry.field(description="How many others were forgotten to make room.")


@strawberry.input(description="A memory's new content or importance; what is left out stays as it is.")
class UpdateMemoryInput(MutationInput):
    id: strawberry.ID = strawberry.field(description="The memory's global id.")
    content: str | None = absent("What was remembered.")
    importance: float | None = absent("0 trivial, 1 vital.")


@strawberry.type(description="What came of it.")
class UpdateMemoryPayload(MutationPayload):
    memory: Memory = strawberry.field(description="The memory as it is now.")


@strawberry.input(description="Memories to remove.")
class ForgetMemoriesInput(MutationInput):
    ids: list[strawberry.ID] = strawberry.field(description="The memories' global ids.")


@strawberry.type(description="What came of it.")
class ForgetMemoriesPayload(MutationPayload):
    forgotten_ids: list[strawberry.ID] = strawberry.field(description="The memories' ids, in the input's order.")
