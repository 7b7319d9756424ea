"""The read for scripts and curl: the same memories as GraphQL gives, by numbered pages."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.api.conftest import Read, day

pytestmark = pytest.mark.usefixtures("society")


async def get(edge: httpx.AsyncClient, key: str = "ada", **parameters: Any) -> httpx.Response:
    return await edge.get(f"/agents/{quote(key, safe='')}/memories", params=parameters)


async def names(edge: httpx.AsyncClient, **parameters: Any) -> tuple[str, dict[str, int]]:
    response = await get(edge, **parameters)
    assert response.status_code == 200, response.text
    page = response.json()
    return " ".join(memory["id"].removeprefix("Memory:") for memory in page["memories"]), page["pagination"]


async def test_a_page_has_all_public_fields(edge: httpx.AsyncClient):
    response = await get(edge, page=1, size=1)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "memories": [
            {
                "id": "Memory:friends",
                "kind": "REFLECTION",
                "content": "Tea makes friends",
                "importance": 1.0,
                "createdAt": day(4),
                "accessedAt": day(4),
                "accessCount": 0,
            }
        ],
        "pagination": {"page": 1, "size": 1, "total": 4, "pages": 4},
    }


async def test_it_gives_what_graphql_gives(edge: httpx.AsyncClient, read: Read):
    query = """{ agent(key: "ada") { memories(filter: {importance: {gte: 0.5}}) {
      totalCount nodes { id kind content importance createdAt accessedAt accessCount }
    } } }"""
    expected = (await read(query))["agent"]["memories"]
    found = (await get(edge, importance_min=0.5)).json()
    assert found["memories"] == expected["nodes"]
    assert found["pagination"]["total"] == expected["totalCount"] == 3


async def test_pages_follow_each_other_to_the_end(edge: httpx.AsyncClient):
    assert await names(edge) == ("friends tea mill rain", {"page": 1, "size": 50, "total": 4, "pages": 1})
    assert await names(edge, size=3) == ("friends tea mill", {"page": 1, "size": 3, "total": 4, "pages": 2})
    assert await names(edge, size=3, page=2) == ("rain", {"page": 2, "size": 3, "total": 4, "pages": 2})
    assert await names(edge, size=3, page=3) == ("", {"page": 3, "size": 3, "total": 4, "pages": 2})
    assert await names(edge, size=1000, page=1_000_000) == (
        "",
        {"page": 1_000_000, "size": 1000, "total": 4, "pages": 1},
    )


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        ("0", "friends tea mill rain"),
        ("0.0", "friends tea mill rain"),
        ("0.25", "friends tea mill rain"),
        ("0.25000001", "friends tea mill"),
        (".5", "friends tea mill"),
        ("5e-1", "friends tea mill"),
        ("1", "friends"),
        ("1.000", "friends"),
    ],
)
async def test_the_least_importance_is_included(edge: httpx.AsyncClient, least: str, expected: str):
    found, pagination = await names(edge, importance_min=least)
    assert found == expected
    assert pagination["total"] == len(expected.split())


@pytest.mark.parametrize(("key", "count"), [("cy/ü %2F", 0), ("bo", 1)])
async def test_keys_are_percent_encoded(edge: httpx.AsyncClient, key: str, count: int):
    page = (await get(edge, key)).json()
    assert len(page["memories"]) == page["pagination"]["total"] == page["pagination"]["pages"] == count


@pytest.mark.parametrize(
    "key", ["nobody", "Ada", "ada ", "ada/", "é" * 100, "../ada", "'}) DETACH DELETE (n", "%", "\x00"]
)
async def test_an_unknown_agent_is_not_found(edge: httpx.AsyncClient, key: str):
    response = await get(edge, key)
    assert response.status_code == 404
    error = response.json()["error"]
    assert error == {"code": "NOT_FOUND", "message": f"There is no agent with the key {key[:60]!r}."}


@pytest.mark.parametrize("name", ["page", "size"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "", "one", "1e2", " 1", "+1", "0x1", "٣", "1_0", "9" * 400])
async def test_a_bad_page_or_size_is_refused(edge: httpx.AsyncClient, name: str, value: str):
    response = await get(edge, **{name: value})
    assert response.status_code == 422
    most = {"page": 1_000_000, "size": 1000}[name]
    assert response.json() == {
        "error": {
            "code": "BAD_USER_INPUT",
            "message": f"{name}: must be a whole number between 1 and {most}, is {value[:40]!r}.",
        }
    }


@pytest.mark.parametrize("parameters", [{"size": 1001}, {"page": 1_000_001}])
async def test_limits_are_exact(edge: httpx.AsyncClient, parameters: dict[str, int]):
    assert (await get(edge, **parameters)).status_code == 422


@pytest.mark.parametrize(
    "value", ["-0.1", "1.0001", "", "half", "nan", "inf", "-0", "1e400", "0_1", " 0.5", "0,5", "1e", "0x1"]
)
async def test_a_bad_importance_is_refused(edge: httpx.AsyncClient, value: str):
    response = await get(edge, importance_min=value)
    assert response.status_code == 422
    assert response.json()["error"]["message"] == f"importance_min: must be a number between 0 and 1, is {value!r}."


async def test_only_get_and_head(edge: httpx.AsyncClient):
    assert (await edge.head("/agents/ada/memories")).status_code == 200
    response = await edge.post("/agents/ada/memories")
    assert response.status_code == 405
    assert {*response.headers["allow"].split(", ")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/agents", "/agents/ada", "/agents/memories", "/nothing"])
async def test_other_addresses_are_not_found(edge: httpx.AsyncClient, path: str):
    assert (await edge.get(path)).status_code == 404
