"""How GraphQL requests are read: from the headers, bodies and query strings of HTTP, and from messages of sockets."""

import re
from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope

from resolvers.documents import Documents
from schema.observer import Operation
from server.headers import headers_of
from server.sse import EVENT_STREAM
from server.statuses import PLAIN_JSON, RESPONSE_JSON, UNPROCESSABLE

PATH = "/graphql"
LARGEST_BODY = 1_048_576
# Clients of one kind send the same headers all day long.
REMEMBERED = 64

WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")

# What a request may hold beside the document.
PARAMETERS = (
    ("variables", dict, "a JSON object"),
    ("extensions", dict, "a JSON object"),
    ("operationName", str, "a string"),
)


class HttpError(Exception):
    """A request that is no GraphQL request: the status and the reason."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


@lru_cache(REMEMBERED)
def negotiate(accept: bytes) -> str | None:
    """Chooses the media type of the response: the one that the client likes best, the first of equals."""
    if not accept:
        return PLAIN_JSON
    qualities = dict(map(read_range, accept.decode("latin-1").lower().split(",")))

    def quality(media: str) -> float:
        # The most specific range that matches is the one that counts.
        return next((qualities[each] for each in (media, "application/*", "*/*") if each in qualities), 0.0)

    named = [each for each in qualities if each in {RESPONSE_JSON, PLAIN_JSON, EVENT_STREAM}]
    best = max([*named, PLAIN_JSON, RESPONSE_JSON], key=quality)
    return best if quality(best) else None


def read_range(text: str) -> tuple[str, float]:
    """Reads a media range and how much the client likes it; parameters other than q are ignored."""
    name, *parameters = (part.strip() for part in text.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    return name, float(weight) if WEIGHT.fullmatch(weight) else 1.0


async def read_operation(scope: Scope, receive: Receive, largest: int = LARGEST_BODY) -> Operation:
    """Reads what a request of `largest` bytes at most asks to have executed. Raises HttpError."""
    if scope["method"] == "POST":
        headers = headers_of(scope)
        check_headers(headers.get(b"content-type", b""), headers.get(b"content-encoding", b"identity"))
        return to_operation(decode(await read_body(receive, largest), what="body"))
    parameters: dict[str, Any] = dict(QueryParams(scope["query_string"]))
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = decode(parameters[name].encode(), what=name)
    return to_operation(parameters)


@lru_cache(REMEMBERED)
def check_headers(content_type: bytes, encoding: bytes) -> None:
    """Sees whether a body is of a kind that is read. Raises HttpError."""
    media, _, parameters = content_type.decode("latin-1").lower().partition(";")
    if media.strip() != PLAIN_JSON:
        raise HttpError(415, f"Content-Type: send the request as {PLAIN_JSON}.")
    charset = parameters.partition("charset=")[2].strip(' "')
    if charset not in {"", "utf-8", "utf8"}:
        raise HttpError(415, "Content-Type: the charset must be utf-8.")
    if encoding.lower() != b"identity":
        raise HttpError(415, "Content-Encoding: send the request uncompressed.", {"Accept-Encoding": "identity"})


async def read_body(receive: Receive, largest: int) -> bytes:
    """Reads the body, no more of it than is taken. Raises HttpError."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "body: cut short.")
        body += message.get("body", b"")
        if len(body) > largest:
            raise HttpError(413, f"body: {largest} bytes at most. Send several requests.")
        if not message.get("more_body"):
            return body


def decode(text: bytes, *, what: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise HttpError(400, f"{what}: not JSON: {error}.") from None


def to_operation(request: Any) -> Operation:
    """Checks a request's parameters, by the names that the specification gives them."""
    if not isinstance(request, dict):
        raise HttpError(UNPROCESSABLE, "body: must be a JSON object with the member query.")
    for name, kind, said in PARAMETERS:
        value = request.get(name)
        if value is not None and not isinstance(value, kind):
            raise HttpError(UNPROCESSABLE, f"{name}: must be {said}.")
    extensions = request.get("extensions") or {}
    document, hash = request.get("query"), read_hash(extensions)
    if not isinstance(document, str) and (document is not None or hash is None):
        raise HttpError(UNPROCESSABLE, "query: must be the text of a GraphQL document.")
    return Operation(
        document or "", request.get("variables"), request.get("operationName"), hash, extensions.get("cost") is True
    )


def read_hash(extensions: dict[str, Any]) -> str | None:
    """Reads the name of a persisted query, if a request has one."""
    match extensions.get("persistedQuery"):
        case None:
            return None
        case {"version": 1, "sha256Hash": str(hash)} if re.fullmatch(r"[0-9A-Za-z_:-]{1,128}", hash):
            return hash
        case _:
            said = "must have version 1 and the SHA-256 as sha256Hash."
            raise HttpError(UNPROCESSABLE, f"extensions.persistedQuery: {said}")


async def complete(documents: Documents, operation: Operation) -> Operation:
    """Finds the document that an operation names. Raises SocietyError."""
    text = operation.document or (None if operation.hash else "")
    found = await documents.find(text, operation.hash)
    return operation if found == operation.document else operation._replace(document=found)
