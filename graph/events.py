"""What happens in the society, as subscribers are told: each event with what it is about as it was then."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import orjson

from graph.rows import pack_row, unpack_row


class EventKind(Enum):
    """What kind of thing happened."""

    AGENT_CHANGED = "AGENT_CHANGED"
    MEMORY_ADDED = "MEMORY_ADDED"
    MEMORY_FORGOTTEN = "MEMORY_FORGOTTEN"
    INTERACTION_RECORDED = "INTERACTION_RECORDED"
    RELATIONSHIP_CHANGED = "RELATIONSHIP_CHANGED"
    KNOWLEDGE_LEARNED = "KNOWLEDGE_LEARNED"
    ADVANCE_PROGRESS = "ADVANCE_PROGRESS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened to agents, named by their keys and ids; an event without agents concerns all.

    `subject` is the row that was written or, of what is gone, the last one. `progress` is in [0, 1].
    """

    kind: EventKind
    at: datetime
    agents: dict[str, str]
    subject: Any = None
    progress: float | None = None


def encode_event(event: Event) -> bytes:
    """Writes an event as JSON."""
    row = None if event.subject is None else pack_row(event.subject)
    return orjson.dumps((event.kind, event.at, event.agents, row, event.progress))


def decode_event(data: bytes) -> Event:
    """Reads what `encode_event` wrote."""
    kind, at, agents, row, progress = orjson.loads(data)
    return Event(
        kind=EventKind(kind),
        at=datetime.fromisoformat(at),
        agents=agents,
        subject=None if row is None else unpack_row(row),
        progress=progress,
    )
