"""Memories are added, changed and forgotten; an agent at capacity forgets the least important of its own."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from graph.checks import check_dimension, identifier
from graph.database import Row, Run, collect
from graph.errors import BadInput
from graph.events import Event, EventKind
from graph.forms import FORMS, new_record
from graph.model import Memory
from graph.records import Kind, MemoryRecord
from graph.rows import projection, reader
from graph.tables import LINK_EVIDENCE, TABLES
from graph.writes.change import Answer, Change, Known, KnownAgent, Outcome, Part, own_fields, read_items, refuse_repeats

# What an agent at capacity forgets at once, as a share of its capacity.
FORGOTTEN = 10

EVICT = f"""
UNWIND $rows AS r
CALL (r) {{
    MATCH (n:Memory) USING INDEX SEEK n:Memory(agentId, importance, id)
    WHERE n.agentId = r[0] AND n.importance >= 0 AND n.id IS NOT NULL
    WITH n ORDER BY n.importance, n.accessedAt, n.id
    WITH collect(n)[..r[1]] AS gone
    UNWIND gone AS n
    WITH n, [{projection(Memory)}] AS row
    DETACH DELETE n
    RETURN row
}}
RETURN collect([r[0], row])
"""
UPDATE = f"""
UNWIND $rows AS r
MATCH (n:Memory {{id: r[0]}})
SET n.content = coalesce(r[1], n.content), n.importance = coalesce(r[2], n.importance)
FOREACH (embedding IN r[3] | SET n.embedding = embedding)
RETURN [{projection(Memory)}]
"""
FORGET = f"""
UNWIND $ids AS id
MATCH (n:Memory {{id: id}})
WITH n, [{projection(Memory)}] AS row
DETACH DELETE n
RETURN row
"""


to_memory: Callable[[Row], Memory] = reader(Memory)


def event(kind: EventKind, memory: Memory, owner: KnownAgent, at: datetime) -> Event:
    return Event(kind=kind, at=at, agents={owner.key: owner.id}, subject=memory)


class AddMemories(Change):
    """New memories. Agents that have no room for them forget some of the others first."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.MEMORIES})
    merges: ClassVar[bool] = True

    def __init__(self, records: list[MemoryRecord], now: datetime) -> None:
        self.records = records
        self.now = now
        self.size = len(records)
        self.each = Counter(record.agent for record in records)
        self.keys = {*self.each, *(key for record in records for key in record.about)}

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        records = read_items(given, "memories", lambda item: new_record(Kind.MEMORIES, item, now))
        return cls([record for record in records if isinstance(record, MemoryRecord)], now)

    def agents(self) -> set[str]:
        return self.keys

    def memories(self) -> set[str]:
        return {id for record in self.records for id in record.evidence}

    def texts(self) -> set[str]:
        return {record.content for record in self.records if record.embedding is None}

    def embed(self, embeddings: Mapping[str, list[float]]) -> None:
        for record in self.records:
            if record.embedding is None:
                record.embedding = embeddings.get(record.content)

    def check(self, known: Known) -> None:
        for place, record in enumerate(self.records):
            owner = known.need_agent(record.agent, "memories", place, "agent")
            for at, key in enumerate(record.about):
                known.need_agent(key, "memories", place, "about", at)
            for at, id in enumerate(record.evidence):
                known.need_memory(id, "memories", place, "evidence", at)
            check_dimension(record.embedding, known.dimension, "memories", place, "embedding")
            if self.each[record.agent] > owner.memory_capacity:
                raise BadInput(
                    f"brings {self.each[record.agent]} memories to {record.agent}, "
                    f"who can hold {owner.memory_capacity}: bring fewer, or raise memoryCapacity.",
                    "memories", place, "agent",
                )  # fmt: skip

    @classmethod
    async def write(cls, run: Run, changes: Sequence["AddMemories"], known: Known) -> list[Answer]:
        answers: list[Answer] = []
        for turn in take_turns(changes, known):
            gone = await evict(run, turn.evictions, known)
            await create(run, [record for change in turn.changes for record in change.records])
            for change in turn.changes:
                answers.append(outcome(change, [each for key in change.each for each in gone.pop(key, ())], known))
        return answers


@dataclass
class Turn:
    """Changes that are written together: first each agent forgets so many, then all memories are added."""

    evictions: dict[str, int] = field(default_factory=dict[str, int])
    changes: list[AddMemories] = field(default_factory=list[AddMemories])


def take_turns(changes: Sequence[AddMemories], known: Known) -> list[Turn]:
    """Sorts changes so that each forgets from what the ones before it have left, and never its own."""
    turns = [Turn()]
    touched: set[str] = set()
    for change in changes:
        due = {key: excess(known.agents[key], count) for key, count in change.each.items()}
        due = {key: count for key, count in due.items() if count}
        if due.keys() & touched:
            turns.append(Turn())
            touched.clear()
        turns[-1].evictions |= due
        turns[-1].changes.append(change)
        touched |= change.each.keys()
        for key, count in change.each.items():
            known.agents[key].memories += count - due.get(key, 0)
    return turns


