"""More than a worker takes on is turned away at once, and what is turned away costs the others nothing."""

import asyncio
from typing import Any

import httpx
import pytest

from server.gate import Gate, Shedding
from server.settings import Settings
from tests.api.test_outages import COUNT, Proxy, only_error, serving, timed

REFUSED = {
    "message": "The server has too much to do. Try again in 1 s.",
    "extensions": {"code": "OVERLOADED", "retryAfter": 1},
}


async def test_what_is_over_the_bound_is_told_to_come_later(settings: Settings):
    async with (
        Proxy(settings.database_login()[0]) as proxy,
        serving(settings, database_url=proxy.url, deadline=4, max_running=1, max_waiting=2) as client,
    ):
        assert "errors" not in (await client.post("/graphql", json=COUNT)).json()
        proxy.stall()
        first = asyncio.create_task(client.post("/graphql", json=COUNT))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(timed(client.get("/agents/ada/memories"))) for _ in range(2)]
        await asyncio.sleep(0.1)

        refused, seconds = await timed(client.post("/graphql", content=b"[" * 10_000))
        assert (refused.status_code, refused.headers["retry-after"], only_error(refused)) == (503, "1", REFUSED)
        assert seconds < 1
        strict = await client.post("/graphql", json=COUNT, headers={"Accept": "application/graphql-response+json"})
        assert strict.headers["content-type"].startswith("application/graphql-response+json")
        rest = await client.get("/agents/ada/memories")
        assert (rest.status_code, rest.json()["error"]["code"]) == (503, "OVERLOADED")
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200

        for response, _ in await asyncio.gather(*waiting):
            assert (response.status_code, response.headers["retry-after"]) == (503, "1"), "nobody waits for ever"
        proxy.resume()
        await first
        assert "errors" not in (await client.post("/graphql", json=COUNT)).json()


async def test_those_who_wait_have_their_turn_in_order():
    gate = Gate(most_running=2, most_waiting=10, most_streams=1)
    turns: list[int] = []

    async def ask(number: int) -> None:
        async with gate.turn():
            turns.append(number)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(ask(number) for number in range(12)))
    assert turns == list(range(12))
    assert (gate.running, gate.waiting, gate.shed) == (0, 0, 0)


async def test_who_gives_up_leaves_no_turn_behind():
    gate = Gate(most_running=1, most_waiting=10, most_streams=1, patience=0.05)
    assert gate.enter()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.leave()
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in waiting[2:]:
        if not task.cancelled() and task.result():
            gate.leave()
    assert (gate.running, gate.waiting) == (0, 0)


@pytest.mark.parametrize("extension", [True, False])
async def test_sockets_and_streams_are_bounded_too(extension: bool):
    gate = Gate(most_running=1, most_waiting=0, most_streams=1)
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await ended.wait()

    shedding = Shedding(app, gate)
    stream = {"type": "http", "path": "/graphql", "headers": [(b"accept", b"text/event-stream")]}
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    open_one = asyncio.create_task(shedding(stream, receive, send))
    await asyncio.sleep(0)
    assert gate.streams == 1
    await shedding(stream, receive, send)
    assert sent[0]["status"] == 503
    sent.clear()
    extensions = {"extensions": {"websocket.http.response": {}}} if extension else {}
    await shedding({"type": "websocket", "path": "/graphql", "headers": [], **extensions}, receive, send)
    if extension:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 503)
    else:
        assert (sent[0]["type"], sent[0]["code"]) == ("websocket.close", 1013)
    assert gate.running == 0, "what stays open takes nobody's turn"
    ended.set()
    await open_one
    assert (gate.streams, gate.shed) == (0, 2)


async def test_an_operation_of_a_stream_needs_a_turn(settings: Settings):
    async with (
        Proxy(settings.database_login()[0]) as proxy,
        serving(settings, database_url=proxy.url, deadline=4, max_running=1, max_waiting=0) as client,
    ):
        await client.post("/graphql", json=COUNT)
        proxy.stall()
        first = asyncio.create_task(client.post("/graphql", json=COUNT))
        await asyncio.sleep(0.1)
        streamed: httpx.Response = await client.post("/graphql", json=COUNT, headers={"Accept": "text/event-stream"})
        assert "OVERLOADED" in streamed.text
        proxy.resume()
        await first


async def test_who_gives_up_while_a_turn_is_given_back_takes_none():
    gate = Gate(most_running=1, most_waiting=10, most_streams=1)
    assert gate.enter()
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    # It learns of that only after the turn was given back.
    waiting.cancel()
    gate.leave()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (gate.running, gate.waiting) == (0, 0)
