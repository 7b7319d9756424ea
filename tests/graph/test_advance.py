"""Time goes by once for everybody: as the formulas say, however often it is interrupted or asked for again."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from graph.advance import AdvanceResult, System, advance
from graph.database import Database
from graph.dynamics import (
    CONFIDENCE_HALF_LIFE,
    DAY,
    ENERGY_HALF_LIFE,
    FORGOTTEN_BELOW,
    STRENGTH_HALF_LIFE,
    fade,
    fade_importance,
    recover,
)
from graph.errors import BadInput, Conflict, NotFound
from graph.ingest.synthetic import seed_society
from tests.conftest import WIPE

AGENTS = 30
CHUNK = 4
ALL = tuple(System)


@pytest.fixture
async def society(database: Database) -> Database:
    """A database with a society, always the same."""
    await seed(database)
    return database


async def seed(database: Database) -> None:
    await database.write("wipe", WIPE, deadline=60)
    await seed_society(database, agents=AGENTS, memories=12, relationships=5, knowledge=2, max_agents=AGENTS)
    await database.write("set", "MATCH (a:Agent) SET a.energyAt = datetime('2024-02-01')")


async def quiet(_: float) -> None:
    pass


async def pass_time(database: Database, key: str = "k", by: float = DAY, **asked: Any) -> AdvanceResult:
    given = {"agents": None, "systems": ALL, "progress": quiet, "chunk": CHUNK} | asked
    return await advance(database, key=key, by=by, **given)


async def state(database: Database) -> dict[str, dict[str, list[Any]]]:
    """All that time works on: values of each by id."""
    queries = {
        "memories": "MATCH (a:Agent)-[:REMEMBERS]->(n) RETURN n.id, n.importance, a.importanceThreshold",
        "energies": "MATCH (n:Agent) RETURN n.id, n.socialEnergy, toString(n.energyAt)",
        "ties": "MATCH ()-[n:RELATES_TO]->() RETURN n.id, n.strength, n.trust, "
        "toString(coalesce(n.strengthAt, n.lastInteractionAt, n.firstMetAt))",
        "knowledge": "MATCH (n:Knowledge) RETURN n.id, n.confidence",
    }
    return {name: {row[0]: row[1:] for row in await database.read(name, text)} for name, text in queries.items()}


def about(values: dict[str, dict[str, list[Any]]]) -> dict[str, Any]:
    def near(value: Any) -> Any:
        return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value

    return {
        name: {id: [near(value) for value in row] for id, row in sorted(rows.items())} for name, rows in values.items()
    }


def later(moment: str, seconds: float) -> float:
    return datetime.fromisoformat(moment).timestamp() + seconds


async def test_values_and_counts_are_those_of_the_formulas(society: Database):
    before = await state(society)
    by = 40.5 * DAY
    result = await pass_time(society, by=by)
    after = await state(society)
    waned = {id: fade_importance(*row, by) for id, row in before["memories"].items()}
    kept = {id: pytest.approx(value) for id, value in waned.items() if value >= FORGOTTEN_BELOW}
    assert 0 < len(kept) < len(waned)
    assert result == AdvanceResult(AGENTS, len(waned) - len(kept), len(before["ties"]))
    assert {id: row[0] for id, row in after["memories"].items()} == kept
    for id, (energy, at) in before["energies"].items():
        assert after["energies"][id][0] == pytest.approx(recover(energy, by, ENERGY_HALF_LIFE))
        assert later(after["energies"][id][1], 0) == later(at, by)
    for id, (strength, trust, at) in before["ties"].items():
        assert after["ties"][id][:2] == [pytest.approx(fade(strength, by, STRENGTH_HALF_LIFE)), trust]
        assert later(after["ties"][id][2], 0) == later(at, by)
    for id, (confidence,) in before["knowledge"].items():
        assert after["knowledge"][id] == [pytest.approx(fade(confidence, by, CONFIDENCE_HALF_LIFE))]


async def test_spans_add_up(society: Database):
    one = await pass_time(society, "a", 3 * DAY)
    other = await pass_time(society, "b", 9 * DAY)
    twice = await state(society)
    await seed(society)
    once = await pass_time(society, "c", 12 * DAY)
    assert about(twice) == await state(society)
    assert once.memories_forgotten == one.memories_forgotten + other.memories_forgotten


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("after", [0.2, 0.5, 0.9])
async def test_what_was_interrupted_goes_on(society: Database, after: float):
    async def interrupt(progress: float) -> None:
        if progress >= after:
            raise Interrupted

    whole = await pass_time(society)
    expected = await state(society)
    await seed(society)
    before = await state(society)
    with pytest.raises(Interrupted):
        await pass_time(society, progress=interrupt)
    assert await state(society) not in (before, expected)
    shown: list[float] = []

    async def show(progress: float) -> None:
        shown.append(progress)

    assert await pass_time(society, progress=show) == whole
    assert about(expected) == await state(society)
    assert shown == sorted(shown)
    assert min(shown) > after
    assert shown[-1] == 1.0
    assert await pass_time(society, progress=interrupt) == whole
    assert about(expected) == await state(society)


async def test_two_at_once_with_one_key_apply_once(society: Database):
    whole = await pass_time(society)
    expected = await state(society)
    await seed(society)
    assert await asyncio.gather(*(pass_time(society) for _ in range(2))) == [whole, whole]
    assert about(expected) == await state(society)
    left = await society.read("left", "MATCH (n:Advance|AdvanceChunk) RETURN labels(n)")
    assert left == [[["Advance"]]]


async def test_only_the_agents_and_systems_named_are_touched(society: Database):
    before = await state(society)
    result = await pass_time(society, agents=["agent_3", "agent_7"], systems=[System.SOCIAL])
    rows = await society.read(
        "ties",
        "MATCH (a:Agent)-[n:RELATES_TO]->() WHERE a.key IN ['agent_3', 'agent_7'] RETURN collect(n.id), collect(a.id)",
    )
    ((ties, sources),) = rows
    assert result == AdvanceResult(2, 0, len(ties))
    after = await state(society)
    changed = {name: {id for id, row in rows.items() if after[name][id] != row} for name, rows in before.items()}
    assert changed == {"memories": set(), "knowledge": set(), "ties": set(ties), "energies": set(sources)}


async def test_who_comes_later_takes_no_part_and_who_goes_drops_out(society: Database):
    async def interrupt(_: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        await pass_time(society, progress=interrupt, systems=[System.KNOWLEDGE])
    await society.write(
        "change",
        """
        MATCH (a:Agent {key: 'agent_9'}) DETACH DELETE a
        CREATE (b:Agent {id: 'Agent:b', key: 'agent_10a'})-[:LEARNED]->(:Knowledge {id: 'b', confidence: 0.5})
        """,
    )
    result = await pass_time(society, systems=[System.KNOWLEDGE])
    assert result == AdvanceResult(AGENTS - 1, 0, 0)
    assert (await state(society))["knowledge"]["b"] == [0.5]


async def test_times_stay_such_that_they_can_be_read(society: Database):
    await society.write("set", "MATCH ()-[n:RELATES_TO]->() SET n.strengthAt = datetime('9998-12-01')")
    await pass_time(society, by=90 * DAY)
    assert {row[2] for row in (await state(society))["ties"].values()} == {"9999-01-01T00:00:00Z"}


async def test_what_makes_no_sense_is_refused_and_changes_nothing(society: Database):
    before = await state(society)
    for by in (0, -1, float("nan"), float("inf"), 1e12):
        with pytest.raises(BadInput, match="by: must be longer"):
            await pass_time(society, by=by)
    with pytest.raises(NotFound, match=r"agents\[1\]: there is no agent 'nobody'"):
        await pass_time(society, agents=["agent_1", "nobody", "nor he"])
    assert await society.read("left", "MATCH (n:Advance|AdvanceChunk) RETURN n") == []
    assert await state(society) == before
    await pass_time(society, agents=["agent_1"])
    with pytest.raises(Conflict, match="idempotencyKey: was used for another input"):
        await pass_time(society, agents=["agent_2"])
