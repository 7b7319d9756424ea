"""GraphQL over HTTP, as the specification of that name lays it out.

A request that is no GraphQL request is answered with 400 or another 4xx. A GraphQL request that failed
before execution is answered with 400 to clients that take application/graphql-response+json, and with 200
to those that only know application/json. Clients that like text/event-stream best get a stream of events.
"""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from graph.errors import BadInput, DeadlineExceeded, Internal, SocietyError
from resolvers.context import Context
from resolvers.documents import Documents
from schema.answer import Answer
from schema.document import NotAllowed
from schema.execution import Operation, execute, failure, subscribe
from schema.root import Schema
from schema.sharing import Sharing
from server.graphiql import graphiql_page, wants_page
from server.sse import EVENT_STREAM, EventStream

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"

LARGEST_BODY = 1_048_576
STATUS = {DeadlineExceeded.code: 504, Internal.code: 500}

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


class GraphQLEndpoint:
    """Answers GraphQL requests of one schema. `make_context` gives each request its loaders."""

    def __init__(
        self,
        schema: Schema,
        make_context: Callable[[], Context],
        *,
        deadline: float,
        documents: Documents | None = None,
    ) -> None:
        self._schema = schema
        self._make_context = make_context
        self._deadline = deadline
        self._documents = documents or Documents(None)
        self._sharing = Sharing()

    async def answer(self, request: Request) -> Response:
        if wants_page(request):
            return graphiql_page(request)
        media = negotiate(", ".join(request.headers.getlist("accept")))
        if media is None:
            return reject(
                HttpError(406, f"Accept: this address answers {RESPONSE_JSON}, {PLAIN_JSON} or {EVENT_STREAM}."),
                PLAIN_JSON,
            )
        try:
            operation = await complete(self._documents, await read_operation(request))
            if media == EVENT_STREAM:
                return EventStream(self._subscribe(operation, only_queries=request.method != "POST"))
            answer = await execute(
                self._schema,
                operation,
                self._make_context(),
                deadline=self._deadline,
                only_queries=request.method != "POST",
            )
        except (HttpError, SocietyError) as error:
            return refuse(error, media)
        return respond(answer, media)

    def _subscribe(self, operation: Operation, *, only_queries: bool) -> AsyncGenerator[Answer]:
        return subscribe(
            self._schema,
            operation,
            self._make_context,
            deadline=self._deadline,
            sharing=self._sharing,
            only_queries=only_queries,
        )


def respond(answer: Answer, media: str) -> Response:
    """Writes an answer; clients of plain JSON read from the body, not from the status, how it went."""
    try:
        body = answer.json
    except BadInput as error:
        return respond(failure(error), media)
    if answer.executed or media == PLAIN_JSON:
        return write(body, media, 200)
    return write(body, media, STATUS.get(answer.payload["errors"][0]["extensions"]["code"], 400))


def refuse(error: HttpError | SocietyError, media: str) -> Response:
    """Answers a request whose operation did not get as far as to be executed."""
    match error:
        case HttpError():
            return reject(error, media)
        case NotAllowed():
            return reject(HttpError(405, error.message, {"Allow": "POST"}), media)
        case _:
            return respond(failure(error), PLAIN_JSON if media == EVENT_STREAM else media)


def reject(error: HttpError, media: str) -> Response:
    """Refuses what is no GraphQL request, with a status also where a stream of events was asked for."""
    media = PLAIN_JSON if media == EVENT_STREAM else media
    return write(failure(BadInput(error.message)).json, media, error.status, error.headers)


def write(body: bytes, media: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, {"Content-Type": f"{media}; charset=utf-8", "Vary": "Accept"} | (headers or {}))


def negotiate(accept: str) -> str | None:
    """Chooses the media type of the response: the one that the client likes best, the first of equals."""
    if not accept:
        return PLAIN_JSON
    qualities = dict(map(read_range, accept.lower().split(",")))

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


async def read_operation(request: Request) -> Operation:
    """Reads what a request asks to have executed. Raises HttpError."""
    if request.method == "POST":
        check_headers(request)
        return to_operation(decode(await read_body(request), what="body"))
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = decode(parameters[name].encode(), what=name)
    return to_operation(parameters)


def check_headers(request: Request) -> None:
    media, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if media.strip() != PLAIN_JSON:
        raise HttpError(415, f"Content-Type: send the request as {PLAIN_JSON}.")
    charset = parameters.partition("charset=")[2].strip(' "')
    if charset not in {"", "utf-8", "utf8"}:
        raise HttpError(415, "Content-Type: the charset must be utf-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(415, "Content-Encoding: send the request uncompressed.", {"Accept-Encoding": "identity"})


async def read_body(request: Request) -> bytes:
    """Reads the body, no more of it than is taken."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise HttpError(413, f"body: {LARGEST_BODY} bytes at most. Send several requests.")
    except ClientDisconnect:
        raise HttpError(400, "body: cut short.") from None
    return bytes(body)


def decode(text: bytes, *, what: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise HttpError(400, f"{what}: not JSON: {error}.") from None


def to_operation(request: Any) -> Operation:
    """Checks a request's parameters, by the names that the specification gives them."""
    if not isinstance(request, dict):
        raise HttpError(400, "body: must be a JSON object with the member query.")
    for name, kind, said in PARAMETERS:
        value = request.get(name)
        if value is not None and not isinstance(value, kind):
            raise HttpError(400, f"{name}: must be {said}.")
    document, hash = request.get("query"), read_hash(request.get("extensions"))
    if not isinstance(document, str) and (document is not None or hash is None):
        raise HttpError(400, "query: must be the text of a GraphQL document.")
    return Operation(document or "", request.get("variables"), request.get("operationName"), hash)


def read_hash(extensions: dict[str, Any] | None) -> str | None:
    """Reads the name of a persisted query, if a request has one."""
    match (extensions or {}).get("persistedQuery"):
        case None:
            return None
        case {"version": 1, "sha256Hash": str(hash)} if re.fullmatch(r"[0-9A-Za-z_:-]{1,128}", hash):
            return hash
        case _:
            raise HttpError(400, "extensions.persistedQuery: must have version 1 and the SHA-256 as sha256Hash.")


async def complete(documents: Documents, operation: Operation) -> Operation:
    """Finds the document that an operation names. Raises SocietyError."""
    text = operation.document or (None if operation.hash else "")
    return replace(operation, document=await documents.find(text, operation.hash))
