"""Limits as clients meet them: what is refused, with which code, and what an answer cost."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from graph.database import Database
from server.app import create_app
from server.settings import Settings
from tests.api.conftest import client_of

COSTLY = {"query": "query ($n: Int) { agents(first: $n) { nodes { id } } }", "variables": {"n": 100}}


@pytest.fixture(scope="module")
async def narrow(settings: Settings, migrated: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with low limits."""
    app = create_app(settings.model_copy(update={"max_cost": 50, "max_body": 2000, "max_depth": 3}))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def test_a_costly_operation_is_refused_with_its_cost(narrow: httpx.AsyncClient):
    headers = {"Accept": "application/graphql-response+json"}
    response = await narrow.post("/graphql", json=COSTLY, headers=headers)
    payload = response.json()
    (error,) = payload["errors"]
    cost = {"requested": 101, "limit": 50}
    assert response.status_code == 400
    assert error["extensions"] == {"code": "QUERY_TOO_COSTLY", "cost": cost}
    assert payload["extensions"] == {"cost": cost}
    assert "data" not in payload


@pytest.mark.parametrize("again", range(2))
async def test_an_answer_tells_its_cost_only_if_asked(narrow: httpx.AsyncClient, again: int):
    body: dict[str, Any] = COSTLY | {"variables": {"n": 9}}
    assert "extensions" not in (await narrow.post("/graphql", json=body)).json()
    asked = (await narrow.post("/graphql", json=body | {"extensions": {"cost": True}})).json()
    assert asked["extensions"] == {"cost": {"requested": 10, "limit": 50}}
    assert "errors" not in asked


async def test_an_answer_that_is_kept_does_not_lift_limits(edge: httpx.AsyncClient, narrow: httpx.AsyncClient):
    for _ in range(3):
        assert "data" in (await edge.post("/graphql", json=COSTLY)).json()
    assert "data" not in (await narrow.post("/graphql", json=COSTLY)).json()


async def test_a_deep_operation_is_refused(narrow: httpx.AsyncClient):
    query = "{ agents(first: 1) { edges { node { id } } } }"
    (error,) = (await narrow.post("/graphql", json={"query": query})).json()["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert "nested too deeply" in error["message"]


async def test_a_long_body_is_refused(narrow: httpx.AsyncClient):
    response = await narrow.post("/graphql", json={"query": "{ __typename }" + " " * 2000})
    assert response.status_code == 413
    assert "2000 bytes" in response.json()["errors"][0]["message"]


async def test_ten_megabytes_are_refused(edge: httpx.AsyncClient):
    content = b'{"query": "' + b"a " * 5_000_000 + b'"}'
    response = await edge.post("/graphql", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 413


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_what_any_web_page_may_send_is_refused(edge: httpx.AsyncClient, media: str):
    response = await edge.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"Content-Type": media})
    assert response.status_code == 415