def excess(agent: KnownAgent, more: int) -> int:
    """Says how many memories an agent must forget before it takes in more: none, or a tenth of its capacity."""
    over = agent.memories + more - agent.memory_capacity
    tenth = -(-agent.memory_capacity // FORGOTTEN)
    return min(max(over, tenth), agent.memories) if over > 0 else 0


async def evict(run: Run, evictions: Mapping[str, int], known: Known) -> dict[str, list[Event]]:
    """Forgets the least important of agents' memories, of equals those not accessed for longest."""
    if not evictions:
        return {}
    agents = {known.agents[key].id: known.agents[key] for key in evictions}
    now = datetime.now(UTC)
    gone: dict[str, list[Event]] = {key: [] for key in evictions}
    rows = [(known.agents[key].id, count) for key, count in evictions.items()]
    for id, row in await collect(run, EVICT, rows=rows):
        owner, memory = agents[id], to_memory(row)
        known.owners.pop(memory.id, None)
        gone[owner.key].append(event(EventKind.MEMORY_FORGOTTEN, memory, owner, now))
    return gone


async def create(run: Run, records: list[MemoryRecord]) -> None:
    table = TABLES[Kind.MEMORIES]
    await run(table.create, {"rows": [table.values(record) for record in records]})
    if pairs := [(record.id, id) for record in records for id in record.evidence]:
        await run(LINK_EVIDENCE, {"rows": pairs})


def outcome(change: AddMemories, gone: list[Event], known: Known) -> Outcome:
    memories = [as_memory(record, known.agents[record.agent].id) for record in change.records]
    added = [
        event(EventKind.MEMORY_ADDED, memory, known.agents[record.agent], change.now)
        for memory, record in zip(memories, change.records, strict=True)
    ]
    return Outcome({"memories": memories, "evicted": len(gone)}, gone + added)


def as_memory(record: MemoryRecord, agent_id: str) -> Memory:
    """Gives the row that a record becomes."""
    return Memory(
        id=record.id,
        agent_id=agent_id,
        content=record.content,
        importance=record.importance,
        kind=record.kind,
        created_at=record.created_at,
        accessed_at=record.accessed_at,
        access_count=record.access_count,
    )


class UpdateMemory(Change):
    """Another content or importance of a memory."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.MEMORIES})

    def __init__(self, id: str, content: str | None, importance: float | None, now: datetime) -> None:
        self.id = id
        self.content = content
        self.importance = importance
        # What takes the place of the embedding before, if anything does.
        self.embeddings: list[list[float] | None] = []
        self.now = now

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        values = FORMS[Kind.MEMORIES].values(own_fields(given))
        if len(values) == 1:
            raise BadInput("names nothing to change: give content or importance.")
        return cls(values["id"], values.get("content"), values.get("importance"), now)

    def memories(self) -> list[str]:
        return [self.id]

    def texts(self) -> list[str]:
        return [] if self.content is None else [self.content]

    def embed(self, embeddings: Mapping[str, list[float]]) -> None:
        if self.content is not None:
            # Better none than that of what it was before.
            self.embeddings = [embeddings.get(self.content)]

    def check(self, known: Known) -> None:
        known.need_memory(self.id, "id")

    @classmethod
    async def write(cls, run: Run, changes: Sequence["UpdateMemory"], known: Known) -> list[Answer]:
        rows = [(each.id, each.content, each.importance, each.embeddings) for each in changes]
        memories = [to_memory(row) for (row,) in await run(UPDATE, {"rows": rows})]
        return [
            Outcome(
                {"memory": memory},
                [event(EventKind.AGENT_CHANGED, memory, known.agents[known.owners[change.id]], change.now)],
            )
            for change, memory in zip(changes, memories, strict=True)
        ]


class ForgetMemories(Change):
    """Memories that go."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.MEMORIES})

    def __init__(self, ids: list[str], now: datetime) -> None:
        self.ids = ids
        self.now = now
        self.size = len(ids)

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        ids = read_items(given, "ids", identifier("Memory"))
        refuse_repeats(ids, lambda place: ("ids", place))
        return cls(ids, now)

    def memories(self) -> list[str]:
        return self.ids

    def check(self, known: Known) -> None:
        for place, id in enumerate(self.ids):
            known.need_memory(id, "ids", place)

    @classmethod
    async def write(cls, run: Run, changes: Sequence["ForgetMemories"], known: Known) -> list[Answer]:
        rows = await run(FORGET, {"ids": [id for change in changes for id in change.ids]})
        gone = {memory.id: memory for memory in (to_memory(row) for (row,) in rows)}
        answers: list[Answer] = []
        for change in changes:
            owners = [known.agents[known.owners.pop(id)] for id in change.ids]
            for owner in owners:
                owner.memories -= 1
            events = [
                event(EventKind.MEMORY_FORGOTTEN, gone[id], owner, change.now)
                for id, owner in zip(change.ids, owners, strict=True)
            ]
            answers.append(Outcome({"forgotten_ids": change.ids}, events))
        return answers
