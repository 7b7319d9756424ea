"""ECS_EMBEDDINGS=local over GraphQL: what is written has a meaning, and is recalled by it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from graph.database import Database
from graph.embedding import DIMENSION, Embeddings, LocalModel
from graph.ingest.embeddings import count_lacking, fill_embeddings
from graph.migrations import migrate, without
from server.app import create_app
from server.settings import Settings
from server.worker import Worker, connect_database
from tests.api.conftest import Ask, client_of
from tests.conftest import WIPE
from tests.embeddings import needs_model
from tests.mutations import ADD, CHANGE, DELETE, create, done, refused

pytestmark = needs_model

RECALL = """query($key: String!, $asked: String, $vector: [Float!], $first: Int) {
  agent(key: $key) { recall(query: $asked, vector: $vector, first: $first, weights: {recency: 0, importance: 0}) {
    memory { content } relevance } } }"""
STORED = "MATCH (n:Memory) RETURN n.content, n.embedding ORDER BY n.content"
LOAF, STORM = "Ada took fresh loaves out of the oven", "Lightning struck a mast at sea"
OWN = [1.0] + [0.0] * (DIMENSION - 1)


@pytest.fixture(scope="module")
def local(settings: Settings) -> Settings:
    given = {"embeddings": Embeddings.LOCAL, "embedding_dimension": DIMENSION, "cache": True}
    return settings.model_copy(update=given)


@pytest.fixture(scope="module")
async def embedded(local: Settings, migrated: Database) -> AsyncIterator[Database]:
    """The database with an index for embeddings of this dimension."""
    async with connect_database(local) as database:
        await migrate(database)
        await database.write("wipe", WIPE, deadline=60)
        yield database
    await migrate(migrated)


@pytest.fixture(scope="module")
async def served(local: Settings, embedded: Database) -> AsyncIterator[tuple[httpx.AsyncClient, Worker]]:
    app = create_app(local)
    async with app.router.lifespan_context(app), client_of(app) as client:
        await app.state.worker.meanings.start()
        app.state.worker.meanings._patience = 30
        yield client, app.state.worker


@pytest.fixture
async def api(served: tuple[httpx.AsyncClient, Worker]) -> AsyncIterator[Ask]:
    """Sends queries to a server that caches, whose only agent is Ada."""
    client, _ = served

    async def send(query: str, **variables: Any) -> dict[str, Any]:
        return (await client.post("/graphql", json={"query": query, "variables": variables})).json()

    await create(send, "ada")
    yield send
    await done(send, DELETE, keys=["ada"])


def memory(content: str, **given: Any) -> dict[str, Any]:
    return {"agent": "ada", "content": content, "importance": 0.5} | given


async def recalled(api: Ask, asked: str, **given: Any) -> list[tuple[str, float]]:
    found = await api(RECALL, key="ada", asked=asked, **given)
    return [(each["memory"]["content"], each["relevance"]) for each in found["data"]["agent"]["recall"]]


async def stored(database: Database) -> dict[str, list[float] | None]:
    return dict(await database.read("stored", STORED))  # pyright: ignore[reportArgumentType, reportCallIssue]


async def test_recall_finds_what_shares_no_word_with_the_question(api: Ask):
    await done(api, ADD, memories=[memory(LOAF), memory(STORM)])
    assert (await recalled(api, "Did she bake some bread?", first=1)) == [(LOAF, 1.0)]
    assert (await recalled(api, "thunder", first=1)) == [(STORM, 1.0)]


async def test_nothing_that_was_recalled_before_is_kept(api: Ask):
    await done(api, ADD, memories=[memory(STORM)])
    for _ in range(3):
        assert [content for content, _ in await recalled(api, "Did she bake some bread?")] == [STORM]
    await done(api, ADD, memories=[memory(LOAF)])
    assert [content for content, _ in await recalled(api, "Did she bake some bread?")] == [LOAF, STORM]


async def test_what_is_given_is_used_as_it_is(api: Ask, embedded: Database):
    await done(api, ADD, memories=[memory(LOAF), memory(STORM, embedding=OWN)])
    found = await stored(embedded)
    assert found[STORM] == OWN
    assert found[LOAF] is not None
    assert len(found[LOAF]) == DIMENSION
    assert (await recalled(api, "zzz", vector=OWN, first=1)) == [(STORM, 1.0)]
    code, _, message = await refused(api, ADD, memories=[memory(LOAF, embedding=[1.0, 2.0])])
    assert (code, f"must have {DIMENSION} numbers" in message) == ("BAD_USER_INPUT", True)


async def test_new_content_has_a_new_meaning(api: Ask, embedded: Database):
    (added,) = (await done(api, ADD, memories=[memory(STORM)]))["memories"]
    before = (await stored(embedded))[STORM]
    await done(api, CHANGE, id=added["id"], importance=0.9)
    assert (await stored(embedded))[STORM] == before
    await done(api, CHANGE, id=added["id"], content=LOAF)
    after = (await stored(embedded))[LOAF]
    await done(api, ADD, memories=[memory(f"{LOAF}."), memory(LOAF)])
    assert after is not None
    assert after != before
    assert (await recalled(api, "Did she bake some bread?", vector=after, first=1))[0][1] == 1.0


async def test_what_is_sent_again_is_the_same(api: Ask, embedded: Database):
    given: dict[str, Any] = {"idempotencyKey": "once", "memories": [memory(LOAF)]}
    first, *others = await asyncio.gather(*(done(api, ADD, **given) for _ in range(4)))
    assert others == [first] * 3
    assert list(await stored(embedded)) == [LOAF]
    code, _, _ = await refused(api, ADD, idempotencyKey="once", memories=[memory(LOAF, embedding=OWN)])
    assert code == "CONFLICT"


async def test_a_model_that_fails_fails_no_write(local: Settings, embedded: Database):
    app = create_app(local)
    async with app.router.lifespan_context(app), client_of(app) as client:

        async def api(query: str, **variables: Any) -> dict[str, Any]:
            return (await client.post("/graphql", json={"query": query, "variables": variables})).json()

        await app.state.worker.meanings.start()
        await create(api, "ada")
        (added,) = (await done(api, ADD, memories=[memory(STORM, embedding=OWN)]))["memories"]
        app.state.worker.meanings._model.close()
        await done(api, ADD, memories=[memory(LOAF)])
        assert await stored(embedded) == {LOAF: None, STORM: OWN}
        # What was meant before is not what is meant now.
        await done(api, CHANGE, id=added["id"], content="Rain")
        assert await stored(embedded) == {LOAF: None, "Rain": None}
        assert (await recalled(api, "loaves", first=1)) == [(LOAF, 1.0)]
        await done(api, DELETE, keys=["ada"])


@pytest.fixture
async def model() -> AsyncIterator[LocalModel]:
    model = LocalModel(2)
    yield model
    model.close()


async def test_what_lacks_an_embedding_gets_one_once(api: Ask, embedded: Database, model: LocalModel):
    contents = [f"Lightning struck {number} masts" for number in range(66)]
    await done(api, ADD, memories=[memory(each, embedding=OWN) for each in contents])
    await done(api, ADD, memories=[memory(LOAF), memory(STORM, embedding=OWN)])
    computed = (await stored(embedded))[LOAF]
    await embedded.write("lacking", "MATCH (n:Memory) WHERE n.content <> $kept SET n.embedding = null", {"kept": STORM})
    assert await count_lacking(embedded) == 67
    told: list[tuple[str, int, int | None]] = []
    filled = await fill_embeddings(embedded, model, at_once=2, progress=lambda *each: told.append(each))
    assert filled == (67, 0)
    assert told[0] == ("embeddings", 0, 67)
    assert told[-1] == ("embeddings", 67, 67)
    found = await stored(embedded)
    assert found[LOAF] == pytest.approx(computed, abs=1e-3)
    assert found[STORM] == OWN
    assert await fill_embeddings(embedded, model) == (0, 0)
    assert (await recalled(api, "Did she bake some bread?", first=1))[0][0] == LOAF


async def test_an_embedding_of_another_dimension_is_replaced_when_asked_for(
    api: Ask, embedded: Database, model: LocalModel
):
    await done(api, ADD, memories=[memory(LOAF)])
    await embedded.write("other", "MATCH (n:Memory) SET n.embedding = [1.0, 2.0]")
    assert await fill_embeddings(embedded, model) == (0, 0)
    assert await fill_embeddings(embedded, model, others=True) == (1, 0)
    assert (await recalled(api, "Did she bake some bread?", first=1)) == [(LOAF, 1.0)]


async def test_without_an_index_of_embeddings_questions_go_by_words(api: Ask, embedded: Database):
    await done(api, ADD, memories=[memory(LOAF), memory(STORM)])
    await embedded.write("without", without("memory_embedding"))
    try:
        assert await recalled(api, "loaves", first=1) == [(LOAF, 1.0)]
        (error,) = (await api(RECALL, key="ada", asked="loaves", vector=OWN))["errors"]
        assert error["message"].startswith("vector: this server's database has no vector index")
    finally:
        await migrate(embedded)
