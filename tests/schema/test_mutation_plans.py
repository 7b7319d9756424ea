"""Mutations by plans: what graphql-core answers, one field after another, until one fails."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson
import pytest

from graph.database import Database
from graph.events import Event
from graph.reads import fetch
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.loaders import Loaders
from resolvers.writes import Writes
from schema.execution import Operation, execute
from schema.root import Schema, build_schema
from tests.conftest import WIPE, GraphLog
from tests.mutations import ADD, CHANGE, CREATE, DELETE, FORGET, LEARN, RECORD, REMOVE, SET, UPDATE

PEOPLE = {"agents": [{"key": "ada", "name": "Ada"}, {"key": "bo", "name": "Bo", "persona": {"summary": "A baker."}}]}
MEMORY = {"agent": "ada", "content": "Bo waved.", "importance": 0.5, "about": ["bo"]}
MEETING = {"source": "ada", "target": "bo", "kind": "chat", "impact": 0.5, "content": None}
FACT = {"agent": "bo", "topic": "bread", "content": "It rises.", "confidence": 0.5}
SELECTING = """mutation Add($input: AddMemoriesInput!, $brief: Boolean!) {
    __typename
    addMemories(input: $input) {
        ...Told
        memories { __typename kind agent @skip(if: $brief) { name memories(first: 1) { totalCount } } }
    }
}
fragment Told on AddMemoriesPayload { clientMutationId left: evicted }"""

Ask = Callable[..., Any]


@pytest.fixture
async def ask(migrated: Database) -> AsyncIterator[Ask]:
    """Sends an operation to a schema, whose contexts share what reads and writes."""
    await migrated.write("wipe", WIPE, deadline=60)

    async def keep(_: Sequence[Event]) -> None:
        pass

    coalescer = Coalescer(lambda shape, keys: fetch(migrated, shape, keys, 10.0))
    writes = Writes(migrated, keep, max_agents=100, deadline=10.0)

    async def ask(schema: Schema, text: str, **variables: Any) -> dict[str, Any]:
        context: Any = Context(Loaders(coalescer), writes, None)  # pyright: ignore[reportArgumentType]
        return orjson.loads((await execute(schema, Operation(text, variables), context, deadline=10.0)).json)

    yield ask
    await writes.close()
    await coalescer.close()


@pytest.fixture(scope="module")
def planned() -> Schema:
    return build_schema()


@pytest.fixture(scope="module")
def plain() -> Schema:
    return build_schema(planned=False)


async def both(ask: Ask, planned: Schema, plain: Schema, text: str, **variables: Any) -> dict[str, Any]:
    """Sends the same to both, which answer alike; an idempotency key lets it be written once."""
    answer = await ask(planned, text, **variables)
    assert answer == await ask(plain, text, **variables)
    assert planned.planner
    assert not planned.planner.fallbacks
    return answer


async def test_every_mutation_is_answered_as_graphql_core_does(ask: Ask, planned: Schema, plain: Schema):
    async def send(text: str, **given: Any) -> dict[str, Any]:
        key = f"{len(sent)}"
        sent.append(text)
        answer = await both(ask, planned, plain, text, input=given | {"idempotencyKey": key, "clientMutationId": key})
        (payload,) = answer["data"].values()
        return payload

    sent: list[str] = []
    await send(CREATE, **PEOPLE)
    await send(UPDATE, key="ada", name="Ada L.", persona={"summary": "A smith.", "traits": ["kind"]})
    (memory,) = (await send(ADD, memories=[MEMORY]))["memories"]
    await send(CHANGE, id=memory["id"], importance=0.75)
    await send(RECORD, interactions=[MEETING])
    await send(SET, source="bo", target="ada", strength=0.25)
    await send(LEARN, knowledge=[FACT])
    await send(REMOVE, source="bo", target="ada")
    await send(FORGET, ids=[memory["id"]])
    await send(DELETE, keys=["ada", "bo"])


async def test_what_a_persona_says_besides_is_kept_to_the_letter(ask: Ask, planned: Schema, plain: Schema):
    extra = {"nothing": None, "inner": {"eq": None, "not": None, "list": [{"nothing": None}]}}
    text = """mutation ($input: CreateAgentsInput!) { createAgents(input: $input) { agents { persona { extra } } } }"""
    given = {"agents": [{"key": "ada", "name": "Ada", "persona": {"summary": "A baker.", "extra": extra}}]}
    answer = await both(ask, planned, plain, text, input=given | {"idempotencyKey": "extra"})
    assert answer["data"]["createAgents"]["agents"] == [{"persona": {"extra": extra}}]


async def test_simulated_time_goes_by_as_well(ask: Ask, planned: Schema, plain: Schema):
    await ask(planned, CREATE, input=PEOPLE)
    text = 'mutation { advance(input: {by: "PT1H", idempotencyKey: "hour"}) { agentsProcessed } }'
    assert (await both(ask, planned, plain, text))["data"] == {"advance": {"agentsProcessed": 2}}


@pytest.mark.parametrize("brief", [True, False])
async def test_what_a_payload_leads_to_is_selected(ask: Ask, planned: Schema, plain: Schema, brief: bool):
    await ask(planned, CREATE, input=PEOPLE)
    given = {"memories": [MEMORY | {"kind": "THOUGHT"}], "idempotencyKey": "once"}
    answer = await both(ask, planned, plain, SELECTING, input=given, brief=brief)
    agent = {} if brief else {"agent": {"name": "Ada", "memories": {"totalCount": 1}}}
    assert answer["data"] == {
        "__typename": "Mutation",
        "addMemories": {
            "clientMutationId": None,
            "left": 0,
            "memories": [{"__typename": "Memory", "kind": "THOUGHT"} | agent],
        },
    }


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (ADD, {"memories": [MEMORY, MEMORY | {"agent": "nobody"}]}),
        (ADD, {"memories": [MEMORY | {"importance": 2}]}),
        (ADD, {"memories": None}),
        (UPDATE, {"key": "nobody", "name": "Nobody"}),
        (CHANGE, {"id": "Memory:none"}),
        (SET, {"source": "ada", "target": "ada", "strength": 0.5}),
    ],
)
async def test_what_is_refused_is_refused_alike(
    ask: Ask, planned: Schema, plain: Schema, text: str, given: dict[str, Any]
):
    await ask(planned, CREATE, input=PEOPLE)
    assert (await both(ask, planned, plain, text, input=given))["errors"]


async def test_fields_are_done_one_after_another_until_one_fails(ask: Ask, planned: Schema, plain: Schema):
    text = """mutation ($one: CreateAgentsInput!, $other: CreateAgentsInput!) {
        first: createAgents(input: $one) { agents { key } }
        second: updateAgent(input: {key: "ada", name: "Ada L."}) { agent { name } }
        third: createAgents(input: $one) { agents { key } }
        fourth: createAgents(input: $other) { agents { key } }
    }"""
    given = {"one": PEOPLE, "other": {"agents": [{"key": "cy", "name": "Cy"}]}}
    read = "{ agents { nodes { name } } }"
    found: list[Any] = []
    for schema in (planned, plain):
        answer = await ask(schema, text, **given)
        found.append([answer, await ask(schema, read)])
        await ask(schema, DELETE, input={"keys": ["ada", "bo"]})
    assert found[0] == found[1]
    answer, left = found[0]
    assert answer["data"] is None
    assert [each["path"] for each in answer["errors"]] == [["third"]]
    assert left["data"]["agents"]["nodes"] == [{"name": "Ada L."}, {"name": "Bo"}]


async def test_fields_between_which_nothing_is_read_share_a_transaction(
    ask: Ask, planned: Schema, plain: Schema, migrated: Database, graph_log: GraphLog
):
    text = """mutation ($memories: AddMemoriesInput!, $meetings: RecordInteractionsInput!, $other: CreateAgentsInput!) {
        createAgents(input: $other) { agents { key } }
        addMemories(input: $memories) { memories { id kind } }
        recordInteractions(input: $meetings) { interactions { kind } relationships { strength } }
    }"""
    await ask(planned, CREATE, input=PEOPLE)
    migrated.observe = graph_log
    given = {
        "other": {"agents": [{"key": "cy", "name": "Cy"}], "idempotencyKey": "cy"},
        "memories": {"memories": [MEMORY | {"about": ["cy"]}], "idempotencyKey": "memory"},
        "meetings": {"interactions": [MEETING | {"target": "cy"}], "idempotencyKey": "meeting"},
    }
    answer = await both(ask, planned, plain, text, **given)
    migrated.observe = None
    assert "errors" not in answer
    # The plan's and those of graphql-core, which answer what was written before.
    assert graph_log.names == ["write"] * 4


async def test_what_fails_in_a_transaction_that_is_shared_ends_it(ask: Ask, planned: Schema, plain: Schema):
    text = """mutation ($one: AddMemoriesInput!, $other: AddMemoriesInput!, $input: LearnInput!) {
        learn(input: $input) { clientMutationId }
        first: addMemories(input: $one) { evicted }
        second: addMemories(input: $other) { evicted }
        third: addMemories(input: $one) { evicted }
    }"""
    await ask(planned, CREATE, input=PEOPLE)
    for other in ({"memories": [MEMORY | {"agent": "nobody"}]}, {"memories": [MEMORY | {"importance": 2}]}):
        given = {"one": {"memories": [MEMORY]}, "other": other, "input": {"knowledge": [FACT]}}
        answers = [await ask(schema, text, **given) for schema in (planned, plain)]
        assert answers[0] == answers[1]
        assert answers[0]["data"] is None
        assert [each["path"] for each in answers[0]["errors"]] == [["second"]]
    left = await ask(planned, '{ agent(key: "ada") { memories { totalCount } } }')
    assert left["data"]["agent"]["memories"]["totalCount"] == 4


async def test_a_key_that_two_fields_have_is_used_once(ask: Ask, planned: Schema, plain: Schema):
    text = """mutation ($one: AddMemoriesInput!, $other: AddMemoriesInput!) {
        first: addMemories(input: $one) { memories { id } }
        second: addMemories(input: $one) { memories { id } }
        third: addMemories(input: $other) { memories { id } }
    }"""
    await ask(planned, CREATE, input=PEOPLE)
    given = {"memories": [MEMORY], "idempotencyKey": "key"}
    answer = await both(ask, planned, plain, text, one=given, other=given)
    assert len({each["memories"][0]["id"] for each in answer["data"].values()}) == 1
    answer = await both(ask, planned, plain, text, one=given, other=given | {"memories": [MEMORY, MEMORY]})
    assert answer["errors"][0]["path"] == ["third"]
    left = await ask(planned, '{ agent(key: "ada") { memories { totalCount } } }')
    assert left["data"]["agent"]["memories"]["totalCount"] == 1


async def test_each_field_sees_what_the_ones_before_have_written(ask: Ask, planned: Schema, plain: Schema):
    text = """mutation ($one: AddMemoriesInput!) {
        first: addMemories(input: $one) { memories { agent { memories { totalCount } } } }
        second: addMemories(input: $one) { memories { agent { memories { totalCount } } } }
    }"""
    for schema, before in ((planned, 0), (plain, 2)):
        if not before:
            await ask(schema, CREATE, input=PEOPLE)
        answer = await ask(schema, text, one={"memories": [MEMORY]})
        counts = [each["memories"][0]["agent"]["memories"]["totalCount"] for each in answer["data"].values()]
        assert counts == [before + 1, before + 2]
