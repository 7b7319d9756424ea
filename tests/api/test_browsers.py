"""What web pages may do: their origins, the names that they ask for, and what is switched off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from graph.database import Database
from server.app import create_app
from server.browsers import read_hosts
from server.settings import Settings, read_origins

PAGE = "https://society.example"
SCHEMA = "{ __schema { queryType { name } } }"


@asynccontextmanager
async def serving(settings: Settings, host: str = "localhost:8000", **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_copy(update=changes))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, query: str = "{ __typename }", **headers: str) -> httpx.Response:
    return await client.post("/graphql", json={"query": query}, headers=headers)


async def preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    headers["Access-Control-Request-Headers"] = "content-type,authorization"
    return await client.options("/graphql", headers=headers)


async def test_pages_of_listed_origins_may_read_answers(settings: Settings, migrated: Database):
    async with serving(settings, cors_origins=f"{PAGE}/, https://other.example") as client:
        allowed = await preflight(client, PAGE)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == PAGE
        assert "POST" in allowed.headers["access-control-allow-methods"]
        answer = await ask(client, Origin=PAGE)
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        refused = await preflight(client, "https://evil.example")
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers


async def test_without_a_list_no_page_of_others_may(settings: Settings, migrated: Database):
    async with serving(settings) as client:
        assert "access-control-allow-origin" not in (await preflight(client, PAGE)).headers
        assert "access-control-allow-origin" not in (await ask(client, Origin=PAGE)).headers


@pytest.mark.parametrize("text", ["society.example", "https://", "https://a.example/path", "ftp://a.example"])
def test_what_is_no_origin_is_told(text: str):
    with pytest.raises(ValueError, match="ECS_CORS_ORIGINS"):
        read_origins(text)


@pytest.mark.parametrize(
    ("text", "host", "authenticates", "names"),
    [
        (None, "127.0.0.1", False, {"localhost", "127.0.0.1", "[::1]"}),
        (None, "127.0.0.1", True, None),
        (None, "0.0.0.0", True, None),
        ("api.example", "0.0.0.0", True, {"api.example", "localhost", "127.0.0.1", "[::1]", "0.0.0.0"}),
        ("*", "127.0.0.1", False, None),
    ],
)
def test_names_are_this_machines_where_nobody_else_should_ask(
    text: str | None, host: str, authenticates: bool, names: set[str] | None
):
    assert read_hosts(text, host, authenticates=authenticates) == names


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("LOCALHOST:1", 200),
     ("evil.example", 421), ("localhost.evil.example", 421), ("evil.example:8000", 421)],
)  # fmt: skip
async def test_requests_for_other_hosts_are_refused(settings: Settings, migrated: Database, host: str, status: int):
    async with serving(settings, allowed_hosts=None) as client:
        answer = await ask(client, Host=host)
        assert answer.status_code == status
        if status == 421:
            assert "ECS_ALLOWED_HOSTS" in answer.json()["errors"][0]["message"]
        assert (await client.get("/health/live", headers={"Host": host})).status_code == 200


async def test_the_schema_and_graphiql_can_be_kept_back(settings: Settings, migrated: Database):
    async with serving(settings, introspection=False, graphiql=False) as client:
        refused = await ask(client, SCHEMA)
        assert "introspection" in refused.json()["errors"][0]["message"].lower()
        assert (await ask(client, "{ __typename agents { totalCount } }")).json()["data"]["__typename"] == "Query"
        misspelt = await ask(client, "{ agentz { totalCount } }")
        assert "agents" not in misspelt.text
        page = await client.get("/graphql", headers={"Accept": "text/html"})
        assert page.status_code >= 400
        assert "text/html" not in page.headers["content-type"]
    async with serving(settings) as client:
        assert (await ask(client, SCHEMA)).json()["data"]["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize(
    "path", ["/graphql", "/graphql?query={__typename}", "/agents/nobody/memories", "/nothing", "/health"]
)
async def test_every_answer_is_what_it_says_and_nothing_else(settings: Settings, migrated: Database, path: str):
    async with serving(settings) as client:
        assert (await client.get(path)).headers.get_list("x-content-type-options") == ["nosniff"]
        page = await client.get(path, headers={"Accept": "text/html"})
        assert page.headers.get_list("x-content-type-options") == ["nosniff"]
