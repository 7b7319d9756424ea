"""The layer in front of the application that lets requests and sockets in, or answers why not."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from graph.errors import SocietyError
from schema.execution import failure
from server import rest
from server.admission import ADMISSION, AccessControl
from server.graphiql import wants_page
from server.headers import headers_of
from server.refusals import STATUS, challenge, tell
from server.requests import PATH, negotiate
from server.responses import Written
from server.statuses import PLAIN_JSON, RESPONSE_JSON

# Probes ask for health without a credential, and pages must be there before one can be given to them.
OPEN = frozenset({"/health", "/health/live", "/health/ready", "/explorer"})
OPEN_FOLDER = "/static/"


class Guard:
    """Lets in what access control admits; the admission goes with the connection, under ADMISSION."""

    def __init__(self, app: ASGIApp, control: AccessControl) -> None:
        self._app, self._control = app, control

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] == "lifespan" or is_open(connection):
            await self._app(connection, receive, send)
            return
        try:
            admission = connection[ADMISSION] = await self._control.admit(connection)
        except SocietyError as error:
            await answer(error, connection)(connection, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # What one caller may read is not for caches that others share.
                headers.setdefault("Cache-Control", "private")
                if admission.verdict is not None:
                    headers.update(tell(admission.verdict))
            await send(message)

        await self._app(connection, receive, send_marked if connection["type"] == "http" else send)


def is_open(connection: Connection) -> bool:
    """Tells whether everybody may have what is asked for."""
    if connection["type"] != "http":
        return False
    path: str = connection["path"]
    if path in OPEN or path.startswith(OPEN_FOLDER):
        return True
    return path == PATH and connection["method"] in {"GET", "HEAD"} and wants_page(Request(connection))


def answer(error: SocietyError, connection: Connection) -> Response:
    """Answers why somebody is not let in, in the way of the address that was asked."""
    status, headers = STATUS[error.code], {"Cache-Control": "no-store"} | challenge(error)
    if connection["path"].startswith("/agents/"):
        refusal = rest.refuse(status, error.code, error.message)
        refusal.headers.update(headers)
        return refusal
    accepted = negotiate(headers_of(connection).get(b"accept", b""))
    media = RESPONSE_JSON if accepted == RESPONSE_JSON else PLAIN_JSON
    return Written(failure(error).json, media, status, headers)
