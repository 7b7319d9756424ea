"""Interactions are recorded, and move what those two feel about each other."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from graph.database import Run, collect
from graph.dynamics import cypher_energy_after, cypher_tie_after
from graph.events import Event, EventKind
from graph.forms import new_record
from graph.ids import new_id
from graph.model import Interaction, Relationship
from graph.records import InteractionRecord, Kind
from graph.rows import projection
from graph.tables import EPOCH, TABLES
from graph.writes.change import Answer, Change, Known, Outcome, Part, read_items
from graph.writes.relationships import DEFAULTS, tie_changed, to_relationship

# Both agents are locked, so no other interaction comes between reading a tie and writing it. The first interaction that
# is known of tells what the agent's clock says.
RECORD = f"""
CALL () {{ {TABLES[Kind.INTERACTIONS].create} AS made }}
CALL () {{
  UNWIND $moments AS r
  MATCH (a:Agent {{id: r[0]}})
  WITH a, {cypher_energy_after("[a.socialEnergy, coalesce(a.energyAt.epochMillis, r[1][0])]", "r[1]")} AS s
  SET a.socialEnergy = s[0], a.energyAt = datetime({{epochMillis: s[1]}})
}}
UNWIND $ties AS r
MATCH (a:Agent {{id: r.source}}) MATCH (b:Agent {{id: r.target}})
MERGE (a)-[n:RELATES_TO]->(b)
ON CREATE SET n.id = r.id, n.sourceId = a.id, n.targetId = b.id, n.kind = $kind, n.strength = 0.0, n.trust = $trust,
    n.interactionCount = 0, n.firstMetAt = datetime(r.first)
WITH n, r, datetime(r.last) AS last, {
    cypher_tie_after(
        "[n.strength, n.trust, coalesce(n.strengthAt, n.lastInteractionAt, n.firstMetAt).epochMillis]",
        "r.interactions",
    )
} AS s
SET n.strength = s[0], n.trust = s[1], n.strengthAt = datetime({{epochMillis: s[2]}}),
    n.interactionCount = n.interactionCount + r.count,
    n.lastInteractionAt = CASE WHEN n.lastInteractionAt > last THEN n.lastInteractionAt ELSE last END
RETURN collect([{projection(Relationship)}])
"""
MILLISECOND = timedelta(milliseconds=1)
Pair = tuple[str, str]


@dataclass
class Tie:
    """What happens to how one agent feels about another: [impact, moment in ms] of each interaction."""

    interactions: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    moments: list[datetime] = field(default_factory=list[datetime])
    count: int = 0

    def row(self, source: str, target: str) -> dict[str, Any]:
        first, last = min(self.moments).isoformat(), max(self.moments).isoformat()
        ends = {"id": new_id("Relationship"), "source": source, "target": target}
        return ends | {"interactions": self.interactions, "count": self.count, "first": first, "last": last}


class RecordInteractions(Change):
    """What agents did toward each other. Each tells on both ties between the two, which come into being with it."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.SELF, Part.RELATIONSHIPS, Part.INTERACTIONS})
    merges: ClassVar[bool] = True

    def __init__(self, records: list[InteractionRecord], now: datetime) -> None:
        self.records = records
        self.now = now
        self.size = len(records)
        self.keys = {key for record in records for key in (record.source, record.target)}

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        records = read_items(given, "interactions", lambda item: new_record(Kind.INTERACTIONS, item, now))
        return cls([record for record in records if isinstance(record, InteractionRecord)], now)

    def agents(self) -> set[str]:
        return self.keys

    def check(self, known: Known) -> None:
        for place, record in enumerate(self.records):
            known.need_agent(record.source, "interactions", place, "source")
            known.need_agent(record.target, "interactions", place, "target")

    @classmethod
    async def write(cls, run: Run, changes: Sequence["RecordInteractions"], known: Known) -> list[Answer]:
        records = [record for change in changes for record in change.records]
        ties, moments = gather(records, known)
        given: dict[str, Any] = {
            "rows": list(map(TABLES[Kind.INTERACTIONS].values, records)),
            "moments": list(moments.items()),
            "ties": [tie.row(*pair) for pair, tie in ties.items()],
        }
        moved = map(to_relationship, await collect(run, RECORD, **given, **DEFAULTS))
        found = {(tie.source_id, tie.target_id): tie for tie in moved}
        return [outcome(change, found, known) for change in changes]


def gather(records: Sequence[InteractionRecord], known: Known) -> tuple[dict[Pair, Tie], dict[str, list[int]]]:
    """Gathers what happens to each tie, and when each agent started interactions, by the agents' ids."""
    ties, moments = defaultdict[Pair, Tie](Tie), defaultdict[str, list[int]](list)
    for record in records:
        source, target = known.agents[record.source].id, known.agents[record.target].id
        moment = (record.at - EPOCH) // MILLISECOND
        for pair in ((source, target), (target, source)):
            ties[pair].interactions.append((record.impact, moment))
            ties[pair].moments.append(record.at)
        ties[source, target].count += 1
        moments[source].append(moment)
    return ties, moments


def outcome(change: RecordInteractions, ties: Mapping[Pair, Relationship], known: Known) -> Outcome:
    ids = {key: known.agents[key].id for key in change.agents()}
    interactions = [as_interaction(record, ids) for record in change.records]
    events = [
        Event(
            kind=EventKind.INTERACTION_RECORDED,
            at=change.now,
            agents={record.source: ids[record.source], record.target: ids[record.target]},
            subject=interaction,
        )
        for record, interaction in zip(change.records, interactions, strict=True)
    ]
    pairs = [pair for record in change.records for pair in both_ways(record)]
    touched = {(source, target): ties[ids[source], ids[target]] for source, target in dict.fromkeys(pairs)}
    events += [tie_changed(tie, source, target, change.now) for (source, target), tie in touched.items()]
    return Outcome({"interactions": interactions, "relationships": list(touched.values())}, events)


def both_ways(record: InteractionRecord) -> tuple[Pair, Pair]:
    return (record.source, record.target), (record.target, record.source)


def as_interaction(record: InteractionRecord, ids: Mapping[str, str]) -> Interaction:
    """Gives the row that a record becomes."""
    return Interaction(
        id=record.id,
        source_id=ids[record.source],
        target_id=ids[record.target],
        kind=record.kind,
        content=record.content,
        impact=record.impact,
        at=record.at,
    )
