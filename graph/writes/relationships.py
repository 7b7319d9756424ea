"""Relationships are set and removed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, ClassVar, Self

from graph.checks import shown
from graph.database import Row, Run
from graph.errors import BadInput
from graph.events import Event, EventKind
from graph.forms import FORMS
from graph.ids import new_id
from graph.model import Relationship
from graph.records import Kind
from graph.rows import projection, reader
from graph.writes.change import Answer, Change, Known, Outcome, Part, own_fields

# What is not given stays as it is; a new tie takes the defaults.
SET = f"""
UNWIND $rows AS r
MATCH (a:Agent {{id: r.source}}) MATCH (b:Agent {{id: r.target}})
MERGE (a)-[n:RELATES_TO]->(b)
ON CREATE SET n.id = r.id, n.sourceId = a.id, n.targetId = b.id, n.interactionCount = 0, n.firstMetAt = datetime(r.at)
SET n.strength = r.strength, n.strengthAt = datetime(r.at),
    n.trust = coalesce(r.trust, n.trust, $trust), n.kind = coalesce(r.kind, n.kind, $kind)
RETURN [{projection(Relationship)}]
"""
REMOVE = f"""
UNWIND $rows AS r
MATCH (:Agent {{id: r[0]}})-[n:RELATES_TO]->(:Agent {{id: r[1]}})
WITH n, r, [{projection(Relationship)}] AS row
DELETE n
RETURN r[0], r[1], row
"""
DEFAULTS = {item.name: item.default for item in fields(Relationship) if item.name in {"kind", "trust"}}
to_relationship: Callable[[Row], Relationship] = reader(Relationship)


def tie_changed(tie: Relationship, source: str, target: str, at: datetime) -> Event:
    agents = {source: tie.source_id, target: tie.target_id}
    return Event(kind=EventKind.RELATIONSHIP_CHANGED, at=at, agents=agents, subject=tie)


class TieChange(Change):
    """A change of how one agent feels about another."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.RELATIONSHIPS})

    def __init__(self, values: dict[str, Any], now: datetime) -> None:
        self.source, self.target = values["source"], values["target"]
        self.values = values
        self.now = now

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        values = FORMS[Kind.RELATIONSHIPS].values(own_fields(given))
        if values["source"] == values["target"]:
            raise BadInput(f"is the source itself, {shown(values['source'])}", "target")
        return cls(values, now)

    def agents(self) -> list[str]:
        return [self.source, self.target]

    def check(self, known: Known) -> None:
        known.need_agent(self.source, "source")
        known.need_agent(self.target, "target")


class SetRelationship(TieChange):
    """How one agent feels about another from now on."""

    @classmethod
    async def write(cls, run: Run, changes: Sequence["SetRelationship"], known: Known) -> list[Answer]:
        rows = [change.row(known) for change in changes]
        ties = [to_relationship(row) for (row,) in await run(SET, {"rows": rows} | DEFAULTS)]
        return [
            Outcome({"relationship": tie}, [tie_changed(tie, change.source, change.target, change.now)])
            for change, tie in zip(changes, ties, strict=True)
        ]

    def row(self, known: Known) -> dict[str, Any]:
        ends = {"source": known.agents[self.source].id, "target": known.agents[self.target].id}
        given = {name: self.values.get(name) for name in ("strength", "trust", "kind")}
        return ends | given | {"id": new_id("Relationship"), "at": self.now.isoformat()}


class RemoveRelationship(TieChange):
    """The end of what one agent feels about another."""

    @classmethod
    async def write(cls, run: Run, changes: Sequence["RemoveRelationship"], known: Known) -> list[Answer]:
        pairs = [(known.agents[each.source].id, known.agents[each.target].id) for each in changes]
        gone = {(source, target): to_relationship(row) for source, target, row in await run(REMOVE, {"rows": pairs})}
        answers: list[Answer] = []
        for change, pair in zip(changes, pairs, strict=True):
            tie = gone.get(pair)
            events = [tie_changed(tie, change.source, change.target, change.now)] if tie else []
            answers.append(Outcome({"removed_id": tie and tie.id}, events))
        return answers
