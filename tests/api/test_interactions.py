"""Interactions over HTTP: what is recorded, and how it moves ties and energy."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graph import dynamics
from graph.database import Database
from tests.conftest import Api
from tests.mutations import RECORD, SET, create, done, refused

MORNING = datetime(2024, 1, 1, 8, tzinfo=UTC)


def chat(source: str, target: str, impact: float, hours: float = 0) -> dict[str, Any]:
    at = (MORNING + timedelta(hours=hours)).isoformat()
    return {"source": source, "target": target, "kind": "chat", "impact": impact, "at": at}


def by_ends(ties: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{tie.pop('source')['key']}-{tie.pop('target')['key']}": tie for tie in ties}


async def test_the_first_interaction_makes_both_ties(api: Api):
    await create(api, "ada", "bo")
    payload = await done(api, RECORD, interactions=[chat("ada", "bo", 0.5) | {"content": "Hello."}])
    (interaction,) = payload["interactions"]
    assert interaction == {
        "id": interaction["id"], "kind": "chat", "content": "Hello.", "impact": 0.5, "at": MORNING.isoformat(),
        "source": {"key": "ada"}, "target": {"key": "bo"},
    }  # fmt: skip
    moved = {"strength": pytest.approx(0.05), "trust": pytest.approx(0.5125), "lastInteractionAt": MORNING.isoformat()}
    assert by_ends(payload["relationships"]) == {
        "ada-bo": moved | {"interactionCount": 1},
        "bo-ada": moved | {"interactionCount": 0},
    }


async def test_a_tie_fades_between_interactions(api: Api):
    await create(api, "ada", "bo")
    month = dynamics.STRENGTH_HALF_LIFE / 3600
    payload = await done(api, RECORD, interactions=[chat("ada", "bo", 1), chat("bo", "ada", -1, month)])
    faded = 0.1 / 2
    tie = by_ends(payload["relationships"])["ada-bo"]
    assert tie["strength"] == pytest.approx(faded * 0.9)
    assert tie["trust"] == pytest.approx((0.5 + 0.05 * 0.5) * 0.85)
    assert tie["interactionCount"] == 1


async def test_energy_falls_with_each_interaction_started_and_recovers(api: Api):
    await create(api, "ada", "bo")

    async def energies() -> list[float]:
        answer = await api("{ agents { nodes { socialEnergy } } }")
        return [node["socialEnergy"] for node in answer["data"]["agents"]["nodes"]]

    await done(api, RECORD, interactions=[chat("ada", "bo", 0.5), chat("ada", "bo", 0.5)])
    assert await energies() == [pytest.approx(0.95**2), 1.0]
    await done(api, RECORD, interactions=[chat("ada", "bo", 0.5, dynamics.ENERGY_HALF_LIFE / 3600)])
    assert await energies() == [pytest.approx((1 - (1 - 0.95**2) / 2) * 0.95), 1.0]


async def test_no_interaction_is_lost_among_many_at_once(api: Api, database: Database):
    await create(api, "ada", "bo", "cy")
    await asyncio.gather(
        *(done(api, RECORD, interactions=[chat("ada", "bo", 0.5), chat("bo", "cy", 0.25)]) for _ in range(40))
    )
    rows = await database.read(
        "ties",
        "MATCH (a:Agent)-[r:RELATES_TO]->(b:Agent) "
        "RETURN a.key + '-' + b.key, r.strength, r.interactionCount ORDER BY a.key, b.key",
    )
    near, far = 1 - 0.95**40, 1 - 0.975**40
    assert rows == [
        ["ada-bo", pytest.approx(near), 40],
        ["bo-ada", pytest.approx(near), 0],
        ["bo-cy", pytest.approx(far), 40],
        ["cy-bo", pytest.approx(far), 0],
    ]
    assert await database.read("count", "RETURN COUNT { (:Interaction) }") == [[80]]


async def test_a_tie_that_was_set_is_moved_from_there(api: Api):
    await create(api, "ada", "bo")
    await done(api, SET, source="ada", target="bo", strength=0.5, kind="friend", trust=1)
    payload = await done(api, RECORD, interactions=[{"source": "bo", "target": "ada", "kind": "help", "impact": 1}])
    tie = by_ends(payload["relationships"])["ada-bo"]
    assert tie["strength"] == pytest.approx(0.55, abs=1e-6)
    assert tie["trust"] == 1.0


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ([chat("ada", "ada", 0.5)], "BAD_USER_INPUT", [0, "target"]),
        ([chat("ada", "bo", 0.5), chat("zoe", "bo", 0.5)], "NOT_FOUND", [1, "source"]),
        ([chat("ada", "bo", 1.5)], "BAD_USER_INPUT", [0, "impact"]),
        ([chat("ada", "bo", 1) | {"kind": ""}], "BAD_USER_INPUT", [0, "kind"]),
    ],
)
async def test_what_cannot_be_recorded_is_refused_with_its_place(
    api: Api, database: Database, given: list[dict[str, Any]], code: str, path: list[Any]
):
    await create(api, "ada", "bo")
    found, at, _ = await refused(api, RECORD, interactions=given)
    assert (found, at) == (code, ["input", "interactions", *path])
    assert await database.read("ties", "MATCH ()-[r]->() RETURN r") == []
