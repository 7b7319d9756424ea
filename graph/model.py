"""What is stored: every field is written here once, with what clients will read about it.

The GraphQL types, the Cypher projections and the reading of rows follow from these classes. A field made
with `doc` is public; one without is for the server alone. A draft is what a client may say; the class that
inherits it adds what the server knows.

Importance, strength, trust, confidence and social energy lie in [0, 1]; impact in [-1, 1]. Times are UTC.
"""

from dataclasses import MISSING, dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


def doc(description: str, *, default: Any = MISSING, default_factory: Any = MISSING) -> Any:
    """A public field, its description, and its default where a client may leave it out."""
    metadata = {"doc": description}
    if default_factory is not MISSING:
        return field(metadata=metadata, default_factory=default_factory)
    return field(metadata=metadata, default=default)


class MemoryKind(Enum):
    """What kind of thing is remembered."""

    EVENT = "EVENT"
    THOUGHT = "THOUGHT"
    CHAT = "CHAT"
    PLAN = "PLAN"
    REFLECTION = "REFLECTION"


@dataclass(kw_only=True)
class Persona:
    """Who an agent is, in words."""

    summary: str = doc("Who the agent is, in a sentence or two.")
    traits: list[str] = doc("Innate traits, such as friendly or inquisitive.", default_factory=list)
    age: int | None = doc("Age in years.", default=None)
    lifestyle: str | None = doc("Habits, such as when the agent sleeps and eats.", default=None)
    currently: str | None = doc("What the agent is occupied with at present.", default=None)
    extra: Any = doc("Anything else that the simulation keeps about the persona.", default=None)


@dataclass(kw_only=True)
class AgentDraft:
    """What a client may say about an agent."""

    key: str = doc("The simulation's own name for the agent, unique and stable, such as agent_17.")
    name: str = doc("The agent's name, as others call it.")
    persona: Persona | None = doc("Who the agent is.", default=None)
    social_energy: float = doc("Readiness to start interactions: 0 exhausted, 1 rested.", default=1.0)
    learning_rate: float = doc("How fast confidence in what is learned rises, in [0, 1].", default=0.1)
    memory_capacity: int = doc("How many memories the agent holds before it forgets.", default=1000)
    importance_threshold: float = doc("Memories below it are the first to be forgotten.", default=0.5)


@dataclass(kw_only=True)
class Agent(AgentDraft):
    """A member of the society."""

    id: str = doc("The global id.")
    created_at: datetime = doc("When the agent came into being.")
    updated_at: datetime = doc("When the agent itself was last changed.")
    # When, on the simulation's clock, the agent had this social energy; None before its first interaction.
    energy_at: datetime | None = None


@dataclass(kw_only=True)
class MemoryDraft:
    """What a client may say about a memory."""

    content: str = doc("What was remembered, in the agent's own words.")
    importance: float = doc("0 trivial, 1 vital.", default=0.5)
    kind: MemoryKind = doc("What kind of memory it is.", default=MemoryKind.EVENT)


@dataclass(kw_only=True)
class Memory(MemoryDraft):
    """Something that an agent remembers."""

    id: str = doc("The global id.")
    agent_id: str
    created_at: datetime = doc("When it was remembered.")
    accessed_at: datetime = doc("When it last came to mind.")
    access_count: int = doc("How often it came to mind.", default=0)


@dataclass(kw_only=True)
class RelationshipDraft:
    """What a client may say about how one agent feels about another."""

    kind: str = doc("What the other is to this agent, such as friend, colleague or housemate.", default="acquaintance")
    strength: float = doc("How close the tie is: 0 none, 1 the closest.")
    trust: float = doc("How far the source trusts the target.", default=0.5)


@dataclass(kw_only=True)
class Relationship(RelationshipDraft):
    """How one agent feels about another: directed, weighted, at most one each way."""

    id: str = doc("The global id.")
    source_id: str
    target_id: str
    interaction_count: int = doc("How many interactions the tie has seen.", default=0)
    first_met_at: datetime = doc("When the tie came into being.")
    last_interaction_at: datetime | None = doc("When the two last interacted.", default=None)
    # When, on the simulation's clock, the tie had this strength; None means at the last interaction or the meeting.
    strength_at: datetime | None = None


@dataclass(kw_only=True)
class InteractionDraft:
    """What a client may say about an interaction."""

    kind: str = doc("What happened, such as chat, help or argument.")
    content: str | None = doc("What was said or done.", default=None)
    impact: float = doc("What it did to the tie: -1 harmful, 0 neutral, 1 as good as can be.")


@dataclass(kw_only=True)
class Interaction(InteractionDraft):
    """Something that one agent did toward another."""

    id: str = doc("The global id.")
    source_id: str
    target_id: str
    at: datetime = doc("When it happened.")


@dataclass(kw_only=True)
class KnowledgeDraft:
    """What a client may say about a piece of knowledge."""

    content: str = doc("What is known.")
    confidence: float = doc("How sure the agent is: 0 not at all, 1 certain.")
    source: str | None = doc("Where the agent has it from.", default=None)


@dataclass(kw_only=True)
class Knowledge(KnowledgeDraft):
    """Something that an agent knows about a topic."""

    id: str = doc("The global id.")
    agent_id: str
    topic_name: str
    learned_at: datetime = doc("When it was learned.")


@dataclass(kw_only=True)
class Topic:
    """A subject that agents know something about."""

    id: str = doc("The global id.")
    name: str = doc("The topic's name, unique.")
