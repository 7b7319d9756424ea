"""GraphQL over WebSocket, to the letter of graphql-transport-ws, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graph.database import Database
from server.app import create_app
from server.requests import LARGEST_BODY
from server.settings import Settings
from server.websocket import PROTOCOL, GraphQLSocketEndpoint
from tests.mutations import ADD, CREATE
from tests.subscriptions import PATIENCE, Tally, serving, settled, small_app, small_schema


class Client:
    """One socket; every wait has an end."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.connection.recv())

    async def init(self) -> "Client":
        await self.send({"type": "connection_init"})
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def subscribe(self, query: str, id: str = "1", **payload: Any) -> None:
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query} | payload})

    async def answers(self, query: str, id: str = "1", **payload: Any) -> list[tuple[str, Any]]:
        """Sends an operation and gives all its messages, the last one included."""
        await self.subscribe(query, id, **payload)
        found: list[tuple[str, Any]] = []
        while not found or found[-1][0] == "next":
            message = await self.receive()
            assert message["id"] == id
            found.append((message["type"], message.get("payload")))
        return found

    async def closed(self) -> tuple[int | None, str]:
        """Reads until the server closes; gives the code and the reason."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.connection.recv()
                except ConnectionClosed:
                    return self.connection.close_code, self.connection.close_reason or ""


@asynccontextmanager
async def client_of(address: str, **options: Any) -> AsyncIterator[Client]:
    options = {"subprotocols": [PROTOCOL], "max_size": None} | options
    async with connect(f"ws://{address}/graphql", **options) as connection:
        yield Client(connection)


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
async def address(tally: Tally) -> AsyncIterator[str]:
    async with small_app(tally) as address:
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[Client]:
    """A client whose connection is not yet initialised."""
    async with client_of(address) as client:
        yield client


# Operations


async def test_a_subscription_sends_each_answer_and_completes(client: Client, tally: Tally):
    await client.init()
    found = await client.answers("subscription { counter { number } }")
    assert found == [("next", {"data": {"counter": {"number": each}}}) for each in range(3)] + [("complete", None)]
    await settled(tally, 0)


async def test_every_event_has_a_context_of_its_own(client: Client):
    await client.init()
    *found, _ = await client.answers("subscription { counter { context } }")
    assert len({answer["data"]["counter"]["context"] for _, answer in found}) == 3


async def test_subscribers_to_the_same_events_share_their_answers(address: str, tally: Tally):
    async with AsyncExitStack() as stack:
        clients = [await (await stack.enter_async_context(client_of(address))).init() for _ in range(5)]
        found = await asyncio.gather(*(each.answers("subscription { shared { context } }") for each in clients))
    # A context for each subscription and one for each of the two events.
    assert tally.contexts == 7
    assert all(each == found[0] for each in found)


async def test_queries_and_mutations_have_one_answer(client: Client):
    await client.init()
    variables = {"query": "query Q($t: String!) { echo(text: $t) } query Other { echo }", "operationName": "Q"}
    assert await client.answers(**variables, variables={"t": "ü"}) == [
        ("next", {"data": {"echo": "ü"}}),
        ("complete", None),
    ]
    assert await client.answers("mutation { change }") == [("next", {"data": {"change": True}}), ("complete", None)]


async def test_operations_run_side_by_side(client: Client):
    await client.init()
    await client.subscribe("{ slow(seconds: 0.5) }", "slow")
    await client.subscribe("{ echo }", "fast")
    order = [(message["id"], message["type"]) for message in [await client.receive() for _ in range(4)]]
    assert order == [("fast", "next"), ("fast", "complete"), ("slow", "next"), ("slow", "complete")]


async def test_a_completed_operation_ends_and_its_id_is_free(client: Client, tally: Tally):
    await client.init()
    await client.subscribe("subscription { silent }")
    await settled(tally, 1)
    await client.send({"id": "1", "type": "complete"})
    assert await client.answers("{ echo }") == [("next", {"data": {"echo": "hello"}}), ("complete", None)]
    await settled(tally, 0)


async def test_a_query_completed_before_its_answer_sends_nothing(client: Client):
    await client.init()
    await client.subscribe("{ slow(seconds: 0.3) }", "a")
    await client.send({"id": "a", "type": "complete"})
    await client.subscribe("{ slow(seconds: 0.6) }", "b")
    assert (await client.receive())["id"] == "b"


async def test_completing_what_is_unknown_changes_nothing(client: Client):
    await client.init()
    await client.send({"id": "gone", "type": "complete"})
    assert len(await client.answers("{ echo }")) == 2


async def test_a_client_that_goes_ends_its_operations(address: str, tally: Tally):
    async with client_of(address) as client:
        await client.init()
        await client.subscribe("subscription { silent }")
        await client.subscribe("subscription { silent }", "2")
        await settled(tally, 2)
    await settled(tally, 0)


async def test_pings_are_answered_with_their_payload_at_any_time(client: Client):
    await client.send({"type": "ping", "payload": {"a": 1}})
    assert await client.receive() == {"type": "pong", "payload": {"a": 1}}
    await client.init()
    await client.send({"type": "pong"})
    await client.send({"type": "ping"})
    assert await client.receive() == {"type": "pong"}


# Errors of operations


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) { counter(to: $n) { number } }", "BAD_USER_INPUT"),
        ("query A { echo } query B { echo }", "BAD_USER_INPUT"),
        ("{" + " echo" * 11_000 + "}", "GRAPHQL_PARSE_FAILED"),
        ("{ slow(seconds: 30) }", "TIMEOUT"),
    ],
)
async def test_what_fails_before_execution_is_an_error_and_no_more(client: Client, query: str, code: str):
    await client.init()
    ((type, errors),) = await client.answers(query)
    assert (type, [error["extensions"]["code"] for error in errors]) == ("error", [code])
    assert len(await client.answers("{ echo }")) == 2


@pytest.mark.parametrize(("known", "code"), [("true", "SLOW_CONSUMER"), ("false", "INTERNAL")])
async def test_a_source_that_fails_ends_the_subscription_with_an_error(client: Client, known: str, code: str):
    await client.init()
    first, (type, errors) = await client.answers(f"subscription {{ failing(known: {known}) }}")
    assert first == ("next", {"data": {"failing": 1}})
    assert (type, errors[0]["extensions"]["code"]) == ("error", code)
    assert "secret" not in json.dumps(errors)


async def test_an_answer_with_errors_of_fields_does_not_end_the_subscription(client: Client):
    await client.init()
    *found, last = await client.answers("subscription { counter { odd } }")
    assert [answer["data"] is None for _, answer in found] == [False, True, False]
    assert found[1][1]["errors"][0]["extensions"]["code"] == "SLOW_CONSUMER"
    assert last == ("complete", None)
    ((_, answer), _) = await client.answers("{ broken }")
    assert (answer["data"], "secret" in json.dumps(answer)) == ({"broken": None}, False)


async def test_one_operation_too_many_is_an_error(tally: Tally):
    async with small_app(tally, most_operations=2) as address, client_of(address) as client:
        await client.init()
        for id in "ab":
            await client.subscribe("subscription { silent }", id)
        ((type, errors),) = await client.answers("{ echo }", "c")
        assert (type, errors[0]["extensions"]["code"]) == ("error", "BAD_USER_INPUT")
        await client.send({"id": "a", "type": "complete"})
        assert len(await client.answers("{ echo }", "c")) == 2


# Close codes

SUBSCRIBE = {"id": "1", "type": "subscribe"}


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "null",
        '"text"',
        "[" * 5000 + "]" * 5000,
        b'{"type": "connection_init"}',
        {},
        {"type": 1},
        {"type": ["ping"]},
        {"type": "next", "id": "1", "payload": {}},
        {"type": "start"},
        {"type": "ping", "payload": "now"},
        {"type": "pong", "payload": []},
        '{"type": "ping", "payload": ' + '{"a":' * 400 + "1" + "}" * 401,
        {"type": "connection_init", "payload": [1]},
        {"type": "complete"},
        {"type": "complete", "id": 1},
        {"type": "subscribe", "payload": {"query": "{ echo }"}},
        {"type": "subscribe", "id": "", "payload": {"query": "{ echo }"}},
        {"type": "subscribe", "id": 7, "payload": {"query": "{ echo }"}},
        SUBSCRIBE,
        SUBSCRIBE | {"payload": "{ echo }"},
        SUBSCRIBE | {"payload": {}},
        SUBSCRIBE | {"payload": {"query": 1}},
        SUBSCRIBE | {"payload": {"query": "{ echo }", "variables": []}},
        SUBSCRIBE | {"payload": {"query": "{ echo }", "extensions": "none"}},
        SUBSCRIBE | {"payload": {"query": "{ echo }", "operationName": 1}},
    ],
)
async def test_4400_for_what_is_no_message(client: Client, message: Any):
    await client.init()
    await client.send(message)
    code, reason = await client.closed()
    assert code == 4400
    assert reason.startswith("Invalid message: ")


async def test_4401_for_an_operation_before_the_acknowledgement(client: Client):
    await client.subscribe("{ echo }")
    assert await client.closed() == (4401, "Unauthorized")


async def test_4403_for_a_connection_that_is_refused(tally: Tally):
    async def authorize(_: Any, payload: dict[str, Any] | None) -> None:
        if payload != {"token": "right"}:
            raise PermissionError("a secret")

    async with small_app(tally, authorize=authorize) as address:
        async with client_of(address) as client:
            await client.send({"type": "connection_init"})
            assert await client.closed() == (4403, "Forbidden")
        async with client_of(address) as client:
            await client.send({"type": "connection_init", "payload": {"token": "right"}})
            assert await client.receive() == {"type": "connection_ack"}


@pytest.mark.parametrize("protocols", [None, ["graphql-ws"]])
async def test_4406_for_another_protocol(address: str, protocols: Any):
    async with client_of(address, subprotocols=protocols) as client:
        code, reason = await client.closed()
        assert code == 4406
        assert PROTOCOL in reason


async def test_4408_for_a_client_that_does_not_initialise(tally: Tally):
    async with small_app(tally, init_timeout=0.2) as address, client_of(address) as client:
        await client.send({"type": "ping"})
        assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_4409_for_an_id_in_use(client: Client, tally: Tally):
    await client.init()
    id = "ü" * 100
    await client.subscribe("subscription { silent }", id)
    await client.subscribe("{ echo }", id)
    code, reason = await client.closed()
    assert code == 4409
    assert reason.startswith("Subscriber for ü")
    assert len(reason.encode()) <= 123
    await settled(tally, 0)


async def test_4429_for_a_second_initialisation(client: Client):
    await client.init()
    await client.send({"type": "connection_init"})
    assert await client.closed() == (4429, "Too many initialisation requests")


async def test_1009_for_a_message_that_is_too_large(client: Client):
    await client.init()
    await client.send({"type": "ping", "payload": {"text": "x" * LARGEST_BODY}})
    assert (await client.closed())[0] == 1009


async def test_1013_for_a_client_that_does_not_read(tally: Tally):
    # Uncompressed, some messages are more than the buffers between hold.
    options = {"max_queue": 1, "compression": None}
    async with small_app(tally, patience=0.5) as address, client_of(address, **options) as client:
        await client.init()
        await client.subscribe("subscription { text(size: 1000000) }")
        await settled(tally, 1)
        await settled(tally, 0)
        code, reason = await client.closed()
        assert code == 1013
        assert "not read" in reason


# Who may connect


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://127.0.0.1:1", "http://", "http://["])
async def test_pages_from_elsewhere_may_not_connect(address: str, origin: str):
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(address, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_pages_from_here_and_listed_ones_may_connect(tally: Tally):
    async with small_app(tally, origins=["https://friend.example"]) as address, AsyncExitStack() as stack:
        for origin in (f"http://{address}", "https://friend.example"):
            client = await stack.enter_async_context(client_of(address, origin=origin))
            await client.init()


# The end


async def test_stopping_the_server_ends_sockets_at_once(tally: Tally):
    endpoint = GraphQLSocketEndpoint(small_schema(), tally.make_context, deadline=1.0)
    app = Starlette(routes=[WebSocketRoute("/graphql", endpoint.serve)])
    async with serving(app) as (address, server), client_of(address) as client:
        await client.init()
        await client.subscribe("subscription { silent }")
        await settled(tally, 1)
        server.should_exit = True
        # Uvicorn says itself that the service restarts.
        assert (await client.closed())[0] == 1012
        await settled(tally, 0)


# The society


EVENTS = """subscription($agents: [String!], $after: String) { societyEvents(agents: $agents, after: $after) {
    kind cursor agents { key } subject { ... on Memory { content } } } }"""


async def remember(client: Client, key: str, content: str) -> None:
    memories = [{"agent": key, "content": content, "importance": 0.5}]
    (_, answer), _ = await client.answers(ADD, "add", variables={"input": {"memories": memories}})
    assert "errors" not in answer


async def test_what_happens_is_told_to_those_who_follow_and_told_again_after_a_cursor(
    database: Database, settings: Settings
):
    async with (
        serving(create_app(settings)) as (address, _),
        client_of(address) as writer,
        client_of(address) as client,
    ):
        await writer.init()
        await client.init()
        agents = [{"key": key, "name": key.title()} for key in ("ada", "bo")]
        await writer.answers(CREATE, variables={"input": {"agents": agents}})
        await client.subscribe(EVENTS, variables={"agents": ["ada"]})
        # The subscription begins some time after it was asked for.
        await asyncio.sleep(0.5)
        for key, content in (("bo", "tea"), ("ada", "rain"), ("ada", "sun")):
            await remember(writer, key, content)
        events = [(await client.receive())["payload"]["data"]["societyEvents"] for _ in range(2)]
        assert [each["subject"]["content"] for each in events] == ["rain", "sun"]
        assert events[0]["kind"] == "MEMORY_ADDED"
        assert events[0]["agents"] == [{"key": "ada"}]
        await client.subscribe(EVENTS, "again", variables={"agents": ["ada"], "after": events[0]["cursor"]})
        message = await client.receive()
        assert (message["id"], message["payload"]["data"]["societyEvents"]) == ("again", events[1])
        await client.send({"id": "again", "type": "complete"})
        ((type, errors),) = await client.answers(EVENTS, "bad", variables={"after": "nonsense"})
        assert (type, errors[0]["extensions"]["code"]) == ("error", "BAD_USER_INPUT")
