"""Executes an operation for one request."""

import asyncio
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from graph.errors import DeadlineExceeded, SocietyError
from resolvers.context import Context
from schema.errors import format_error


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asks to have executed."""

    document: str
    variables: dict[str, Any] | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as the GraphQL specification lays it out. `executed` is False if it failed before it began."""

    payload: dict[str, Any]
    executed: bool = True


class NotAllowed(SocietyError):
    """The operation is of a kind that this way in does not take."""

    code = "BAD_USER_INPUT"


QUERIES = frozenset({OperationType.QUERY})
QUERIES_AND_MUTATIONS = frozenset({OperationType.QUERY, OperationType.MUTATION})


async def execute(
    schema: strawberry.Schema,
    operation: Operation,
    context: Context,
    *,
    deadline: float,
    only_queries: bool = False,
) -> Answer:
    """Executes an operation within `deadline` seconds; whatever goes wrong becomes part of the answer.

    Raises NotAllowed for a mutation where only queries are taken.
    """
    try:
        async with asyncio.timeout(deadline):
            result = await schema.execute(
                operation.document,
                variable_values=operation.variables,
                context_value=context,
                operation_name=operation.name,
                allowed_operation_types=QUERIES if only_queries else QUERIES_AND_MUTATIONS,
            )
    except TimeoutError:
        return failure(DeadlineExceeded(f"The request took longer than {deadline:g} s. Ask for less, or try again."))
    except InvalidOperationTypeError as error:
        raise NotAllowed(error.as_http_error_reason("GET")) from error
    except CannotGetOperationTypeError as error:
        return Answer({"errors": [format_error(GraphQLError(error.as_http_error_reason()))]}, executed=False)
    errors = result.errors or []
    # Errors of execution have a path; those before it have none.
    executed = result.data is not None or any(error.path for error in errors)
    payload: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        payload["errors"] = [format_error(error) for error in errors]
    return Answer(payload, executed)


def failure(error: SocietyError) -> Answer:
    """Answers a request that never got to its operation."""
    return Answer({"errors": [{"message": error.message, "extensions": {"code": error.code}}]}, executed=False)
