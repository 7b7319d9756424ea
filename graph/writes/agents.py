"""Agents come into being, change and go."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from graph.checks import LONGEST_NAME, text
from graph.database import Row, Run
from graph.errors import BadInput, Conflict
from graph.events import Event, EventKind
from graph.forms import FORMS, new_record
from graph.model import Agent
from graph.records import Kind
from graph.rows import columns, projection, reader
from graph.tables import TABLES, as_json
from graph.writes.change import Answer, Change, Known, KnownAgent, Outcome, Part, own_fields, read_items, refuse_repeats

# Whoever creates agents holds this lock, so that no two count the same free places.
COUNT = "MATCH (m:Migration {version: 1}) SET m._lock = 0 RETURN COUNT { (:Agent) }"
UPDATE = f"""
UNWIND $rows AS r
MATCH (n:Agent {{id: r[0]}})
SET n += r[1], n.updatedAt = datetime(r[2])
RETURN [{projection(Agent)}]
"""
DELETE = f"""
UNWIND $ids AS id
MATCH (n:Agent {{id: id}})
WITH n, [{projection(Agent)}] AS row
CALL (n) {{ MATCH (n)-[:REMEMBERS|LEARNED|INITIATED]->(x) DETACH DELETE x }}
CALL (n) {{ MATCH (x:Interaction)-[:TOWARD]->(n) DETACH DELETE x }}
DETACH DELETE n
RETURN row
"""


to_agent: Callable[[Row], Agent] = reader(Agent)


def changed(agent: Agent) -> Event:
    return Event(kind=EventKind.AGENT_CHANGED, at=agent.updated_at, agents={agent.key: agent.id}, subject=agent)


class CreateAgents(Change):
    """New agents."""

    parts: ClassVar[frozenset[Part]] = frozenset()
    merges: ClassVar[bool] = True
    creates: ClassVar[bool] = True
    leads: ClassVar[bool] = True

    def __init__(self, records: list[Agent]) -> None:
        self.records = records
        self.size = len(records)

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        records = read_items(given, "agents", lambda item: new_record(Kind.AGENTS, item, now))
        agents = [record for record in records if isinstance(record, Agent)]
        refuse_repeats([agent.key for agent in agents], lambda place: ("agents", place, "key"))
        return cls(agents)

    def agents(self) -> list[str]:
        return [record.key for record in self.records]

    def check(self, known: Known) -> None:
        for place, record in enumerate(self.records):
            if record.key in known.agents:
                raise Conflict(f"an agent {record.key!r} exists already: choose another key, or use updateAgent.",
                               "agents", place, "key")  # fmt: skip

    @classmethod
    async def write(cls, run: Run, changes: Sequence["CreateAgents"], known: Known) -> list[Answer]:
        ((count,),) = await run(COUNT, {})
        answers: list[Answer] = []
        records: list[Agent] = []
        for change in changes:
            try:
                change.check(known)
                check_room(count + len(records), len(change.records), known.max_agents)
            except (BadInput, Conflict) as error:
                answers.append(error)
                continue
            records += change.records
            for each in change.records:
                known.agents[each.key] = KnownAgent(each.id, each.key, each.memory_capacity, each.learning_rate, 0)
            answers.append(Outcome({"agents": change.records}, [changed(each) for each in change.records]))
        table = TABLES[Kind.AGENTS]
        await run(table.create, {"rows": [table.values(record) for record in records]})
        return answers


def check_room(count: int, more: int, most: int) -> None:
    """Raises BadInput if there would be too many agents."""
    if count + more > most:
        raise BadInput(
            f"{count} agents exist and {more} would be added, but there may be {most} at most: "
            "delete some, or raise ECS_MAX_AGENTS.",
            "agents",
        )


class UpdateAgent(Change):
    """New values for some of an agent's fields; a persona replaces the one before."""

    parts: ClassVar[frozenset[Part]] = frozenset({Part.SELF})
    leads: ClassVar[bool] = True

    def __init__(self, key: str, properties: dict[str, Any], now: datetime) -> None:
        self.key = key
        self.properties = properties
        self.now = now

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        values = FORMS[Kind.AGENTS].values(own_fields(given))
        key = values.pop("key")
        if not values:
            raise BadInput("names nothing to change: give at least one field beside the key.")
        return cls(key, properties_of(values), now)

    def agents(self) -> list[str]:
        return [self.key]

    def check(self, known: Known) -> None:
        known.need_agent(self.key, "key")

    @classmethod
    async def write(cls, run: Run, changes: Sequence["UpdateAgent"], known: Known) -> list[Answer]:
        rows = [(known.agents[each.key].id, each.properties, each.now.isoformat()) for each in changes]
        agents = [to_agent(row) for (row,) in await run(UPDATE, {"rows": rows})]
        for agent in agents:
            known.agents[agent.key].memory_capacity = agent.memory_capacity
            known.agents[agent.key].learning_rate = agent.learning_rate
        return [Outcome({"agent": agent}, [changed(agent)]) for agent in agents]


def properties_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what is stored for some of an agent's fields; what a persona leaves out is removed."""
    found: dict[str, Any] = {}
    for column in columns(Agent):
        prefix, _, name = column.name.partition("_")
        if prefix == "persona":
            if persona := values.get("persona"):
                value = getattr(persona, name)
                found[column.property] = as_json(value) if column.type is Any else value
        elif column.name in values:
            found[column.property] = values[column.name]
    if "social_energy" in values:
        # From when on it is so, the next interaction tells.
        found["energyAt"] = None
    return found


class DeleteAgents(Change):
    """Agents that go, with what they remember, know and did, and what was done toward them."""

    spreads: ClassVar[bool] = True
    leads: ClassVar[bool] = True

    def __init__(self, keys: list[str], now: datetime) -> None:
        self.keys = keys
        self.now = now
        self.size = len(keys)

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        keys = read_items(given, "keys", text(LONGEST_NAME))
        refuse_repeats(keys, lambda place: ("keys", place))
        return cls(keys, now)

    def agents(self) -> list[str]:
        return self.keys

    def check(self, known: Known) -> None:
        for place, key in enumerate(self.keys):
            known.need_agent(key, "keys", place)

    @classmethod
    async def write(cls, run: Run, changes: Sequence["DeleteAgents"], known: Known) -> list[Answer]:
        ids = [known.agents[key].id for change in changes for key in change.keys]
        gone = {agent.key: agent for agent in (to_agent(row) for (row,) in await run(DELETE, {"ids": ids}))}
        for key in gone:
            del known.agents[key]
        return [
            Outcome(
                {"deleted_ids": [gone[key].id for key in change.keys]},
                [
                    Event(kind=EventKind.AGENT_CHANGED, at=change.now, agents={key: gone[key].id}, subject=gone[key])
                    for key in change.keys
                ],
            )
            for change in changes
        ]
