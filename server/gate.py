"""Load shedding: how much a worker takes on at a time, and what it says to whoever comes on top.

So many requests are in the works, so many wait for a turn, and whoever comes then is turned away at once, before
anything of the request is read. What is not taken on costs no memory and no time of those who are.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from graph.errors import Overloaded
from server.headers import headers_of
from server.requests import PATH

# How long a request waits for its turn, and when a client that was turned away may come again, in seconds.
PATIENCE = 2.0
RETRY_AFTER = 1

MESSAGE = f"The server has too much to do. Try again in {RETRY_AFTER} s."
OPEN_STREAM = b"text/event-stream"
JSON = b"application/json; charset=utf-8"
RESPONSE_JSON = b"application/graphql-response+json"

# What says how the server is must be heard when it does badly.
NEVER_SHED = ("/health", "/metrics")

EXTENSIONS = {"code": Overloaded.code, "retryAfter": RETRY_AFTER}
GRAPHQL_BODY = orjson.dumps({"errors": [{"message": MESSAGE, "extensions": EXTENSIONS}]})
REST_BODY = orjson.dumps({"error": {"code": Overloaded.code, "message": MESSAGE}})


class Gate:
    """Counts what is in the works (`running`), what waits, and what stays open: sockets and streams of events."""

    def __init__(self, *, most_running: int, most_waiting: int, most_streams: int, patience: float = PATIENCE) -> None:
        self.most_running = most_running
        self.most_waiting = most_waiting
        self.most_streams = most_streams
        self.running = 0
        self.streams = 0
        self.shed = 0
        self._patience = patience
        # When each that waits is turned away, and what tells it whether it has its turn.
        self._queue: deque[tuple[float, asyncio.Future[bool]]] = deque()
        # One timer for all that wait: with one each, to wait took three times as much of a busy worker's time.
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def enter(self) -> bool:
        """Takes a turn if one is free; every turn that is taken is to be left."""
        if self.running < self.most_running:
            self.running += 1
            return True
        return False

    async def wait(self) -> bool:
        """Waits for a turn; says whether there was one in time."""
        if len(self._queue) >= self.most_waiting:
            self.shed += 1
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        entry = (loop.time() + self._patience, turn)
        self._queue.append(entry)
        if self._alarm is None:
            self._alarm = loop.call_at(entry[0], self._turn_away)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):
                    # Whoever left meanwhile may have passed over it already.
                    self._queue.remove(entry)
            elif turn.result():
                # It came in the very moment in which the wait ended.
                self.leave()
            raise

    def _turn_away(self) -> None:
        """Tells those who have waited long enough, and sees to the next."""
        loop = asyncio.get_running_loop()
        while self._queue and self._queue[0][0] <= loop.time():
            _, turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(False)
                self.shed += 1
        self._alarm = loop.call_at(self._queue[0][0], self._turn_away) if self._queue else None

    def leave(self) -> None:
        """Gives a turn back, to the one who waits longest."""
        while self._queue:
            _, turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.running -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Holds a turn for an operation of a socket or a stream. Raises Overloaded."""
        if not self.enter() and not await self.wait():
            raise Overloaded(MESSAGE)
        try:
            yield
        finally:
            self.leave()


class Shedding:
    """Lets through what the gate takes on, and answers the rest with 503 and when to come again."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gate
        kind = scope["type"]
        if kind == "lifespan" or scope["path"].startswith(NEVER_SHED):
            await self._app(scope, receive, send)
        elif kind == "websocket" or accepts(scope, OPEN_STREAM):
            if gate.streams >= gate.most_streams:
                gate.shed += 1
                await refuse(scope, receive, send)
                return
            gate.streams += 1
            try:
                await self._app(scope, receive, send)
            finally:
                gate.streams -= 1
        elif gate.enter() or await gate.wait():
            try:
                await self._app(scope, receive, send)
            finally:
                gate.leave()
        else:
            await refuse(scope, receive, send)


def accepts(scope: Scope, media: bytes) -> bool:
    return media in headers_of(scope).get(b"accept", b"")


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Turns a client away, in the form that it expects an answer in."""
    body = GRAPHQL_BODY if scope["path"] == PATH else REST_BODY
    media = RESPONSE_JSON if accepts(scope, RESPONSE_JSON) else JSON
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(RETRY_AFTER).encode()),
        (b"cache-control", b"no-store"),
    ]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1013, "reason": MESSAGE})
