"""GraphQL over WebSocket: the protocol graphql-transport-ws, several operations on one socket."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing, nullcontext, suppress
from typing import Any, Never

import orjson
from starlette.responses import PlainTextResponse
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from graph.errors import BadInput, SocietyError, Unavailable
from resolvers.context import Context
from resolvers.documents import Documents
from schema.answer import Answer
from schema.execution import Operation, Turn, breakdown, failure, subscribe
from schema.root import Schema
from schema.sharing import Sharing
from server.admission import Admission
from server.requests import LARGEST_BODY, HttpError, complete, to_operation

PROTOCOL = "graphql-transport-ws"

# The most that a close frame holds beside its code.
LONGEST_REASON = 123

# How long a client that begins to read at last may take until it has read why the socket ends.
FAREWELL = 10.0

# Gives what a socket is let in with, from its connection and the payload of connection_init; raises to refuse.
Authorize = Callable[[Scope, dict[str, Any] | None], Awaitable[Admission | None]]


class Closing(Exception):
    """Ends a socket: the close code and the reason that the client is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:LONGEST_REASON].decode(errors="ignore")


async def admit_all(connection: Scope, payload: dict[str, Any] | None) -> None:
    """Lets every client in."""


class GraphQLSocketEndpoint:
    """Serves sockets of one schema. `make_context` gives each operation, and each event, its loaders.

    `authorize` judges the handshake and the payload of connection_init. `origins` are those of web pages on
    other hosts that may connect. Times are in seconds: `init_timeout` until connection_init must have come,
    `patience` for a client that does not read. Queries and mutations are executed within a `turn`.
    """

    def __init__(
        self,
        schema: Schema,
        make_context: Callable[[], Context],
        *,
        deadline: float,
        documents: Documents | None = None,
        authorize: Authorize = admit_all,
        origins: Collection[str] = (),
        init_timeout: float = 10.0,
        most_operations: int = 100,
        patience: float = 30.0,
        turn: Turn = nullcontext,
        largest_body: int = LARGEST_BODY,
    ) -> None:
        self.schema = schema
        self.make_context = make_context
        self.deadline = deadline
        self.documents = documents or Documents(None)
        self.authorize = authorize
        self.origins = origins
        self.init_timeout = init_timeout
        self.most_operations = most_operations
        self.patience = patience
        self.turn = turn
        self.largest_body = largest_body
        self.sharing = Sharing()

    async def serve(self, socket: WebSocket) -> None:
        if not self.trusts(socket):
            reason = "Origin: pages of this origin may not connect here.\n"
            await socket.send_denial_response(PlainTextResponse(reason, 403))
        elif PROTOCOL not in socket.scope["subprotocols"]:
            await socket.accept()
            await socket.close(4406, f"Subprotocol not acceptable; this address speaks {PROTOCOL}")
        else:
            await socket.accept(PROTOCOL)
            await Conversation(self, socket).hold()

    def trusts(self, socket: WebSocket) -> bool:
        """Tells whether the page that connects, if it is one, may: browsers let any page open sockets anywhere."""
        origin = socket.headers.get("origin")
        if origin is None or origin in self.origins or "*" in self.origins:
            return True
        host = socket.headers.get("host", "").lower()
        return bool(host) and origin.lower().partition("://")[2] == host


