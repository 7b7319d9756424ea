"""With which statuses GraphQL is answered, in both opinions, by a real server."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from graph.database import Database
from server.app import create_app
from server.settings import Settings
from tests.subscriptions import serving

RESPONSE = "application/graphql-response+json"
PLAIN = "application/json"

PARTIAL = {"query": "{ ok: __typename agent { id } }"}
WRONG = {
    "no JSON": b"{",
    "no object": b"[]",
    "a wrong parameter": {"query": "{ __typename }", "variables": [7]},
    "a misspelt parameter": {"qeury": "{ __typename }"},
    "no document": {"query": "{"},
    "an invalid document": {"query": "{ nothing }"},
    "no such operation": {"query": "query A { __typename }", "operationName": "B"},
    "a wrong variable": {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": None}},
    "too costly": {"query": "{ " + " ".join(f"a{i}: __typename" for i in range(101)) + " }"},
}
# By whether plain JSON is accepted alone: the status in the common opinion and in the precise one.
STATUSES = {
    "no JSON": ((400, 400), (400, 400)),
    "no object": ((400, 422), (400, 422)),
    "a wrong parameter": ((400, 422), (400, 422)),
    "a misspelt parameter": ((400, 422), (400, 422)),
    "no document": ((400, 400), (200, 400)),
    "an invalid document": ((400, 422), (200, 422)),
    "no such operation": ((400, 422), (200, 422)),
    "a wrong variable": ((400, 422), (200, 422)),
    "too costly": ((400, 422), (200, 422)),
}


@pytest.fixture(scope="module", params=[False, True], ids=["common", "precise"])
async def server(
    request: pytest.FixtureRequest, settings: Settings, migrated: Database
) -> AsyncIterator[tuple[httpx.AsyncClient, bool]]:
    """A client of a server over the network, and whether that is precise."""
    app = create_app(settings.model_copy(update={"status_codes": "precise" if request.param else "common"}))
    async with serving(app) as (address, _), httpx.AsyncClient(base_url=f"http://{address}") as client:
        yield client, request.param


async def post(client: httpx.AsyncClient, body: Any, accept: str) -> httpx.Response:
    headers = {"Accept": accept, "Content-Type": PLAIN}
    carried: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await client.post("/graphql", headers=headers, **carried)


@pytest.mark.parametrize("accept", [RESPONSE, PLAIN])
@pytest.mark.parametrize("what", WRONG)
async def test_what_fails_before_it_runs(server: tuple[httpx.AsyncClient, bool], what: str, accept: str):
    client, precise = server
    response = await post(client, WRONG[what], accept)
    assert response.status_code == STATUSES[what][accept == PLAIN][precise]
    assert response.json().keys() - {"extensions"} == {"errors"}
    if accept == RESPONSE:
        assert response.headers["content-type"].startswith(RESPONSE)


@pytest.mark.parametrize(("accept", "statuses"), [(RESPONSE, (200, 294)), (PLAIN, (200, 200))])
async def test_data_with_errors(server: tuple[httpx.AsyncClient, bool], accept: str, statuses: tuple[int, int]):
    client, precise = server
    response = await post(client, PARTIAL, accept)
    assert response.status_code == statuses[precise]
    assert response.headers["content-type"].startswith(accept)
    assert response.json()["data"] == {"ok": "Query", "agent": None}


@pytest.mark.parametrize("accept", [RESPONSE, PLAIN])
async def test_data_without_errors(server: tuple[httpx.AsyncClient, bool], accept: str):
    client, _ = server
    response = await post(client, {"query": "{ __typename }"}, accept)
    assert (response.status_code, response.headers["content-type"]) == (200, f"{accept}; charset=utf-8")


async def test_plain_json_is_told_apart_from_what_others_might_answer(server: tuple[httpx.AsyncClient, bool]):
    client, precise = server
    response = await post(client, WRONG["an invalid document"], PLAIN)
    assert response.headers["content-type"].startswith(RESPONSE if precise else PLAIN)
