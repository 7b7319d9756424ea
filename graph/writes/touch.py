"""Memories that came to mind: how often and when is counted, after whoever asked has been answered."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self

from graph.database import Run
from graph.writes.change import Answer, Change, Known, Outcome, Part

# The time of access never goes back.
TOUCH = """
UNWIND $rows AS r
MATCH (n:Memory {id: r[0]})
SET n.accessCount = n.accessCount + 1,
    n.accessedAt = CASE WHEN n.accessedAt < datetime(r[1]) THEN datetime(r[1]) ELSE n.accessedAt END
"""


@dataclass(frozen=True, slots=True)
class TouchShape:
    @property
    def lane(self) -> str:
        return "touch"


@dataclass(frozen=True, slots=True, eq=False)
class TouchKey:
    """Memories to touch, asked for like something to read; no two are the same, since each counts."""

    ids: tuple[str, ...]
    at: datetime
    shape: TouchShape = TouchShape()

    @classmethod
    def of(cls, ids: Collection[str], at: datetime | None) -> Self:
        return cls(tuple(dict.fromkeys(ids)), at or datetime.now(UTC))


class TouchMemories(Change):
    """Memories that came to mind; those forgotten since are passed over."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.MEMORIES})

    def __init__(self, ids: Sequence[str], at: datetime) -> None:
        self.ids = ids
        self.at = at
        self.size = len(ids)

    def memories(self) -> Sequence[str]:
        return self.ids

    @classmethod
    async def write(cls, run: Run, changes: Sequence["TouchMemories"], known: Known) -> list[Answer]:
        rows = [(id, change.at.isoformat()) for change in changes for id in change.ids]
        await run(TOUCH, {"rows": rows})
        return [Outcome({}) for _ in changes]
