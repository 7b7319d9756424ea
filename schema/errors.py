"""How errors reach clients: `extensions.code` says what kind each is; what is unknown is masked."""

import logging
import re
from typing import Any
from uuid import uuid4

from graphql import FieldNode, GraphQLError

from graph.errors import BadInput, Internal, SocietyError

log = logging.getLogger("ecs.errors")

MASKED = "Something went wrong on the server. The log has the details under error id {id}."

# What GraphQL says of a fault repeats what was sent, with each of many faults anew.
LONGEST = 1000

# A suggestion tells names that the client did not ask for.
SUGGESTION = re.compile(r" Did you mean [^?]*\?")


def format_error(error: GraphQLError, *, otherwise: str = BadInput.code) -> dict[str, Any]:
    """Writes an error as the GraphQL specification lays it out, with a code of ours.

    `otherwise` is the code of what GraphQL itself finds wrong with a request.
    """
    cause = cause_of(error)
    code, message = classify(error, cause, otherwise)
    formatted: dict[str, Any] = {"message": message}
    if error.locations:
        formatted["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        formatted["path"] = list(error.path)
    formatted["extensions"] = {"code": code, **(error.extensions or {})}
    if isinstance(cause, SocietyError) and cause.path:
        formatted["extensions"]["inputPath"] = list(cause.path)
    return formatted


def cause_of(error: GraphQLError) -> BaseException | None:
    """Finds what was raised, if it was not GraphQL's own error."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def classify(error: GraphQLError, cause: BaseException | None, otherwise: str) -> tuple[str, str]:
    """Tells an error's code and the message that clients may read."""
    match cause:
        case SocietyError() if not isinstance(cause, Internal):
            return cause.code, error.message
        case None if concerns_request(error):
            return otherwise, shorten(SUGGESTION.sub("", error.message))
        case _:
            return Internal.code, mask(cause or error)


def shorten(message: str) -> str:
    return message if len(message) <= LONGEST else message[: LONGEST - 1] + "…"


def concerns_request(error: GraphQLError) -> bool:
    """Says whether GraphQL found fault with the request, an argument's value included, not with an answer."""
    return error.path is None or (bool(error.nodes) and not isinstance(error.nodes[0], FieldNode))


def mask(error: BaseException) -> str:
    """Logs an unknown error under an id, which is all that the client learns of it."""
    id = uuid4().hex[:12]
    log.error("error %s: %s: %s", id, type(error).__name__, error, exc_info=error)
    return MASKED.format(id=id)
