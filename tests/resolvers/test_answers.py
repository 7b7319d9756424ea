"""Whole answers: kept near and far, and found as long as nothing that they were made of has changed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from graph.writes.agents import UpdateAgent
from graph.writes.interactions import RecordInteractions
from graph.writes.memories import AddMemories
from resolvers import cache, worth
from resolvers.cache import name_answer
from resolvers.context import Context
from resolvers.loaders import Loaders
from schema.answer import Answer
from schema.execution import Operation, execute
from schema.root import Schema, build_schema
from tests.workers import Worker

NOW = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = "{ agents(orderBy: [{key: ASC}]) { edges { node { name } } } }"
MEMORIES = "query ($key: String!) { agent(key: $key) { memories { edges { node { content } } } } }"
FRIENDS = '{ agent(key: "a0") { relationships { edges { relationship { TRUST } node { name } } } } }'


@pytest.fixture(scope="module")
def schema() -> Schema:
    return build_schema()


async def ask(schema: Schema, worker: Worker, document: str, **variables: Any) -> Answer:
    moment = worker.cache.begin()
    context = Context(Loaders(moment), worker.writes, None, moment)  # pyright: ignore[reportArgumentType]
    return await execute(schema, Operation(document, variables), context, deadline=10.0)


def contents(answer: Answer) -> list[str]:
    return [edge["node"]["content"] for edge in answer.payload["data"]["agent"]["memories"]["edges"]]


def remember(key: str, content: str) -> AddMemories:
    return AddMemories.read({"memories": [{"agent": key, "content": content, "importance": 0.5}]}, NOW)


async def test_only_agents_and_small_answers_are_kept_the_first_time(schema: Schema, workers: list[Worker]):
    one, _ = workers
    for _ in range(20):
        await one.writes.commit(remember("a0", "x" * 1000))
    for number, kept in enumerate([(1, 0), (2, 1), (2, 1)]):
        await ask(schema, one, MEMORIES, key="a0")
        assert (len(one.cache.near.rows), len(one.cache.near.answers)) == kept, number
    await ask(schema, one, MEMORIES, key="a1")
    assert (len(one.cache.near.rows), len(one.cache.near.answers)) == (3, 2)


async def test_an_answer_is_found_near_and_by_other_workers_far(schema: Schema, workers: list[Worker]):
    one, other = workers
    first = await ask(schema, one, MEMORIES, key="a0")
    again = await ask(schema, one, MEMORIES, key="a0")
    assert again.json is first.json
    await asyncio.sleep(0.05)
    assert (await ask(schema, other, MEMORIES, key="a0")).json == first.json
    assert (other.cache.counts.far, other.cache.counts.missed) == (2, 0)
    assert (await ask(schema, other, MEMORIES, key="a0")).json == first.json
    assert (other.cache.counts.far, other.cache.counts.near) == (2, 2)


async def test_it_is_another_for_other_variables_documents_and_schemas(schema: Schema, workers: list[Worker]):
    one, _ = workers
    await one.writes.commit(remember("a0", "mine"))
    await one.writes.commit(remember("a1", "yours"))
    for _ in range(3):
        assert contents(await ask(schema, one, MEMORIES, key="a0")) == ["mine"]
        assert contents(await ask(schema, one, MEMORIES, key="a1")) == ["yours"]
    assert len(one.cache.near.answers) == 2
    other = build_schema()
    other.edition = "another"
    await ask(other, one, MEMORIES, key="a0")
    assert len(one.cache.near.answers) == 3


async def test_it_is_made_anew_when_any_part_of_it_changed(schema: Schema, workers: list[Worker]):
    one, other = workers
    for number, worker in enumerate((one, other, one)):
        await worker.writes.commit(UpdateAgent.read({"key": "a1", "name": f"n{number}"}, NOW))
        for each in workers:
            answer = await ask(schema, each, NAMES)
            names = [edge["node"]["name"] for edge in answer.payload["data"]["agents"]["edges"]]
            assert names == ["0", f"n{number}", "0"]
    kept = await ask(schema, one, MEMORIES, key="a0")
    await other.writes.commit(remember("a1", "of somebody else"))
    assert (await ask(schema, one, MEMORIES, key="a0")).json is kept.json
    await other.writes.commit(remember("a0", "new"))
    for each in workers:
        assert contents(await ask(schema, each, MEMORIES, key="a0")) == ["new"]


async def test_who_came_with_a_list_is_shown_as_they_are_now(schema: Schema, workers: list[Worker]):
    one, other = workers
    meeting = {"source": "a0", "target": "a1", "kind": "chat", "content": "hello", "impact": 0.5}
    await one.writes.commit(RecordInteractions.read({"interactions": [meeting]}, NOW))
    for number, trust in enumerate(("trust", "kind", "trust", "kind")):
        # Of answers that differ only the rows are found again.
        document = FRIENDS.replace("TRUST", trust)
        for each in workers:
            await ask(schema, each, document)
        await other.writes.commit(UpdateAgent.read({"key": "a1", "name": f"n{number}"}, NOW))
        for each in workers:
            (edge,) = (await ask(schema, each, document)).payload["data"]["agent"]["relationships"]["edges"]
            assert edge["node"]["name"] == f"n{number}"


@pytest.mark.parametrize(
    "document",
    [
        '{ agent(key: "nobody") { name } }',
        '{ agent(key: "a0") { memories(first: -1) { edges { cursor } } } }',
        '{ agent(key: "a0") { name } topic(name: "x") { name } }',
        '{ agent(key: "a0") { name relationships(direction: IN) { totalCount } } }',
        "{ __typename }",
    ],
)
async def test_what_may_change_unseen_or_went_wrong_is_not_kept(schema: Schema, workers: list[Worker], document: str):
    for _ in range(3):
        await ask(schema, workers[0], document)
    assert len(workers[0].cache.near.answers) == 0


async def test_what_changes_while_it_is_read_is_not_kept(schema: Schema, workers: list[Worker]):
    one, other = workers
    await ask(schema, one, MEMORIES, key="a0")
    await other.writes.commit(remember("a0", "before"))
    moment = one.cache.begin()
    assert await moment.find("x") is None
    await other.writes.commit(remember("a0", "new"))
    context = Context(Loaders(moment), one.writes, None, moment)  # pyright: ignore[reportArgumentType]
    await execute(schema, Operation(MEMORIES, {"key": "a0"}), context, deadline=10.0)
    await one.journal.follow()
    missed = one.cache.counts.missed
    assert set(contents(await ask(schema, one, MEMORIES, key="a0"))) == {"before", "new"}
    # The agent itself, whose tag is another, was kept, and is read again together with its memories.
    assert one.cache.counts.missed == missed + 2


async def test_what_changes_faster_than_it_is_asked_for_passes_the_cache_by(
    schema: Schema, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
):
    one, _ = workers
    monkeypatch.setattr(worth, "JUDGED_AFTER", 4)
    samples: set[str] = set()
    monkeypatch.setattr(cache, "is_sample", lambda name: name in samples)
    # The first question of all finds nothing that could have been lost.
    for number in range(5):
        await one.writes.commit(remember("a0", f"{number}"))
        await ask(schema, one, MEMORIES, key="a0")
    before = replace(one.cache.counts)
    assert len(contents(await ask(schema, one, MEMORIES, key="a0"))) == 5
    await one.writes.commit(remember("a0", "more"))
    assert len(contents(await ask(schema, one, MEMORIES, key="a0"))) == 6, "what passes by is no less fresh"
    assert one.cache.counts == replace(before, passed=before.passed + 4), "twice an agent and a list"
    await ask(schema, one, MEMORIES.replace("content", "id"), key="a0")
    assert one.cache.counts.missed > before.missed, "other operations do not"

    samples.add(name_answer(schema.edition, MEMORIES, None, variables={"key": "a0"}) or "")
    for _ in range(6):
        assert len(contents(await ask(schema, one, MEMORIES, key="a0"))) == 6
    passed = one.cache.counts.passed
    await ask(schema, one, MEMORIES, key="a1")
    assert one.cache.counts.passed == passed, "what is found of the samples shows that it is worth it again"
