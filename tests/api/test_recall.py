"""Recall over GraphQL: what comes to mind, what is refused, and what is counted."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.database import Database
from graph.ingest.arrivals import import_smallville
from server.app import create_app
from server.settings import Settings
from tests.api.conftest import Ask, Read, client_of
from tests.conftest import Api, GraphLog
from tests.mutations import ADD, FORGET, create, done, refused

RECALL = """query($key: String!, $asked: String, $vector: [Float!], $first: Int, $weights: RecallWeights,
                  $touch: Boolean, $at: DateTime) {
  agent(key: $key) { recall(query: $asked, vector: $vector, first: $first, weights: $weights, touch: $touch, at: $at) {
    memory { id content accessCount accessedAt } score recency importance relevance
  } } }"""
ACCESSED = """query($id: ID!) { node(id: $id) { ... on Memory { accessCount accessedAt } } }"""


@pytest.mark.usefixtures("society")
class TestOfASmallSociety:
    async def test_without_a_question_it_is_what_is_recent_and_important(self, read: Read):
        found = (await read(RECALL, key="ada"))["agent"]["recall"]
        assert [each["memory"]["content"] for each in found] == [
            "Tea makes friends", "Talked of rain", "Bo and Cy like tea", "Met Bo at the mill",
        ]  # fmt: skip
        assert [each["importance"] for each in found] == [1.0, 0.0, pytest.approx(1 / 3), pytest.approx(1 / 3)]
        assert [each["relevance"] for each in found] == [0.0] * 4
        assert found[1]["recency"] == 1.0
        for each in found:
            assert each["score"] == pytest.approx(each["recency"] + each["importance"] + each["relevance"])

    async def test_with_a_question_what_fits_comes_first(self, read: Read):
        given = {"asked": 'What did we say about the "mill"?', "first": 1}
        (found,) = (await read(RECALL, key="ada", **given))["agent"]["recall"]
        assert (found["memory"]["content"], found["relevance"]) == ("Met Bo at the mill", 1.0)

    async def test_weights_and_half_life_count(self, read: Read):
        weights = {"recency": 2, "importance": 0, "relevance": None, "halfLife": "PT1H"}
        found = (await read(RECALL, key="ada", weights=weights))["agent"]["recall"]
        assert found[0]["memory"]["content"] == "Talked of rain"
        assert [each["score"] for each in found] == [2.0, *[pytest.approx(0, abs=1e-9)] * 3]

    async def test_many_agents_at_once(self, read: Read):
        found = (await read('{ agents { nodes { key recall(query: "tea", first: 1) { memory { content } } } } }'))[
            "agents"
        ]
        assert {each["key"]: [one["memory"]["content"] for one in each["recall"]] for each in found["nodes"]} == {
            "ada": ["Tea makes friends"], "bo": ["Buy tea"], "cy/ü %2F": [],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"first": -1}, "first: must lie between 0 and 1000, is -1."),
            ({"first": 1001}, "first: must lie between 0 and 1000, is 1001."),
            ({"asked": "x" * 10_001}, "query: may be 10000 characters long at most, is 10001."),
            ({"vector": [1, 2]}, "vector: must have 1536 numbers, has 2: use one model for all memories, "
             "and set ECS_EMBEDDING_DIMENSION to what it gives."),
            ({"vector": []}, "vector: must have 1 to 4096 numbers, has 0"),
            ({"vector": [0] * 1536}, "vector: must not be all zeros: it has no direction."),
            ({"weights": {"recency": -1}}, "weights.recency: must lie in [0, 1000000], is -1."),
            ({"weights": {"halfLife": "PT0S"}}, "weights.halfLife: must be longer than no time at all."),
        ],
    )  # fmt: skip
    async def test_what_makes_no_sense_is_refused(self, ask: Ask, given: dict[str, Any], message: str):
        (error,) = (await ask(RECALL, key="ada", **given))["errors"]
        assert (error["message"], error["extensions"]["code"]) == (message, "BAD_USER_INPUT")

    @pytest.mark.parametrize("query", ["", " ", "AND", '"', "the", "日本語" * 500, "\\", "a:b AND (c", "\x00"])
    async def test_any_question_may_be_asked(self, read: Read, query: str):
        assert len((await read(RECALL, key="ada", asked=query))["agent"]["recall"]) == 4


async def test_one_query_a_level_however_many_agents(api: Api, graph_log: GraphLog):
    await create(api, *(f"agent_{number}" for number in range(30)))
    given = [{"agent": f"agent_{number % 30}", "content": f"Tea {number}", "importance": 0.5} for number in range(120)]
    await done(api, ADD, memories=given)
    graph_log.names.clear()
    await api('{ agents(first: 30) { nodes { recall(query: "tea", first: 2) { memory { content } } } } }')
    assert graph_log.names == ["agents", "recall", "Memory.id"]


async def settled(api: Api, id: str, count: int) -> dict[str, Any]:
    """Waits until a memory has been accessed so often."""
    for _ in range(100):
        node = (await api(ACCESSED, id=id))["data"]["node"]
        if node["accessCount"] >= count:
            return node
        await asyncio.sleep(0.02)
    pytest.fail(f"{id} was accessed {node['accessCount']} times, not {count}")


async def test_a_touch_counts_the_access(api: Api):
    await create(api, "ada")
    at = "2024-05-01T12:00:00+00:00"
    given = [{"agent": "ada", "content": word, "importance": 0.5, "createdAt": at} for word in ("tea", "rain")]
    tea, rain = (await done(api, ADD, memories=given))["memories"]
    later, earlier = "2024-05-02T12:00:00+00:00", "2024-04-01T12:00:00+00:00"
    answers = await asyncio.gather(
        *(api(RECALL, key="ada", asked="tea", first=1, touch=True, at=at) for at in (later, earlier, later))
    )
    # As it was when it was asked for.
    assert [each["data"]["agent"]["recall"][0]["memory"]["id"] for each in answers] == [tea["id"]] * 3
    assert await settled(api, tea["id"], 3) == {"accessCount": 3, "accessedAt": later}
    assert await settled(api, rain["id"], 0) == {"accessCount": 0, "accessedAt": at}
    found = await api(RECALL, key="ada", weights={"importance": 0})
    assert [each["memory"]["id"] for each in found["data"]["agent"]["recall"]] == [tea["id"], rain["id"]]
    await api(RECALL, key="ada", asked="tea", first=1, touch=True)
    assert (await settled(api, tea["id"], 4))["accessedAt"] > "2025"
    # Without touch nothing is counted.
    await api(RECALL, key="ada", asked="tea", first=1)
    assert (await settled(api, tea["id"], 4))["accessCount"] == 4


async def test_what_is_forgotten_meanwhile_is_no_error(api: Api):
    await create(api, "ada")
    (tea,) = (await done(api, ADD, memories=[{"agent": "ada", "content": "tea", "importance": 0.5}]))["memories"]
    touching = api(RECALL, key="ada", touch=True)
    answer, _ = await asyncio.gather(touching, done(api, FORGET, ids=[tea["id"]]))
    assert "errors" not in answer
    await create(api, "bo")


async def test_an_embedding_of_another_dimension_is_refused(api: Api):
    await create(api, "ada")
    good = {"agent": "ada", "content": "tea", "importance": 0.5, "embedding": [0.5] * 1536}
    code, path, message = await refused(api, ADD, memories=[good, good | {"embedding": [0.5, 1]}])
    assert (code, path) == ("BAD_USER_INPUT", ["input", "memories", 1, "embedding"])
    assert "must have 1536 numbers, has 2" in message
    await done(api, ADD, memories=[good])
    found = (await api(RECALL, key="ada", vector=[0.5] * 1536))["data"]["agent"]["recall"]
    assert [each["relevance"] for each in found] == [1.0]


async def test_meaning_finds_what_words_do_not(database: Database, settings: Settings, shared: Path):
    await import_smallville(database, [shared / "data" / "smallville" / "xs"], max_agents=100)
    rows = await database.read(
        "embedded", "MATCH (a:Agent)-[:REMEMBERS]->(n:Memory) WHERE n.embedding IS NOT NULL "
        "RETURN a.key, n.id, n.embedding, n.content ORDER BY n.id LIMIT 20",
    )  # fmt: skip
    assert len(rows) == 20
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        for key, id, embedding, content in rows:
            found = await recall_first(client, key, vector=embedding)
            # Memories in the same words have the same embedding.
            assert (found["memory"]["id"] == id) or found["memory"]["content"] == content
            assert found["relevance"] == 1.0


async def recall_first(client: httpx.AsyncClient, key: str, **given: Any) -> dict[str, Any]:
    weights = {"recency": 0, "importance": 0}
    variables = {"key": key, "first": 1, "weights": weights} | given
    answer = (await client.post("/graphql", json={"query": RECALL, "variables": variables})).json()
    (found,) = answer["data"]["agent"]["recall"]
    return found
