"""Agents learn: what they know already they become surer of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Self

from graph.database import Row, Run
from graph.dynamics import move
from graph.events import Event, EventKind
from graph.forms import new_record
from graph.model import Knowledge
from graph.records import Kind, KnowledgeRecord
from graph.rows import projection, reader
from graph.tables import TABLES
from graph.writes.change import Answer, Change, Known, Outcome, Part, read_items, refuse_repeats

FIND = f"""
UNWIND $rows AS r
MATCH (n:Knowledge) USING INDEX SEEK n:Knowledge(agentId, topicName, id)
WHERE n.agentId = r[0] AND n.topicName = r[1] AND n.id IS NOT NULL AND n.content = r[2]
RETURN [{projection(Knowledge)}]
"""
RAISE = "UNWIND $rows AS r MATCH (n:Knowledge {id: r[0]}) SET n.confidence = r[1], n.source = r[2]"

to_knowledge: Callable[[Row], Knowledge] = reader(Knowledge)

# Whose, about what, and what.
Fact = tuple[str, str, str]


class Learn(Change):
    """What agents learn. The same content about the same topic is one piece of knowledge of an agent."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.KNOWLEDGE})
    merges: ClassVar[bool] = True

    def __init__(self, records: list[KnowledgeRecord], now: datetime) -> None:
        self.records = records
        self.now = now
        self.size = len(records)

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        made = read_items(given, "knowledge", lambda item: new_record(Kind.KNOWLEDGE, item, now))
        records = [record for record in made if isinstance(record, KnowledgeRecord)]
        facts = [(record.agent, record.topic, record.content) for record in records]
        refuse_repeats(facts, lambda place: ("knowledge", place))
        return cls(records, now)

    def agents(self) -> set[str]:
        return {record.agent for record in self.records}

    def check(self, known: Known) -> None:
        for place, record in enumerate(self.records):
            known.need_agent(record.agent, "knowledge", place, "agent")

    @classmethod
    async def write(cls, run: Run, changes: Sequence["Learn"], known: Known) -> list[Answer]:
        records = [record for change in changes for record in change.records]
        facts = [(known.agents[each.agent].id, each.topic, each.content) for each in records]
        held = {fact_of(each): each for each in [to_knowledge(row) for (row,) in await run(FIND, {"rows": facts})]}
        before, new = dict(held), dict[Fact, KnowledgeRecord]()
        for fact, record in zip(facts, records, strict=True):
            if known_already := held.get(fact):
                rate = known.agents[record.agent].learning_rate
                known_already.confidence = move(known_already.confidence, record.confidence, gain=rate, loss=0)
                known_already.source = known_already.source or record.source
            else:
                held[fact], new[fact] = as_knowledge(record, fact[0]), record
        await create(run, [replace(record, confidence=held[fact].confidence) for fact, record in new.items()])
        if before:
            rows = [(each.id, each.confidence, each.source) for each in before.values()]
            await run(RAISE, {"rows": rows})
        learned = iter([held[fact] for fact in facts])
        return [outcome(change, [next(learned) for _ in change.records]) for change in changes]


def fact_of(knowledge: Knowledge) -> Fact:
    return knowledge.agent_id, knowledge.topic_name, knowledge.content


def as_knowledge(record: KnowledgeRecord, agent_id: str) -> Knowledge:
    """Gives the row that a record becomes."""
    return Knowledge(
        id=record.id,
        agent_id=agent_id,
        topic_name=record.topic,
        content=record.content,
        confidence=record.confidence,
        source=record.source,
        learned_at=record.learned_at,
    )


async def create(run: Run, records: list[KnowledgeRecord]) -> None:
    if records:
        table = TABLES[Kind.KNOWLEDGE]
        # By topic, so that transactions which need the same ones wait for one another and don't end in a deadlock.
        rows = [table.values(record) for record in sorted(records, key=lambda record: record.topic)]
        await run(table.create, {"rows": rows})


def outcome(change: Learn, learned: list[Knowledge]) -> Outcome:
    events = [
        Event(
            kind=EventKind.KNOWLEDGE_LEARNED,
            at=change.now,
            agents={record.agent: knowledge.agent_id},
            subject=knowledge,
        )
        for record, knowledge in zip(change.records, learned, strict=True)
    ]
    return Outcome({"knowledge": learned}, events)
