"""A server that is told to stop answers those whom it has begun to serve, says goodbye to the others, and ends."""

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.reliability.load import CREATE, DEADLINE, REMEMBER
from tests.reliability.serving import Served, served

SUBSCRIPTION = {"query": "subscription { societyEvents { kind } }"}
# So long before the signal a request must have been sent to have been taken on for sure.
TAKEN_ON = 0.5


async def write(client: httpx.AsyncClient, number: int, sent: dict[str, float], told: dict[str, Any]) -> None:
    while True:
        content = f"{number}-{len(sent)}"
        memory = {"agent": "a", "content": content, "importance": 0.5}
        body = {"query": REMEMBER, "variables": {"input": {"memories": [memory]}}}
        sent[content] = time.monotonic()
        try:
            told[content] = (await client.post("/graphql", json=body)).json()
        except httpx.TransportError as error:
            told[content] = error
            return


async def events_of(server: Served) -> list[str]:
    """Follows a stream of events to its end."""
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream(
            "POST", f"{server.url}/graphql", json=SUBSCRIPTION, headers={"Accept": "text/event-stream"}
        ) as stream,
    ):
        return [line async for line in stream.aiter_lines()]


async def close_code_of(server: Served) -> int | None:
    """Follows a socket to its end."""
    url = f"{server.url.replace('http', 'ws')}/graphql"
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": SUBSCRIPTION}))
        try:
            async for _ in socket:
                pass
        except websockets.ConnectionClosed:
            pass
        return socket.close_code


@pytest.mark.parametrize("workers", [1, 2])
async def test_it_stops_under_load_without_losing_anything(tmp_path: Path, servers, database, workers: int):
    url = servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@")
    settings = {"database_url": url, "redis_url": servers.redis_url, "deadline": DEADLINE}
    async with served(tmp_path / "data", workers=workers, **settings) as server:
        limits = httpx.Limits(max_keepalive_connections=0)
        sent: dict[str, float] = {}
        told: dict[str, Any] = {}
        async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as client:
            agents = [{"key": "a", "name": "A", "memoryCapacity": 1_000_000}]
            created = await client.post("/graphql", json={"query": CREATE, "variables": {"input": {"agents": agents}}})
            assert "errors" not in created.json()
            following = [asyncio.create_task(events_of(server)) for _ in range(4)]
            sockets = [asyncio.create_task(close_code_of(server)) for _ in range(4)]
            writers = [asyncio.create_task(write(client, number, sent, told)) for number in range(8)]
            await asyncio.sleep(3)
            stopped = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, 20) == 0
            took = time.monotonic() - stopped
            await asyncio.gather(*writers)
            streams, codes = await asyncio.gather(*following), await asyncio.gather(*sockets)
    assert took < 10
    for content, at in sent.items():
        if at < stopped - TAKEN_ON:
            assert isinstance(told[content], dict), f"sent {stopped - at:.1f} s before the end: {told[content]!r}"
    acknowledged = {content for content, answer in told.items() if isinstance(answer, dict) and "errors" not in answer}
    assert len(acknowledged) > 10
    kept = {content for (content,) in await database.read("kept", "MATCH (m:Memory) RETURN m.content")}
    assert acknowledged <= kept
    for lines in streams:
        assert [line for line in lines if line.startswith("event: ")][-1] == "event: complete"
    assert set(codes) <= {1001, 1012}
    assert "Traceback" not in server.log.read_text()