class Conversation:
    """One socket from connection_init to its end."""

    def __init__(self, endpoint: GraphQLSocketEndpoint, socket: WebSocket) -> None:
        self._endpoint = endpoint
        self._socket = socket
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._admission: Admission | None = None

    async def hold(self) -> None:
        """Converses until one side ends it, then ends what still runs."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._listen(tasks)
        except* Closing as reasons:
            await self._close(first(reasons))
        except* WebSocketDisconnect:
            pass

    async def _listen(self, tasks: asyncio.TaskGroup) -> Never:
        try:
            async with asyncio.timeout(self._endpoint.init_timeout):
                await self._initialise()
        except TimeoutError:
            raise Closing(4408, "Connection initialisation timeout") from None
        if self._admission:
            tasks.create_task(self._leave(self._admission))
        while True:
            match await self._receive():
                case {"type": "connection_init"}:
                    raise Closing(4429, "Too many initialisation requests")
                case {"type": "subscribe", "id": id, "payload": payload}:
                    await self._subscribe(tasks, id, read_payload(payload))
                case {"type": "complete", "id": id}:
                    if task := self._operations.pop(id, None):
                        task.cancel()

    async def _initialise(self) -> None:
        """Waits for connection_init and acknowledges it."""
        while True:
            match await self._receive():
                case {"type": "subscribe"}:
                    raise Closing(4401, "Unauthorized")
                case {"type": "connection_init"} as message:
                    await self._admit(message.get("payload"))
                    return await self._send({"type": "connection_ack"})

    async def _admit(self, payload: dict[str, Any] | None) -> None:
        try:
            self._admission = await self._endpoint.authorize(self._socket.scope, payload)
        except Unavailable as error:
            raise Closing(1013, error.message) from error
        except SocietyError as error:
            raise Closing(4403, f"Forbidden: {error.message}") from error
        except Exception as error:
            raise Closing(4403, "Forbidden") from error

    async def _leave(self, admission: Admission) -> Never:
        """Ends the socket when its credential no longer holds; clients may connect again with a new one."""
        raise Closing(4403, f"Forbidden: {(await admission.lapse()).message}")

    async def _receive(self) -> dict[str, Any]:
        """Gives the next message, once its shape was checked; pings are answered. Raises Closing."""
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(event["code"])
            message = read_message(event.get("text"), self._endpoint.largest_body)
            if message["type"] == "ping":
                payload = {"payload": message["payload"]} if "payload" in message else {}
                await self._send({"type": "pong"} | payload)
            elif message["type"] != "pong":
                return message

    async def _subscribe(self, tasks: asyncio.TaskGroup, id: str, operation: Operation) -> None:
        if id in self._operations:
            raise Closing(4409, f"Subscriber for {id} already exists")
        if len(self._operations) >= self._endpoint.most_operations:
            fault = f"id: {self._endpoint.most_operations} operations at a time on one socket. Complete one first."
            await self._send({"type": "error", "id": id, "payload": failure(BadInput(fault)).payload["errors"]})
            return
        self._operations[id] = tasks.create_task(self._execute(id, operation))

    async def _execute(self, id: str, operation: Operation) -> None:
        """Sends an operation's answers until it ends; a client that completes it cancels this."""
        last: dict[str, Any] = {"type": "complete", "id": id}
        try:
            if self._admission:
                await self._admission.charge()
            operation = await complete(self._endpoint.documents, operation)
            async with aclosing(self._answers(operation)) as answers:
                async for answer in answers:
                    if not answer.executed:
                        last = {"type": "error", "id": id, "payload": answer.payload["errors"]}
                        break
                    await self._send({"type": "next", "id": id, "payload": orjson.Fragment(answer.json)})
        except (Closing, WebSocketDisconnect):
            raise
        except Exception as error:
            last = {"type": "error", "id": id, "payload": breakdown(error).payload["errors"]}
        # The client may use the id again as soon as it has read the last message.
        del self._operations[id]
        await self._send(last)

    def _answers(self, operation: Operation) -> AsyncGenerator[Answer]:
        endpoint = self._endpoint
        return subscribe(
            endpoint.schema,
            operation,
            endpoint.make_context,
            deadline=endpoint.deadline,
            sharing=endpoint.sharing,
            may_write=self._admission is None or self._admission.may_write,
            turn=endpoint.turn,
            charge=self._admission.charge_for if self._admission else None,
        )

    async def _send(self, message: dict[str, Any]) -> None:
        """Sends a message when those before it are on their way. Raises Closing if the client does not read."""
        try:
            text = orjson.dumps(message).decode()
        except orjson.JSONEncodeError:
            # Only what a ping carries, and is to be sent back, can be that deep.
            raise Closing(4400, "Invalid message: nested too deeply") from None
        async with self._sending:
            try:
                async with asyncio.timeout(self._endpoint.patience):
                    await self._socket.send_text(text)
            except TimeoutError:
                reason = f"Messages were not read for {self._endpoint.patience:g} s; connect again and read faster"
                raise Closing(1013, reason) from None

    async def _close(self, closing: Closing) -> None:
        # To a client that does not read, not even this can be said.
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(FAREWELL):
                await self._socket.close(closing.code, closing.reason)


def first(group: BaseExceptionGroup[Closing]) -> Closing:
    """Gives one of the reasons to end a socket; those that came at the same time are no better."""
    (reason, *_) = group.exceptions
    return first(reason) if isinstance(reason, BaseExceptionGroup) else reason


def read_message(text: str | None, largest: int = LARGEST_BODY) -> dict[str, Any]:
    """Reads a message and checks its shape by its type. Raises Closing."""
    if text is None:
        raise Closing(4400, "Invalid message: binary; send text")
    data = text.encode()
    if len(data) > largest:
        raise Closing(1009, f"Message too big: {largest} bytes at most")
    try:
        message = orjson.loads(data)
    except ValueError:
        raise Closing(4400, "Invalid message: not JSON") from None
    if not isinstance(message, dict):
        raise Closing(4400, "Invalid message: not a JSON object")
    match message.get("type"):
        case "connection_init" | "ping" | "pong":
            if not isinstance(message.get("payload"), dict | None):
                raise Closing(4400, "Invalid message: payload must be an object")
        case "subscribe" | "complete" as type:
            check_operation(message, type)
        case _:
            raise Closing(4400, "Invalid message: type is none that a client sends")
    return message


def check_operation(message: dict[str, Any], type: str) -> None:
    """Checks a message that concerns an operation. Raises Closing."""
    if not isinstance(message.get("id"), str) or not message["id"]:
        raise Closing(4400, "Invalid message: id must be a string that is not empty")
    if type == "subscribe" and not isinstance(message.get("payload"), dict):
        raise Closing(4400, "Invalid message: payload must be an object")


def read_payload(payload: dict[str, Any]) -> Operation:
    try:
        return to_operation(payload)
    except HttpError as error:
        raise Closing(4400, f"Invalid message: payload.{error.message}") from None
