"""Mutations over HTTP: what is written, what is answered, and what is refused without a trace."""

import asyncio
from typing import Any

import pytest

from graph.database import Database
from tests.conftest import Api
from tests.mutations import ADD, CHANGE, CREATE, DELETE, FORGET, LEARN, RECORD, UPDATE, contents, create, done, refused


async def test_agents_come_into_being(api: Api):
    persona = {"summary": "A baker.", "traits": ["kind"], "age": 44, "extra": {"shop": [1, None]}}
    agent = {"key": "ada", "name": "Ada", "persona": persona, "socialEnergy": 0.5, "memoryCapacity": 10}
    payload = await done(api, CREATE, agents=[agent, {"key": "bo", "name": "Bo"}], clientMutationId="mine")
    assert payload["clientMutationId"] == "mine"
    assert [each["key"] for each in payload["agents"]] == ["ada", "bo"]
    found = await api(
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Agent { key name persona { summary traits age extra }"
        " socialEnergy learningRate memoryCapacity importanceThreshold } } }",
        ids=[each["id"] for each in payload["agents"]],
    )
    ada, bo = found["data"]["nodes"]
    assert ada == agent | {"learningRate": 0.1, "importanceThreshold": 0.5}
    assert (bo["persona"], bo["socialEnergy"], bo["memoryCapacity"]) == (None, 1.0, 1000)


async def test_empty_lists_write_nothing(api: Api):
    assert await done(api, CREATE, agents=[]) == {"agents": [], "clientMutationId": None}
    assert await done(api, DELETE, keys=[]) == {"deletedIds": []}
    assert await done(api, ADD, memories=[]) == {"memories": [], "evicted": 0}
    assert await done(api, FORGET, ids=[]) == {"forgottenIds": []}
    assert await done(api, LEARN, knowledge=[]) == {"knowledge": []}
    assert await done(api, RECORD, interactions=[]) == {"interactions": [], "relationships": []}


async def test_agents_change_field_by_field(api: Api):
    await create(api, "ada", persona={"summary": "A baker.", "traits": ["kind"], "age": 44, "extra": {"a": 1}})
    payload = await done(api, UPDATE, key="ada", socialEnergy=0.25, memoryCapacity=7)
    assert payload["agent"]["persona"]["age"] == 44
    assert (payload["agent"]["socialEnergy"], payload["agent"]["memoryCapacity"]) == (0.25, 7)
    payload = await done(api, UPDATE, key="ada", name="Ada L.", persona={"summary": "Retired."})
    assert payload["agent"]["name"] == "Ada L."
    assert payload["agent"]["persona"] == {"summary": "Retired.", "traits": [], "age": None, "extra": None}


async def test_deleted_agents_leave_nothing_behind(api: Api, database: Database):
    ada, bo = await create(api, "ada", "bo")
    await done(api, ADD, memories=[{"agent": "ada", "content": "Bo waved.", "importance": 0.5, "about": ["bo"]}])
    assert await done(api, DELETE, keys=["ada", "bo"]) == {"deletedIds": [ada["id"], bo["id"]]}
    assert await database.read("left", "MATCH (n) WHERE NOT n:Migration RETURN n") == []


async def test_memories_are_added_changed_and_forgotten(api: Api):
    await create(api, "ada", "bo")
    first = await done(api, ADD, memories=[{"agent": "ada", "content": "Bo waved.", "importance": 0.5}])
    base = first["memories"][0]["id"]
    given = {"agent": "ada", "content": "Bo is kind.", "importance": 1, "kind": "REFLECTION", "about": ["bo"]}
    payload = await done(api, ADD, memories=[given | {"evidence": [base], "createdAt": "2024-01-02T05:00:00+02:00"}])
    (memory,) = payload["memories"]
    assert memory["createdAt"] == "2024-01-02T03:00:00+00:00"
    assert (memory["agent"], memory["about"], memory["evidence"]) == ({"key": "ada"}, [{"key": "bo"}], [{"id": base}])
    changed = await done(api, CHANGE, id=base, content="Bo waved twice.")
    assert changed["memory"] == {"content": "Bo waved twice.", "importance": 0.5}
    assert await contents(api, "ada") == ["Bo is kind.", "Bo waved twice."]
    assert await done(api, FORGET, ids=[base]) == {"forgottenIds": [base]}
    assert await contents(api, "ada") == ["Bo is kind."]


async def test_an_agent_at_capacity_forgets_the_least_important_tenth(api: Api):
    await create(api, "ada", memoryCapacity=20)
    memories = [{"agent": "ada", "content": f"{at:02}", "importance": at / 20} for at in range(20)]
    assert (await done(api, ADD, memories=memories))["evicted"] == 0
    payload = await done(api, ADD, memories=[{"agent": "ada", "content": "new", "importance": 0}])
    assert payload["evicted"] == 2
    assert await contents(api, "ada") == [f"{at:02}" for at in range(2, 20)] + ["new"]
    many = [{"agent": "ada", "content": f"more {at}", "importance": 0} for at in range(6)]
    assert (await done(api, ADD, memories=many))["evicted"] == 5


async def test_sixty_four_writers_on_one_agent_at_capacity_leave_the_right_memories(api: Api):
    await create(api, "ada", memoryCapacity=50)
    old = [{"agent": "ada", "content": f"old {at:02}", "importance": at / 100} for at in range(50)]
    await done(api, ADD, memories=old)

    async def add(at: int) -> int:
        new = {"agent": "ada", "content": f"new {at:02}", "importance": 0.6 + at / 1000}
        return (await done(api, ADD, memories=[new]))["evicted"]

    evicted = sum(await asyncio.gather(*map(add, range(64))))
    # Every time the agent is full it forgets five, and the least important are what is oldest.
    assert evicted == 65
    left = await contents(api, "ada")
    assert len(left) == 50 + 64 - 65
    assert [each for each in left if each.startswith("old")] == []
    assert left == [f"new {at:02}" for at in range(64) if f"new {at:02}" in left]


@pytest.mark.parametrize("twice", ["one after the other", "at once"])
async def test_a_mutation_sent_again_under_its_key_writes_nothing(api: Api, twice: str):
    await create(api, "ada")
    memory = {"agent": "ada", "content": "Once.", "importance": 0.5}

    async def send() -> dict[str, Any]:
        return await done(api, ADD, memories=[memory], idempotencyKey="k1")

    if twice == "at once":
        answers = await asyncio.gather(*(send() for _ in range(8)))
    else:
        answers = [await send(), await send()]
    assert all(answer == answers[0] for answer in answers)
    assert await contents(api, "ada") == ["Once."]
    code, path, message = await refused(api, ADD, memories=[memory | {"importance": 0.6}], idempotencyKey="k1")
    assert (code, path) == ("CONFLICT", ["input", "idempotencyKey"])
    assert "another input" in message


async def test_a_refused_mutation_leaves_its_key_free(api: Api):
    memory = {"agent": "ada", "content": "Once.", "importance": 0.5}
    assert (await refused(api, ADD, memories=[memory], idempotencyKey="k1"))[0] == "NOT_FOUND"
    await create(api, "ada")
    await done(api, ADD, memories=[memory], idempotencyKey="k1")
    assert await contents(api, "ada") == ["Once."]


AGENT = {"key": "cy", "name": "Cy"}
MEMORY = {"agent": "ada", "content": "a", "importance": 0.5}
NOWHERE = "Memory:" + "0" * 32


@pytest.mark.parametrize(
    ("mutation", "given", "code", "path"),
    [
        (CREATE, {"agents": [AGENT] * 2}, "BAD_USER_INPUT", ["agents", 1, "key"]),
        (CREATE, {"agents": [AGENT, {"key": "ada", "name": "A"}]}, "CONFLICT", ["agents", 1, "key"]),
        (CREATE, {"agents": [AGENT | {"socialEnergy": 1.5}]}, "BAD_USER_INPUT", ["agents", 0, "socialEnergy"]),
        (
            CREATE,
            {"agents": [AGENT | {"persona": {"summary": "s", "age": -1}}]},
            "BAD_USER_INPUT",
            ["agents", 0, "persona", "age"],
        ),
        (CREATE, {"agents": [AGENT | {"name": "x" * 201}]}, "BAD_USER_INPUT", ["agents", 0, "name"]),
        (CREATE, {"agents": [{"key": f"k{i}", "name": "n"} for i in range(1001)]}, "BAD_USER_INPUT", ["agents"]),
        (CREATE, {"agents": [AGENT], "idempotencyKey": ""}, "BAD_USER_INPUT", ["idempotencyKey"]),
        (UPDATE, {"key": "ada"}, "BAD_USER_INPUT", []),
        (UPDATE, {"key": "zoe", "name": "Z"}, "NOT_FOUND", ["key"]),
        (DELETE, {"keys": ["ada", "zoe"]}, "NOT_FOUND", ["keys", 1]),
        (DELETE, {"keys": ["ada", "ada"]}, "BAD_USER_INPUT", ["keys", 1]),
        (ADD, {"memories": [MEMORY, MEMORY | {"agent": "zoe"}]}, "NOT_FOUND", ["memories", 1, "agent"]),
        (ADD, {"memories": [MEMORY | {"about": ["ada", "zoe"]}]}, "NOT_FOUND", ["memories", 0, "about", 1]),
        (ADD, {"memories": [MEMORY | {"evidence": [NOWHERE]}]}, "NOT_FOUND", ["memories", 0, "evidence", 0]),
        (ADD, {"memories": [MEMORY | {"evidence": ["x"]}]}, "BAD_USER_INPUT", ["memories", 0, "evidence"]),
        (ADD, {"memories": [MEMORY | {"importance": -0.1}]}, "BAD_USER_INPUT", ["memories", 0, "importance"]),
        (ADD, {"memories": [MEMORY | {"content": ""}]}, "BAD_USER_INPUT", ["memories", 0, "content"]),
        (ADD, {"memories": [MEMORY] * 4}, "BAD_USER_INPUT", ["memories", 0, "agent"]),
        (CHANGE, {"id": NOWHERE, "content": "a"}, "NOT_FOUND", ["id"]),
        (CHANGE, {"id": NOWHERE}, "BAD_USER_INPUT", []),
        (CHANGE, {"id": NOWHERE, "importance": 2}, "BAD_USER_INPUT", ["importance"]),
        (FORGET, {"ids": [NOWHERE]}, "NOT_FOUND", ["ids", 0]),
        (FORGET, {"ids": ["Agent:1"]}, "BAD_USER_INPUT", ["ids", 0]),
    ],
)
async def test_what_cannot_be_written_is_refused_with_its_place_and_nothing_is_written(
    api: Api, database: Database, mutation: str, given: dict[str, Any], code: str, path: list[Any]
):
    await create(api, "ada", memoryCapacity=3)
    before = await database.read("all", "MATCH (n) RETURN labels(n), n.key, n.updatedAt")
    found, at, message = await refused(api, mutation, **given)
    assert (found, at) == (code, ["input", *path])
    assert message.startswith("input")
    assert await database.read("all", "MATCH (n) RETURN labels(n), n.key, n.updatedAt") == before


async def test_one_bad_mutation_does_not_fail_those_it_shares_a_transaction_with(api: Api):
    await create(api, "ada")
    writers = [{"agent": "zoe" if at == 3 else "ada", "content": str(at), "importance": 0.5} for at in range(8)]
    answers = await asyncio.gather(*(api(ADD, input={"memories": [each]}) for each in writers))
    assert [at for at, answer in enumerate(answers) if "errors" in answer] == [3]
    assert await contents(api, "ada") == [str(at) for at in range(8) if at != 3]
