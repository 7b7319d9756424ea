"""Relationships that are set and removed, and what agents learn."""

import asyncio
from typing import Any

import pytest

from graph.database import Database
from tests.conftest import Api
from tests.mutations import LEARN, REMOVE, SET, create, done, refused

TIE = {"source": "ada", "target": "bo"}


async def test_a_relationship_is_made_with_defaults_and_keeps_what_is_not_given(api: Api):
    await create(api, "ada", "bo")
    made = (await done(api, SET, **TIE, strength=0.25))["relationship"]
    ends = {"source": {"key": "ada"}, "target": {"key": "bo"}}
    assert made == ends | {
        "id": made["id"], "kind": "acquaintance", "strength": 0.25, "trust": 0.5, "interactionCount": 0,
    }  # fmt: skip
    await done(api, SET, **TIE, strength=0.5, kind="friend", trust=0.75)
    again = (await done(api, SET, **TIE, strength=1))["relationship"]
    assert again == made | {"kind": "friend", "strength": 1.0, "trust": 0.75}


async def test_a_relationship_is_directed_and_removed_once(api: Api):
    await create(api, "ada", "bo")
    made = (await done(api, SET, **TIE, strength=0.25))["relationship"]
    assert await done(api, REMOVE, source="bo", target="ada") == {"removedId": None}
    assert await done(api, REMOVE, **TIE) == {"removedId": made["id"]}
    assert await done(api, REMOVE, **TIE) == {"removedId": None}


async def test_what_is_learned_again_is_known_more_surely(api: Api):
    await create(api, "ada", learningRate=0.5)
    fact = {"agent": "ada", "topic": "tea", "content": "It is hot."}
    (first,) = (await done(api, LEARN, knowledge=[fact | {"confidence": 0.5}]))["knowledge"]
    assert (first["topic"], first["confidence"], first["source"]) == ({"name": "tea"}, 0.5, None)
    (again,) = (await done(api, LEARN, knowledge=[fact | {"confidence": 0.8, "source": "Bo"}]))["knowledge"]
    assert again == first | {"confidence": pytest.approx(0.5 + 0.5 * 0.8 * 0.5), "source": "Bo"}
    answer = await api('{ agent(key: "ada") { knowledge { nodes { id confidence source content } } } }')
    (held,) = answer["data"]["agent"]["knowledge"]["nodes"]
    assert held == {"id": again["id"], "confidence": again["confidence"], "source": "Bo", "content": "It is hot."}


async def test_topics_are_shared_and_made_once_by_many_at_once(api: Api, database: Database):
    keys = [f"agent_{at}" for at in range(32)]
    await create(api, *keys)

    def fact(key: str, topic: str) -> dict[str, Any]:
        return {"agent": key, "topic": topic, "content": "It is.", "confidence": 0.5}

    topics = ["tea", "art", "sea"]
    await asyncio.gather(*(done(api, LEARN, knowledge=[fact(key, topic) for topic in topics]) for key in keys))
    rows = await database.read("topics", "MATCH (t:Topic) RETURN t.name, COUNT { (t)<-[:ON]-() } ORDER BY t.name")
    assert rows == [[topic, 32] for topic in sorted(topics)]


async def test_the_same_fact_learned_by_many_at_once_is_one_and_no_lesson_is_lost(api: Api):
    await create(api, "ada", learningRate=0.1)
    fact = {"agent": "ada", "topic": "tea", "content": "It is hot.", "confidence": 0.5}
    answers = await asyncio.gather(*(done(api, LEARN, knowledge=[fact]) for _ in range(20)))
    assert len({each["id"] for answer in answers for each in answer["knowledge"]}) == 1
    expected = 0.5
    for _ in range(19):
        expected += 0.1 * 0.5 * (1 - expected)
    answer = await api('{ agent(key: "ada") { knowledge { nodes { confidence } } } }')
    assert answer["data"]["agent"]["knowledge"]["nodes"] == [{"confidence": pytest.approx(expected)}]


FACT = {"agent": "ada", "topic": "tea", "content": "It is hot.", "confidence": 0.5}


@pytest.mark.parametrize(
    ("mutation", "given", "code", "path"),
    [
        (SET, {"source": "ada", "target": "ada", "strength": 1}, "BAD_USER_INPUT", ["target"]),
        (SET, {"source": "ada", "target": "zoe", "strength": 1}, "NOT_FOUND", ["target"]),
        (SET, TIE | {"strength": 1.1}, "BAD_USER_INPUT", ["strength"]),
        (SET, TIE | {"strength": 1, "kind": ""}, "BAD_USER_INPUT", ["kind"]),
        (REMOVE, {"source": "zoe", "target": "ada"}, "NOT_FOUND", ["source"]),
        (LEARN, {"knowledge": [FACT, FACT | {"confidence": 1}]}, "BAD_USER_INPUT", ["knowledge", 1]),
        (LEARN, {"knowledge": [FACT, FACT | {"agent": "zoe"}]}, "NOT_FOUND", ["knowledge", 1, "agent"]),
        (LEARN, {"knowledge": [FACT | {"confidence": -1}]}, "BAD_USER_INPUT", ["knowledge", 0, "confidence"]),
        (LEARN, {"knowledge": [FACT | {"topic": ""}]}, "BAD_USER_INPUT", ["knowledge", 0, "topic"]),
    ],
)
async def test_what_cannot_be_written_is_refused_with_its_place(
    api: Api, database: Database, mutation: str, given: dict[str, Any], code: str, path: list[Any]
):
    await create(api, "ada", "bo")
    found, at, message = await refused(api, mutation, **given)
    assert (found, at) == (code, ["input", *path])
    assert message.startswith("input")
    assert await database.read("ties", "MATCH (n)-[r]->() RETURN r") == []
    assert await database.read("topics", "MATCH (n:Topic) RETURN n") == []
