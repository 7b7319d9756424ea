"""GraphQL over server-sent events, a connection for each operation, on real sockets."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from graph.database import Database
from schema.answer import Answer
from server.app import create_app
from server.settings import Settings
from server.sse import EVENT_STREAM, EventStream
from tests.mutations import CREATE
from tests.subscriptions import PATIENCE, Tally, serving, settled, small_app

ACCEPT = {"Accept": EVENT_STREAM}


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
async def client(tally: Tally) -> AsyncIterator[httpx.AsyncClient]:
    async with small_app(tally) as address:
        base = f"http://{address}"
        async with httpx.AsyncClient(base_url=base, headers=ACCEPT, timeout=PATIENCE) as client:
            yield client


def read_events(text: str) -> list[tuple[str, Any]]:
    """Reads a whole stream: the events' names and data, comments left out."""
    found: list[tuple[str, Any]] = []
    assert text.endswith("\n\n")
    for block in text[:-2].split("\n\n"):
        if not block.startswith(":"):
            event, data = block.split("\n")
            found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: ") or "null")))
    return found


async def post(client: httpx.AsyncClient, query: str, **headers: str) -> list[tuple[str, Any]]:
    response = await client.post("/graphql", json={"query": query}, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, f"{EVENT_STREAM}; charset=utf-8")
    return read_events(response.text)


COUNTED = [("next", {"data": {"counter": {"number": each}}}) for each in range(3)] + [("complete", None)]


async def test_a_subscription_sends_each_answer_and_completes(client: httpx.AsyncClient, tally: Tally):
    assert await post(client, "subscription { counter { number } }") == COUNTED
    await settled(tally, 0)


async def test_a_subscription_may_be_asked_for_by_get(client: httpx.AsyncClient):
    response = await client.get("/graphql", params={"query": "subscription { counter { number } }"})
    assert read_events(response.text) == COUNTED


async def test_queries_and_mutations_have_one_answer(client: httpx.AsyncClient):
    assert await post(client, "{ echo }") == [("next", {"data": {"echo": "hello"}}), ("complete", None)]
    assert await post(client, "mutation { change }") == [("next", {"data": {"change": True}}), ("complete", None)]


async def test_mutations_are_not_taken_by_get(client: httpx.AsyncClient):
    response = await client.get("/graphql", params={"query": "mutation { change }"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) { counter(to: $n) { number } }", "BAD_USER_INPUT"),
        ("{ slow(seconds: 30) }", "TIMEOUT"),
    ],
)
async def test_what_fails_before_execution_is_told_in_the_stream(client: httpx.AsyncClient, query: str, code: str):
    (name, answer), last = await post(client, query)
    assert (name, [error["extensions"]["code"] for error in answer["errors"]]) == ("next", [code])
    assert "data" not in answer
    assert last == ("complete", None)


async def test_a_source_that_fails_ends_the_stream_with_an_error(client: httpx.AsyncClient):
    first, (_, answer), last = await post(client, "subscription { failing(known: false) }")
    assert first == ("next", {"data": {"failing": 1}})
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "secret" not in json.dumps(answer)
    assert last == ("complete", None)


@pytest.mark.parametrize(("content", "status"), [("{", 400), ("[]", 400), ("{}", 400)])
async def test_what_is_no_request_is_refused_as_ever(client: httpx.AsyncClient, content: str, status: int):
    response = await client.post("/graphql", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json; charset=utf-8")


async def test_json_goes_to_clients_that_like_it_as_much(client: httpx.AsyncClient):
    both = {"Accept": f"application/json, {EVENT_STREAM}"}
    response = await client.post("/graphql", json={"query": "{ echo }"}, headers=both)
    assert response.json() == {"data": {"echo": "hello"}}


async def test_a_subscription_without_a_stream_is_told_how(client: httpx.AsyncClient):
    query = {"query": "subscription { counter { number } }"}
    response = await client.post("/graphql", json=query, headers={"Accept": "application/json"})
    (error,) = response.json()["errors"]
    assert (error["extensions"]["code"], EVENT_STREAM in error["message"]) == ("BAD_USER_INPUT", True)


async def test_answers_come_as_they_happen_and_going_away_ends_the_subscription(
    client: httpx.AsyncClient, tally: Tally
):
    request = {"query": "subscription { counter(to: 1, linger: true) { number } }"}
    # The middleware of this server compresses all that it may.
    compressed = {"Accept-Encoding": "gzip"}
    async with client.stream("POST", "/graphql", json=request, headers=compressed) as response:
        assert "content-encoding" not in response.headers
        chunks = response.aiter_text()
        text = ""
        while '"number":0' not in text:
            text += await anext(chunks)
        assert tally.running == 1
    await settled(tally, 0)


async def test_a_silent_stream_is_kept_alive():
    ended = asyncio.Event()

    async def silence() -> AsyncGenerator[Answer]:
        try:
            await asyncio.Event().wait()
            yield Answer({})
        finally:
            ended.set()

    stream = EventStream(silence(), keep_alive_after=0.01)
    async with aclosing(stream.body_iterator) as events:  # pyright: ignore[reportArgumentType]
        assert [await anext(events) for _ in range(3)] == [b":\n\n"] * 3
    assert ended.is_set()


async def test_a_client_that_does_not_read_loses_its_subscription():
    ended = asyncio.Event()

    async def flood() -> AsyncGenerator[Answer]:
        try:
            while True:
                yield Answer({"data": "x" * 1000})
        finally:
            ended.set()

    async def send(message: Any) -> None:
        if b"event: next" in message.get("body", b""):
            await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        await EventStream(flood(), patience=0.01).stream_response(send)
    assert ended.is_set()


async def test_what_happens_in_the_society_is_streamed(database: Database, settings: Settings):
    request = {"query": "subscription { societyEvents(kinds: [AGENT_CHANGED]) { kind agents { key } } }"}
    agents = {"agents": [{"key": "ada", "name": "Ada"}]}
    async with (
        serving(create_app(settings)) as (address, _),
        httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE) as client,
        client.stream("POST", "/graphql", json=request, headers=ACCEPT) as response,
    ):
        # The subscription begins some time after it was asked for.
        await asyncio.sleep(0.5)
        await client.post("/graphql", json={"query": CREATE, "variables": {"input": agents}})
        lines = response.aiter_lines()
        while not (line := await anext(lines)).startswith("data: "):
            pass
    event = json.loads(line.removeprefix("data: "))["data"]["societyEvents"]
    assert event == {"kind": "AGENT_CHANGED", "agents": [{"key": "ada"}]}
