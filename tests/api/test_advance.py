"""Simulated time over HTTP; what it does to each value is tested beside the formulas."""

import asyncio
from typing import Any

import pytest

from graph.database import Database
from tests.conftest import Api
from tests.mutations import ADD, ADVANCE, RECORD, create, done, refused


async def test_time_goes_by_for_those_who_are_named(api: Api):
    await create(api, "ada", "bo", "cy", socialEnergy=0.5)
    memories = [{"agent": key, "content": "a", "importance": 0.06} for key in ("ada", "bo", "cy")]
    await done(api, ADD, memories=memories)
    await done(api, RECORD, interactions=[{"source": "ada", "target": "bo", "kind": "chat", "impact": 1}])
    payload = await done(api, ADVANCE, by="P7D", agents=["ada", "bo"])
    assert 0 < payload.pop("took") < 60
    assert payload == {"agentsProcessed": 2, "memoriesForgotten": 2, "relationshipsDecayed": 2}
    answer = await api("{ agents { nodes { socialEnergy memories { totalCount } } } }")
    assert [node["memories"]["totalCount"] for node in answer["data"]["agents"]["nodes"]] == [0, 0, 1]
    assert [node["socialEnergy"] for node in answer["data"]["agents"]["nodes"]] == [
        pytest.approx(1, abs=1e-6),
        pytest.approx(1, abs=1e-6),
        0.5,
    ]


async def test_systems_can_be_chosen(api: Api):
    await create(api, "ada", socialEnergy=0.5)
    await done(api, ADD, memories=[{"agent": "ada", "content": "a", "importance": 0.06}])
    payload = await done(api, ADVANCE, by="PT4H", systems=["SOCIAL", "KNOWLEDGE"])
    assert payload["memoriesForgotten"] == 0
    answer = await api("{ agents { nodes { socialEnergy memories { nodes { importance } } } } }")
    (ada,) = answer["data"]["agents"]["nodes"]
    assert ada == {"socialEnergy": pytest.approx(0.75), "memories": {"nodes": [{"importance": 0.06}]}}


@pytest.mark.parametrize("twice", ["one after the other", "at once"])
async def test_the_same_span_sent_again_is_applied_once(api: Api, twice: str):
    await create(api, *(f"agent_{at}" for at in range(30)), socialEnergy=0.0)

    async def send() -> dict[str, Any]:
        return await done(api, ADVANCE, by="PT4H", idempotencyKey="k1")

    answers = await asyncio.gather(send(), send()) if twice == "at once" else [await send(), await send()]
    assert [answer["agentsProcessed"] for answer in answers] == [30, 30]
    answer = await api("{ agents { aggregate { socialEnergy { min max } } } }")
    assert answer["data"]["agents"]["aggregate"]["socialEnergy"] == {
        "min": pytest.approx(0.5),
        "max": pytest.approx(0.5),
    }
    code, path, _ = await refused(api, ADVANCE, by="PT5H", idempotencyKey="k1")
    assert (code, path) == ("CONFLICT", ["input", "idempotencyKey"])


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"by": "PT0S"}, "BAD_USER_INPUT", ["by"]),
        ({"by": "P36526D"}, "BAD_USER_INPUT", ["by"]),
        ({"by": "PT1H", "agents": ["ada", "zoe"]}, "NOT_FOUND", ["agents", 1]),
        ({"by": "PT1H", "idempotencyKey": "x" * 201}, "BAD_USER_INPUT", ["idempotencyKey"]),
    ],
)
async def test_what_cannot_go_by_is_refused_with_its_place(
    api: Api, database: Database, given: dict[str, Any], code: str, path: list[Any]
):
    await create(api, "ada")
    found, at, _ = await refused(api, ADVANCE, **given)
    assert (found, at) == (code, ["input", *path])
    assert await database.read("left", "MATCH (n) WHERE NOT n:Agent AND NOT n:Migration RETURN n") == []


@pytest.mark.parametrize("by", ["", "P", "PT", "1h", "P1Y", "P1M", "-P1D", "P1DT", "PT1.0000001S", "P99999999999D", 5])
async def test_what_is_no_length_of_time_is_refused(api: Api, by: Any):
    answer = await api(ADVANCE, input={"by": by})
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "such as P1DT12H" in error["message"]
