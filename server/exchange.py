"""One request from its first byte to its last: its id, its place in a trace, and how it went."""

import logging
import re
import secrets
from contextvars import ContextVar
from itertools import count
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.headers import headers_of
from server.metrics import Metrics

log = logging.getLogger("ecs.requests")

SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# They are asked for all day long, and say nothing of what clients do.
QUIET = ("/health", "/metrics")

# Requests of a worker are numbered: a random number for each would cost more than all else here.
PREFIX = secrets.token_hex(6)
numbers = count(1)


class Exchange:
    """What is known of a request; `codes` are those of the errors that it was answered with."""

    __slots__ = ("codes", "id", "kind", "operation", "parent", "started", "status", "traceparent")

    def __init__(self, id: str, traceparent: tuple[str, str] | None, parent: bytes | None) -> None:
        self.id = id
        self.traceparent = traceparent
        self.parent = parent
        self.started = perf_counter()
        self.status = 0
        self.operation: str | None = None
        self.kind: str | None = None
        self.codes: list[str] | None = None

    def fields(self) -> dict[str, Any]:
        """What the log says with every line of the request."""
        found: dict[str, Any] = {"request_id": self.id}
        if self.traceparent:
            found |= {"trace_id": self.traceparent[0], "span_id": self.traceparent[1]}
        return found


current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def open_exchange(headers: dict[bytes, bytes]) -> Exchange:
    """Takes the id and the trace that a client sends, if they are sound."""
    id = trace = parent = None
    if (value := headers.get(b"x-request-id")) and SANE_ID.fullmatch(value):
        id = value.decode()
    if (value := headers.get(b"traceparent")) and (match := TRACEPARENT.fullmatch(value)):
        trace, parent = (match[1].decode(), match[2].decode()), value
    return Exchange(id or f"{PREFIX}-{next(numbers):x}", trace, parent)


# Browsers take no answer for anything but what its Content-Type says: no data for a script.
AS_TOLD = (b"x-content-type-options", b"nosniff")


class Exchanges:
    """The outermost layer: gives each request its id, counts its response and, if `tells`, logs it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, tells: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._tells = tells

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        exchange = open_exchange(headers_of(scope))
        token = current.set(exchange)

        async def answer(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", exchange.id.encode()), AS_TOLD]
            await send(message)

        socket = scope["type"] == "websocket"
        self._metrics.sockets += socket
        try:
            await self._app(scope, receive, answer)
        finally:
            current.reset(token)
            self._metrics.sockets -= socket
            if exchange.status or not socket:
                # Without a status the client was gone, or the server's last resort answers with 500.
                self._metrics.responses[exchange.status or 500] += 1
            if self._tells:
                self._tell(scope, exchange)

    def _tell(self, scope: Scope, exchange: Exchange) -> None:
        path = scope["path"]
        if path.startswith(QUIET) and exchange.status == 200:
            return
        fields = exchange.fields() | {
            "method": scope.get("method", "WEBSOCKET"),
            "path": path,
            "status": exchange.status or None,
            "duration": round(perf_counter() - exchange.started, 6),
            "operation": exchange.operation,
            "kind": exchange.kind,
            "codes": exchange.codes,
        }
        told = {name: value for name, value in fields.items() if value is not None}
        log.info("request", extra={"fields": told})
