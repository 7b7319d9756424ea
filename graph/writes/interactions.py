"""Interactions are recorded, and move what those two feel about each other."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from graph.database import Row, Run, collect
from graph.dynamics import cypher_energy_after, cypher_tie_after
from graph.events import Event, EventKind
from graph.forms import new_record
from graph.ids import new_id
from graph.model import Interaction, Relationship
from graph.records import InteractionRecord, Kind
from graph.tables import EPOCH, TABLES, instant, moment
from graph.writes.change import Answer, Change, Known, KnownAgent, Outcome, Part, read_items
from graph.writes.relationships import DEFAULTS, tie_changed

# All agents are locked, so no other interaction comes between reading a tie and writing it. Each agent is looked up
# once, and named by its place from then on. The first interaction that is known of tells what the agent's clock says.
# What a tie has become is told from what was worked out: to read it again took as long as to write it.
RECORD = f"""
UNWIND range(0, size($ids) - 1) AS place
MATCH (a:Agent {{id: $ids[place]}})
WITH a ORDER BY place
WITH collect(a) AS agents
CALL (agents) {{
  UNWIND $rows AS r
  WITH r, agents[r[0]] AS a, agents[r[1]] AS b
  CREATE (a)-[:INITIATED]->(:Interaction {TABLES[Kind.INTERACTIONS].properties})-[:TOWARD]->(b)
}}
CALL (agents) {{
  UNWIND $moments AS r
  WITH r, agents[r[0]] AS a
  WITH a, {cypher_energy_after("[a.socialEnergy, coalesce(a.energyAt.epochMillis, r[1][0])]", "r[1]")} AS s
  SET a.socialEnergy = s[0], a.energyAt = datetime({{epochMillis: s[1]}})
}}
UNWIND $ties AS r
WITH r, agents[r[0]] AS a, agents[r[1]] AS b
MERGE (a)-[n:RELATES_TO]->(b)
ON CREATE SET n.id = r[2], n.sourceId = a.id, n.targetId = b.id, n.kind = $kind, n.strength = 0.0, n.trust = $trust,
    n.interactionCount = 0, n.firstMetAt = datetime.fromEpoch(r[4], r[5])
WITH n, r[0] AS source, r[1] AS target, n.id AS id, n.kind AS kind, n.firstMetAt AS met,
    n.interactionCount + r[3] AS count, n.lastInteractionAt AS before, datetime.fromEpoch(r[6], r[7]) AS last, {
    cypher_tie_after(
        "[n.strength, n.trust, coalesce(n.strengthAt, n.lastInteractionAt, n.firstMetAt).epochMillis]", "r[8]"
    )
} AS s
WITH n, source, target, id, kind, met, count, s, CASE WHEN before > last THEN before ELSE last END AS last
SET n.strength = s[0], n.trust = s[1], n.strengthAt = datetime({{epochMillis: s[2]}}),
    n.interactionCount = count, n.lastInteractionAt = last
RETURN collect([source, target, [id, kind, met.epochSeconds, met.nanosecond, s[0], s[1], s[2], count,
    last.epochSeconds, last.nanosecond]])
"""
MILLISECOND = timedelta(milliseconds=1)
Pair = tuple[str, str]
# Two agents of a group, by their places in it.
Places = tuple[int, int]


@dataclass
class Tie:
    """What happens to how one agent feels about another: [impact, moment in ms] of each interaction."""

    interactions: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    moments: list[datetime] = field(default_factory=list[datetime])
    count: int = 0

    def row(self, source: int, target: int) -> list[Any]:
        first, last = instant(min(self.moments)), instant(max(self.moments))
        return [source, target, new_id("Relationship"), self.count, *first, *last, self.interactions]


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
        agents = [known.agents[key] for key in {key for change in changes for key in change.keys}]
        places = {agent.key: place for place, agent in enumerate(agents)}
        ties, moments = gather(records, places)
        values = TABLES[Kind.INTERACTIONS].values
        given: dict[str, Any] = {
            "ids": [agent.id for agent in agents],
            "rows": [[places[each.source], places[each.target], *values(each)[2:]] for each in records],
            "moments": list(moments.items()),
            "ties": [tie.row(*pair) for pair, tie in ties.items()],
        }
        moved: list[tuple[int, int, Row]] = await collect(run, RECORD, **given, **DEFAULTS)
        ends = ((agents[source], agents[target], told) for source, target, told in moved)
        found = {(source.key, target.key): as_tie(source, target, told) for source, target, told in ends}
        return [outcome(change, found, known) for change in changes]


def gather(
    records: Sequence[InteractionRecord], places: Mapping[str, int]
) -> tuple[dict[Places, Tie], dict[int, list[int]]]:
    """Gathers what happens to each tie, and when each agent started interactions, by the agents' places."""
    ties, moments = defaultdict[Places, Tie](Tie), defaultdict[int, list[int]](list)
    for record in records:
        source, target = places[record.source], places[record.target]
        at = (record.at - EPOCH) // MILLISECOND
        for pair in ((source, target), (target, source)):
            ties[pair].interactions.append((record.impact, at))
            ties[pair].moments.append(record.at)
        ties[source, target].count += 1
        moments[source].append(at)
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
    touched = {pair: ties[pair] for pair in dict.fromkeys(pairs)}
    events += [tie_changed(tie, source, target, change.now) for (source, target), tie in touched.items()]
    return Outcome({"interactions": interactions, "relationships": list(touched.values())}, events)


def both_ways(record: InteractionRecord) -> tuple[Pair, Pair]:
    return (record.source, record.target), (record.target, record.source)


def as_tie(source: KnownAgent, target: KnownAgent, told: Row) -> Relationship:
    """Gives the relationship that a tie has become, of what RECORD tells of it."""
    id, kind, met, met_nanoseconds, strength, trust, strength_at, count, last, last_nanoseconds = told
    return Relationship(
        id=id,
        source_id=source.id,
        target_id=target.id,
        kind=kind,
        strength=strength,
        trust=trust,
        interaction_count=count,
        first_met_at=moment(met, met_nanoseconds),
        last_interaction_at=moment(last, last_nanoseconds),
        strength_at=EPOCH + strength_at * MILLISECOND,
    )


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
