"""GraphQL over HTTP, as the specification of that name lays it out.

A request that is no GraphQL request is answered with 400 or another 4xx. A GraphQL request that failed
before execution is answered with 400 to clients that take application/graphql-response+json, and with 200
to those that only know application/json.
"""

from collections.abc import Callable
from typing import Any

import orjson
import strawberry
from starlette.requests import Request
from starlette.responses import Response

from graph.errors import BadInput, DeadlineExceeded
from resolvers.context import Context
from schema.execution import Answer, NotAllowed, Operation, execute, failure
from server.graphiql import graphiql_page, wants_page

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"


class HttpError(Exception):
    """A request that is no GraphQL request: the status and the reason."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class GraphQLEndpoint:
    """Answers GraphQL requests of one schema. `make_context` gives each request its loaders."""

    def __init__(self, schema: strawberry.Schema, make_context: Callable[[], Context], *, deadline: float) -> None:
        self._schema = schema
        self._make_context = make_context
        self._deadline = deadline

    async def answer(self, request: Request) -> Response:
        if wants_page(request):
            return graphiql_page(request)
        try:
            media = negotiate(request.headers.get("accept", ""))
        except HttpError as error:
            return reject(error, PLAIN_JSON)
        try:
            operation = await read_operation(request)
            answer = await execute(
                self._schema,
                operation,
                self._make_context(),
                deadline=self._deadline,
                only_queries=request.method != "POST",
            )
        except HttpError as error:
            return reject(error, media)
        except NotAllowed as error:
            return reject(HttpError(405, error.message, {"Allow": "POST"}), media)
        status = 200 if answer.executed or media == PLAIN_JSON else status_of(answer)
        return respond(answer, media, status)


def status_of(answer: Answer) -> int:
    """The status of a request that failed before execution."""
    return 504 if answer.payload["errors"][0]["extensions"]["code"] == DeadlineExceeded.code else 400


def respond(answer: Answer, media: str, status: int, headers: dict[str, str] | None = None) -> Response:
    content_type = f"{media}; charset=utf-8"
    return Response(
        orjson.dumps(answer.payload), status, {"Content-Type": content_type, "Vary": "Accept"} | (headers or {})
    )


def reject(error: HttpError, media: str) -> Response:
    return respond(failure(BadInput(error.message)), media, error.status, error.headers)


def negotiate(accept: str) -> str:
    """Chooses the media type of the response. Raises HttpError 406 if the client takes neither."""
    if not accept:
        return PLAIN_JSON
    ranges = [each.partition(";") for each in accept.lower().split(",")]
    taken = [name.strip() for name, _, parameters in ranges if not parameters.replace(" ", "").endswith("q=0")]
    for name in taken:
        if name == RESPONSE_JSON:
            return RESPONSE_JSON
        if name in {PLAIN_JSON, "application/*", "*/*"}:
            return PLAIN_JSON
    raise HttpError(406, f"Accept: this address answers {RESPONSE_JSON} or {PLAIN_JSON}.")


async def read_operation(request: Request) -> Operation:
    """Reads what a request asks to have executed. Raises HttpError."""
    if request.method == "POST":
        return to_operation(await read_body(request))
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = decode(parameters[name].encode(), what=name)
    return to_operation(parameters)


async def read_body(request: Request) -> Any:
    content_type = request.headers.get("content-type", "").lower()
    media, _, parameters = content_type.partition(";")
    if media.strip() != PLAIN_JSON:
        raise HttpError(415, f"Content-Type: send the request as {PLAIN_JSON}.")
    charset = parameters.partition("charset=")[2].strip(' "')
    if charset and charset not in {"utf-8", "utf8"}:
        raise HttpError(415, "Content-Type: the charset must be utf-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(415, "Content-Encoding: send the request uncompressed.")
    return decode(await request.body(), what="the body")


def decode(text: bytes, *, what: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise HttpError(400, f"{what} is not JSON: {error}") from None


def to_operation(request: Any) -> Operation:
    """Checks a request's parameters, by the names that the specification gives them."""
    if not isinstance(request, dict):
        raise HttpError(400, "The body must be a JSON object with the member query.")
    document, variables, name = (request.get(each) for each in ("query", "variables", "operationName"))
    if not isinstance(document, str):
        raise HttpError(400, "query: missing; it must be the text of a GraphQL document.")
    for what, value, kind in (("variables", variables, dict), ("extensions", request.get("extensions"), dict)):
        if value is not None and not isinstance(value, kind):
            raise HttpError(400, f"{what}: must be a JSON object.")
    if name is not None and not isinstance(name, str):
        raise HttpError(400, "operationName: must be a string.")
    return Operation(document, variables, name)
