"""Requests of every kind that are no requests, or nearly: bytes, JSON, headers, variables."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from server.websocket import PROTOCOL
from tests.fuzzing.conftest import HANGS, apart, examples, judge, judge_errors

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["query", "variables", "operationName", "extensions"])
REQUESTS = st.dictionaries(NAMES | st.text(max_size=5), JSON | st.just("{ __typename }"), max_size=5)
MEDIA = ["application/json", "application/json; charset=utf-8", "text/plain", "", "application/graphql-response+json"]
ACCEPTED = ["*/*", "application/graphql-response+json", "application/json;q=0.1, */*", "text/html", "", "q=,;"]
# Characters that headers may hold.
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.strip)

# A variable of each kind of input, with where it is used.
USES = {
    "AgentFilter": "agents(filter: $v) { totalCount }",
    "[AgentOrder!]": "agents(orderBy: $v, first: 1) { totalCount }",
    "MemoryFilter": 'searchMemories(text: "a", filter: $v, first: 1) { totalCount }',
    "Int": "agents(first: $v) { totalCount }",
    "[ID!]!": "nodes(ids: $v) { id }",
    "ID": "agent(id: $v) { id }",
    "String": "agents(after: $v) { totalCount }",
    "RecallWeights": 'agent(key: "cosette") { recall(weights: $v, first: 1) { score } }',
    "[Float!]": 'agent(key: "cosette") { recall(vector: $v, first: 1) { score } }',
}
WORDS = st.sampled_from(["and", "or", "not", "key", "eq", "in", "gt", "some", "relationships", "agent", "memories"])
FILTERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=20,
)


def deep(levels: int, inner: Any = None, key: str | None = "not") -> Any:
    for _ in range(levels):
        inner = [inner] if key is None else {key: inner}
    return inner


def send(client: httpx.Client, content: Any, media: str = MEDIA[0], accept: str = ACCEPTED[1]) -> Any:
    headers = {"Content-Type": media, "Accept": accept}
    response = client.post("/graphql", content=content, headers=headers)
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return None
    return judge(response)


async def test_any_bytes_are_answered(client: httpx.Client):
    @examples(150)
    @given(st.binary(max_size=200), st.sampled_from(MEDIA), st.sampled_from(ACCEPTED))
    def answered(body: bytes, media: str, accept: str) -> None:
        assert "errors" in send(client, body, media, accept)

    await apart(answered)


async def test_any_json_is_answered(client: httpx.Client):
    @examples(200)
    @given(REQUESTS | JSON)
    def answered(body: Any) -> None:
        # Python writes what is no JSON, too, such as NaN and halves of surrogate pairs.
        send(client, json.dumps(body))

    await apart(answered)


async def test_any_headers_are_answered(client: httpx.Client):
    @examples(100)
    @given(PRINTABLE, PRINTABLE, PRINTABLE, st.integers(0, 200))
    @example("application/json", "*/*", "bytes=0-", 0)
    def answered(media: str, accept: str, value: str, length: int) -> None:
        headers = {"Content-Type": media, "Accept": accept, "X-Request-ID": value, "traceparent": value}
        headers |= {"Range": value, "Origin": value, "Content-Encoding": value[:5].strip()}
        judge(client.post("/graphql", content=b" " * length, headers=headers))

    await apart(answered)


async def test_any_query_string_is_answered(client: httpx.Client):
    @examples(150)
    @given(st.dictionaries(NAMES, st.text(max_size=60) | JSON.map(json.dumps) | st.just("{ __typename }"), max_size=4))
    def answered(parameters: dict[str, str]) -> None:
        parameters = {name: value.encode(errors="replace").decode() for name, value in parameters.items()}
        judge(client.get("/graphql", params=parameters, headers={"Accept": "*/*"}))

    await apart(answered)


@pytest.mark.parametrize("type", USES)
async def test_any_value_of_a_variable_is_answered(client: httpx.Client, type: str):
    document = f"query ($v: {type}) {{ {USES[type]} }}"

    @examples(60)
    @given(FILTERS | JSON)
    @example(deep(400))
    @example(deep(1000, key=None))
    @example(deep(100_000, key=None))
    @example(deep(300, {"key": {"eq": "a"}}, "and"))
    @example([{"key": {"in": ["x" * 1000] * 900}}])
    @example("x" * 100_000)
    @example([0.5] * 100_000)
    @example(10**4000)
    @example(-(2**63) - 1)
    @example({"x" * 100_000: 1})
    @example({f"x{i}": 1 for i in range(20_000)})
    @example([{"key": i} for i in range(20_000)])
    def answered(value: Any) -> None:
        send(client, write(document, value))

    await apart(answered)


def write(document: str, value: Any) -> str:
    """Writes a request as JSON, however deep the variable is and however long its digits are."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "[" * 100_000 + "]" * 100_000
    except ValueError:
        text = "9" * 4000
    return f'{{"query": {json.dumps(document)}, "variables": {{"v": {text}}}}}'


@pytest.mark.parametrize("shape", ["{name}: __typename", 'agent(key: "{name}") {{ id }}', "...{name}", "{name}"])
async def test_long_names_are_answered(client: httpx.Client, shape: str):
    body = json.dumps({"query": "{ " + shape.format(name="x" * 90_000) + " }", "operationName": None})
    answer = await asyncio.to_thread(send, client, body)
    assert len(json.dumps(answer)) < 200_000


async def test_any_path_and_parameters_of_the_rest_route_are_answered(client: httpx.Client):
    @examples(100)
    @given(
        st.text(max_size=20), st.dictionaries(st.sampled_from(["page", "size", "importance_min"]), st.text(max_size=9))
    )
    def answered(key: str, parameters: dict[str, str]) -> None:
        path = "/agents/" + "".join(f"%{byte:02X}" for byte in key.encode(errors="replace")) + "/memories"
        parameters = {name: value.encode(errors="replace").decode() for name, value in parameters.items()}
        response = client.get(path, params=parameters)
        assert response.status_code in {200, 404, 422}

    await apart(answered)


MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["connection_init", "subscribe", "complete", "ping", "pong", "next", "x"])},
    optional={"id": st.text(max_size=3), "payload": JSON | REQUESTS},
)


async def test_any_messages_of_a_socket_are_answered(address: str, client: httpx.Client):
    @examples(100)
    @given(st.lists(MESSAGES | JSON | st.binary(max_size=40), max_size=6), st.booleans())
    def answered(messages: list[Any], greets: bool) -> None:
        with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL], close_timeout=HANGS) as socket:
            try:
                for each in [{"type": "connection_init"}, *messages] if greets else messages:
                    socket.send(each if isinstance(each, bytes) else json.dumps(each))
                while True:
                    judge_message(json.loads(socket.recv(timeout=0.01)))
            except TimeoutError:
                return
            except ConnectionClosed as closed:
                code = closed.rcvd and closed.rcvd.code
        # Codes of the protocol itself are 4000 and above; 1011 would be the server's fault.
        assert code in {1000, 1003, 1007, 1009} or (code and code >= 4000), code

    await apart(answered)
    assert judge(await asyncio.to_thread(client.post, "/graphql", json={"query": "{ __typename }"}))["data"]


def judge_message(message: Any) -> None:
    match message:
        case {"type": "error", "payload": errors}:
            judge_errors(errors)
        case {"type": "next", "payload": answer}:
            judge_errors(answer.get("errors", ()))
        case {"type": kind}:
            assert kind in {"connection_ack", "complete", "ping", "pong"}
