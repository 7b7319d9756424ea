"""Answers of 1000 bytes and more are compressed for clients that ask."""

import gzip
import json

import httpx
import pytest

from graph.database import Database


async def raw(edge: httpx.AsyncClient, size: int, encodings: str) -> tuple[httpx.Response, bytes]:
    """Asks for an answer of exactly `size` bytes, and gives it as it was sent."""
    alias = "a" * (size - len('{"data":{"":"Query"}}'))
    headers = {"Accept-Encoding": encodings}
    async with edge.stream(
        "POST", "/graphql", json={"query": f"{{ {alias}: __typename }}"}, headers=headers
    ) as response:
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


@pytest.mark.parametrize("encodings", ["gzip", "br, gzip;q=0.5", "deflate, gzip, br"])
async def test_an_answer_of_a_thousand_bytes_is_compressed(edge: httpx.AsyncClient, encodings: str):
    response, body = await raw(edge, 1000, encodings)
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) == len(body) < 200
    assert len(gzip.decompress(body)) == 1000
    assert {*response.headers["vary"].split(", ")} == {"Accept", "Accept-Encoding"}


async def test_a_smaller_one_is_not(edge: httpx.AsyncClient):
    response, body = await raw(edge, 999, "gzip")
    assert "content-encoding" not in response.headers
    assert len(json.dumps(json.loads(body), separators=(",", ":"))) == 999
    assert response.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("encodings", ["identity", "", "br"])
async def test_nor_is_one_whose_client_does_not_ask(edge: httpx.AsyncClient, encodings: str):
    response, body = await raw(edge, 1000, encodings)
    assert "content-encoding" not in response.headers
    assert len(body) == 1000
    assert {*response.headers["vary"].split(", ")} == {"Accept", "Accept-Encoding"}


async def test_errors_are_compressed_too(edge: httpx.AsyncClient):
    response = await edge.post("/graphql", json={"query": "{" + " x" * 100 + " }"}, headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["errors"]


TALKER = """
CREATE (n:Memory {id: 'Memory:1', agentId: 'Agent:1', kind: 'EVENT', importance: 1.0, content: $content})
SET n.createdAt = datetime(), n.accessedAt = datetime(), n.accessCount = 0
CREATE (:Agent {id: 'Agent:1', key: 'talker', createdAt: datetime(), updatedAt: datetime()})-[:REMEMBERS]->(n)
"""


async def test_rest_is_compressed_too(database: Database, client: httpx.AsyncClient):
    await database.write("talker", TALKER, {"content": "bla " * 500})
    response = await client.get("/agents/talker/memories", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["memories"][0]["content"] == "bla " * 500
