"""Executes an operation for one request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from graph.errors import BadInput, DeadlineExceeded, SocietyError
from resolvers.context import Context
from schema.document import check_kind, parse_document, select_operation
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
        selected = select_operation(parse_document(operation.document), operation.name)
        check_kind(selected, only_queries=only_queries)
        async with asyncio.timeout(deadline):
            result = await schema.execute(
                operation.document,
                variable_values=operation.variables,
                context_value=context,
                operation_name=operation.name,
            )
    except GraphQLError as error:
        return rejection([error], otherwise="GRAPHQL_PARSE_FAILED")
    except BadInput as error:
        return failure(error)
    except TimeoutError:
        return failure(DeadlineExceeded(f"The request took longer than {deadline:g} s. Ask for less, or try again."))
    errors = result.errors or []
    if isinstance(result, PreExecutionError):
        return rejection(errors, otherwise="GRAPHQL_VALIDATION_FAILED")
    # Errors of execution have a path; those of the variables' values have none.
    if result.data is None and not any(error.path for error in errors):
        return rejection(errors, otherwise=BadInput.code)
    payload: dict[str, Any] = {"data": result.data}
    if errors:
        payload["errors"] = [format_error(error) for error in errors]
    return Answer(payload)


def rejection(errors: Sequence[GraphQLError], *, otherwise: str) -> Answer:
    """Answers a request whose execution never began; `otherwise` is the code of errors that have none."""
    return Answer({"errors": [format_error(error, otherwise=otherwise) for error in errors]}, executed=False)


def failure(error: SocietyError) -> Answer:
    """Answers a request that never got to its operation."""
    return Answer({"errors": [{"message": error.message, "extensions": {"code": error.code}}]}, executed=False)
