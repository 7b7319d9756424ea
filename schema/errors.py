"""How errors reach clients: `extensions.code` says what kind each is; what is unknown is masked."""

import logging
from typing import Any
from uuid import uuid4

from graphql import GraphQLError, GraphQLSyntaxError

from graph.errors import Internal, SocietyError

log = logging.getLogger("ecs.errors")

MASKED = "Something went wrong on the server. The log has the details under error id {id}."


def format_error(error: GraphQLError) -> dict[str, Any]:
    """Writes an error as the GraphQL specification lays it out, with a code of ours."""
    code, message = classify(error)
    formatted: dict[str, Any] = {"message": message}
    if error.locations:
        formatted["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        formatted["path"] = list(error.path)
    formatted["extensions"] = {"code": code, **(error.extensions or {})}
    return formatted


def classify(error: GraphQLError) -> tuple[str, str]:
    """Tells an error's code and the message that clients may read."""
    cause = error.original_error
    if isinstance(cause, GraphQLError):
        cause = cause.original_error
    match cause:
        case None if isinstance(error, GraphQLSyntaxError):
            return "GRAPHQL_PARSE_FAILED", error.message
        case None if error.path is None and error.nodes and not error.message.startswith("Variable "):
            return "GRAPHQL_VALIDATION_FAILED", error.message
        case None if error.path is None:
            return "BAD_USER_INPUT", error.message
        case SocietyError() if not isinstance(cause, Internal):
            return cause.code, cause.message
        case _:
            return "INTERNAL", mask(cause or error)


def mask(error: BaseException) -> str:
    """Logs an unknown error under an id, which is all that the client learns of it."""
    id = uuid4().hex[:12]
    log.error("error %s: %s: %s", id, type(error).__name__, error, exc_info=error)
    return MASKED.format(id=id)
