"""What web pages may do: of which origins they may be, and by which names they may ask for this server.

A page of any origin may send requests to a server on its reader's machine, and may even be of that server's own
origin if its name resolves to the loopback (DNS rebinding). Pages of others are not told what is answered unless
their origin is listed; requests that name another host than this one are refused.
"""

from collections.abc import Collection
from ipaddress import ip_address

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from graph.errors import BadInput
from schema.execution import failure
from server.headers import headers_of
from server.responses import Written
from server.statuses import PLAIN_JSON

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY = "*"

SENT = ["Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent", "tracestate"]
TOLD = [
    "RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "WWW-Authenticate",
    "X-Request-ID",
]  # fmt: skip
# Seconds for which a browser need not ask again whether it may.
REMEMBERED = 600


def read_hosts(text: str | None, host: str, *, authenticates: bool) -> frozenset[str] | None:
    """Reads by which names the server may be asked for, with commas between; None for any.

    Unless they are listed, it is by this machine's own where it listens to this machine alone and asks nobody who
    they are: a page that got in by its name would have no key, either.
    """
    listed = {each.strip().lower() for each in (text or "").split(",") if each.strip()}
    if ANY in listed or (not listed and (authenticates or not is_local(host))):
        return None
    return LOCAL | listed | {host}


def is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allow_origins(origins: Collection[str]) -> list[Middleware]:
    """Lets pages of these origins read what is answered."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=SENT,
            expose_headers=TOLD,
            max_age=REMEMBERED,
        )
    ]


class Hosts:
    """Refuses requests and sockets that name another host; probes of health may name any."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"].startswith("/health"):
            await self._app(scope, receive, send)
            return
        named = headers_of(scope).get(b"host", b"").decode("latin-1").lower()
        # The port is none of the name; an address of IPv6 has colons of its own, in brackets.
        host = named[: named.rfind("]") + 1] or named.partition(":")[0]
        if host in self._allowed:
            await self._app(scope, receive, send)
            return
        message = f"Host: {host[:100]!r} is no name of this server. If it is one, add it to ECS_ALLOWED_HOSTS."
        if scope["type"] == "websocket":
            await receive()
        await Written(failure(BadInput(message)).json, PLAIN_JSON, 421)(scope, receive, send)
