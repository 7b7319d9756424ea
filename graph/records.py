"""The five kinds of record that go in and out: what clients may say, with the server's own fields.

Agents are named by their keys, and memories by their ids. An agent's record is `graph.model.Agent` itself.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from graph.model import Agent, InteractionDraft, KnowledgeDraft, MemoryDraft, RelationshipDraft


class Kind(Enum):
    """The kinds of record, in the order in which they can be written; each value names a file."""

    AGENTS = "agents"
    MEMORIES = "memories"
    RELATIONSHIPS = "relationships"
    INTERACTIONS = "interactions"
    KNOWLEDGE = "knowledge"


@dataclass(kw_only=True)
class MemoryRecord(MemoryDraft):
    """A memory, with the keys of those it is about and the ids of the memories it was drawn from."""

    id: str
    agent: str
    created_at: datetime
    accessed_at: datetime
    access_count: int = 0
    about: list[str] = field(default_factory=list[str])
    evidence: list[str] = field(default_factory=list[str])
    embedding: list[float] | None = None


@dataclass(kw_only=True)
class RelationshipRecord(RelationshipDraft):
    """A relationship between two agents' keys."""

    id: str
    source: str
    target: str
    interaction_count: int = 0
    first_met_at: datetime
    last_interaction_at: datetime | None = None
    strength_at: datetime | None = None


@dataclass(kw_only=True)
class InteractionRecord(InteractionDraft):
    """An interaction between two agents' keys."""

    id: str
    source: str
    target: str
    at: datetime


@dataclass(kw_only=True)
class KnowledgeRecord(KnowledgeDraft):
    """A piece of knowledge of the agent with that key."""

    id: str
    agent: str
    topic: str
    learned_at: datetime


Record = Agent | MemoryRecord | RelationshipRecord | InteractionRecord | KnowledgeRecord

RECORDS: dict[Kind, type[Record]] = {
    Kind.AGENTS: Agent,
    Kind.MEMORIES: MemoryRecord,
    Kind.RELATIONSHIPS: RelationshipRecord,
    Kind.INTERACTIONS: InteractionRecord,
    Kind.KNOWLEDGE: KnowledgeRecord,
}
TYPE_NAMES = {
    Kind.AGENTS: "Agent",
    Kind.MEMORIES: "Memory",
    Kind.RELATIONSHIPS: "Relationship",
    Kind.INTERACTIONS: "Interaction",
    Kind.KNOWLEDGE: "Knowledge",
}


@dataclass(kw_only=True)
class Society:
    """A society small enough to be held in memory; `notes` say what was read with doubt."""

    agents: list[Agent] = field(default_factory=list[Agent])
    memories: list[MemoryRecord] = field(default_factory=list[MemoryRecord])
    relationships: list[RelationshipRecord] = field(default_factory=list[RelationshipRecord])
    interactions: list[InteractionRecord] = field(default_factory=list[InteractionRecord])
    knowledge: list[KnowledgeRecord] = field(default_factory=list[KnowledgeRecord])
    notes: list[str] = field(default_factory=list[str])


def packed(id: str) -> bytes:
    """Gives the 16 bytes that tell ids of one type apart."""
    return bytes.fromhex(id.partition(":")[2])


def unpacked(kind: Kind, data: bytes | bytearray) -> list[str]:
    """Gives back the ids whose packed bytes follow one another in `data`."""
    name = TYPE_NAMES[kind]
    return [f"{name}:{data[at : at + 16].hex()}" for at in range(0, len(data), 16)]
