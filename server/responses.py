"""How GraphQL is answered over HTTP: statuses, media types, and what a body travels in."""

from gzip import compress

from starlette.responses import Response

from graph.errors import BadInput, SocietyError
from schema.answer import Answer
from schema.document import Forbidden, NotAllowed
from schema.execution import failure
from server import refusals
from server.requests import HttpError
from server.sse import EVENT_STREAM
from server.statuses import COMMON, PLAIN_JSON, RESPONSE_JSON, Statuses

COMPRESSED_FROM = 1000
# Half the time of the highest level, for answers that are 3 % larger.
COMPRESSION = 5

OF_MEDIA = {media: f"{media}; charset=utf-8".encode() for media in (RESPONSE_JSON, PLAIN_JSON)}


class Written(Response):
    """A response whose body is there; its headers are written as they are sent."""

    def __init__(self, body: bytes, media: str, status: int, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-type", OF_MEDIA[media]),
            (b"vary", b"Accept, Accept-Encoding"),
            (b"content-length", b"%d" % len(body)),
        ]
        if headers:
            self.headers.update(headers)

    def compressed(self) -> "Written":
        """Makes it smaller, if it is large enough to be worth the while."""
        if len(self.body) >= COMPRESSED_FROM:
            self.body = compress(self.body, COMPRESSION, mtime=0)
            self.headers.update({"Content-Encoding": "gzip", "Content-Length": str(len(self.body))})
        return self


def respond(answer: Answer, media: str, statuses: Statuses = COMMON) -> Written:
    """Writes an answer; clients of plain JSON read from the body, not from the status, how it went."""
    try:
        body = answer.json
    except BadInput as error:
        return respond(failure(error), media, statuses)
    status, media = statuses.of_answer(answer, media)
    return Written(body, media, status)


def refuse(error: HttpError | SocietyError, media: str, statuses: Statuses = COMMON) -> Written:
    """Answers a request whose operation did not get as far as to be executed."""
    match error:
        case HttpError():
            return reject(error, media, statuses)
        case NotAllowed():
            return reject(HttpError(405, error.message, {"Allow": "POST"}), media, statuses)
        case Forbidden() | refusals.RateLimited():
            media = PLAIN_JSON if media == EVENT_STREAM else media
            return Written(failure(error).json, media, refusals.STATUS[error.code], refusals.challenge(error))
        case _:
            return respond(failure(error), PLAIN_JSON if media == EVENT_STREAM else media, statuses)


def reject(error: HttpError, media: str, statuses: Statuses = COMMON) -> Written:
    """Refuses what is no GraphQL request, with a status also where a stream of events was asked for."""
    media = PLAIN_JSON if media == EVENT_STREAM else media
    return Written(failure(BadInput(error.message)).json, media, statuses.of_refusal(error.status), error.headers)
