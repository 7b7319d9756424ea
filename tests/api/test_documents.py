"""Documents that clients name by their hash, and those that alone are trusted."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers import valkey
from resolvers.documents import KEPT, Documents, DocumentUnknown
from server.app import create_app
from server.settings import Settings, SettingsError, load_documents

QUERY = "query Who { __typename }"
OTHER = "query Other { agents { totalCount } }"
ANSWER = {"data": {"__typename": "Query"}}


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def named(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}


async def open_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


@pytest.fixture
async def fresh(client: httpx.AsyncClient, settings: Settings) -> httpx.AsyncClient:
    """A client of a server, with a Redis that knows no documents."""
    redis = valkey.connect(settings.redis_url.get_secret_value() if settings.redis_url else "")
    await redis.flushdb()
    await redis.aclose()
    return client


async def send(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    return (await client.post("/graphql", json=body)).json()


async def test_a_document_is_sent_once_and_named_from_then_on(fresh: httpx.AsyncClient, settings: Settings):
    asked = await fresh.post("/graphql", json={"extensions": named(QUERY)})
    assert asked.status_code == 200
    (error,) = asked.json()["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    assert await send(fresh, query=QUERY, extensions=named(QUERY)) == ANSWER
    assert await send(fresh, extensions=named(QUERY)) == ANSWER
    by_get = await fresh.get("/graphql", params={"extensions": json.dumps(named(QUERY))})
    assert by_get.json() == ANSWER
    async for other in open_client(settings):
        assert await send(other, extensions=named(QUERY)) == ANSWER, "other workers know it from Redis"


async def test_a_hash_that_is_another_documents_is_refused(fresh: httpx.AsyncClient):
    (error,) = (await send(fresh, query=QUERY, extensions=named(OTHER)))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "sha256Hash" in error["message"]
    assert "errors" in await send(fresh, extensions=named(OTHER))


@pytest.mark.parametrize("persisted", [1, {}, {"version": 2, "sha256Hash": "a"}, {"version": 1, "sha256Hash": "a b"}])
async def test_a_malformed_name_is_no_request(fresh: httpx.AsyncClient, persisted: Any):
    response = await fresh.post("/graphql", json={"extensions": {"persistedQuery": persisted}})
    assert response.status_code == 400
    assert "persistedQuery" in response.json()["errors"][0]["message"]


async def test_a_worker_keeps_no_more_than_it_may():
    documents = Documents(None)
    size = 100_000
    texts = [f"{at:0{size}}" for at in range(KEPT // size + 5)]
    for text in texts:
        await documents.find(text, hash_of(text))
    assert await documents.find(None, hash_of(texts[-1])) == texts[-1]
    with pytest.raises(DocumentUnknown):
        await documents.find(None, hash_of(texts[0]))


@pytest.mark.parametrize("form", ["object", "manifest"])
async def test_only_trusted_documents_are_executed(settings: Settings, tmp_path: Path, form: str):
    listed: Any = {hash_of(QUERY): QUERY}
    if form == "manifest":
        operations = [{"id": id, "body": body, "name": "Who", "type": "query"} for id, body in listed.items()]
        listed = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    path = tmp_path / "documents.json"
    path.write_text(json.dumps(listed))
    async for client in open_client(settings.model_copy(update={"trusted_documents": path})):
        assert await send(client, query=QUERY) == ANSWER
        assert await send(client, extensions=named(QUERY)) == ANSWER
        for body in ({"query": OTHER}, {"query": OTHER, "extensions": named(OTHER)}, {"extensions": named(OTHER)}):
            (error,) = (await send(client, **body))["errors"]
            assert error["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"a": 1}', '{"format": "apollo-persisted-query-manifest"}'])
def test_a_list_that_makes_no_sense_is_said_at_start(tmp_path: Path, content: str | None):
    path = tmp_path / "documents.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"ECS_TRUSTED_DOCUMENTS: .*documents\.json"):
        load_documents(path)
