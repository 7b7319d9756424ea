"""Executes operations: a query or a mutation for its one answer, a subscription for as many as there are events."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
)
from graphql.execution import Executor
from strawberry.types.execution import PreExecutionError

from graph.errors import BadInput, DeadlineExceeded, SocietyError
from resolvers.context import Context
from schema.answer import Answer
from schema.document import check_kind, parse_document, select_operation, validate
from schema.errors import format_error
from schema.root import Schema
from schema.sharing import Sharing, selection_of


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asks to have executed."""

    document: str
    variables: dict[str, Any] | None = None
    name: str | None = None
    hash: str | None = None


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
        async with asyncio.timeout(deadline) as context.timeout:
            result = await run(schema, operation, context)
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
    return response(result.data, errors)


async def run(schema: strawberry.Schema, operation: Operation, context: Context) -> Any:
    """Executes an operation by its plan if it has one, else by graphql-core."""
    document, name, variables = operation.document, operation.name, operation.variables
    if isinstance(schema, Schema) and schema.planner:
        result = await schema.planner.execute(document, name, variables, context.loaders)
        if result is not None:
            return result
    return await schema.execute(document, variables, context, operation_name=name)


def subscribe(
    schema: strawberry.Schema,
    operation: Operation,
    make_context: Callable[[], Context],
    *,
    deadline: float,
    sharing: Sharing,
    only_queries: bool = False,
) -> AsyncGenerator[Answer]:
    """Executes an operation of any kind and yields its answers, the only one or those of a subscription as they come.

    An answer that was not executed is the last one: the operation never began, or its source of events failed.
    A query or a mutation has `deadline` seconds, a subscription no end. Whoever stops early closes the generator.
    Subscriptions with the same `sharing` whose sources yield the same object share its answer.

    Raises NotAllowed, at once, for a mutation where only queries and subscriptions are taken.
    """
    try:
        document = parse_document(operation.document)
        selected = select_operation(document, operation.name)
        check_kind(selected, only_queries=only_queries, streaming=True)
    except GraphQLError as error:
        return only(rejection([error], otherwise="GRAPHQL_PARSE_FAILED"))
    except BadInput as error:
        return only(failure(error))
    if selected.operation is OperationType.SUBSCRIPTION:
        return follow(schema._schema, document, operation, make_context, sharing)
    return execute_once(schema, operation, make_context, deadline)


async def only(answer: Answer) -> AsyncGenerator[Answer]:
    yield answer


async def execute_once(
    schema: strawberry.Schema, operation: Operation, make_context: Callable[[], Context], deadline: float
) -> AsyncGenerator[Answer]:
    yield await execute(schema, operation, make_context(), deadline=deadline)


async def follow(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: Operation,
    make_context: Callable[[], Context],
    sharing: Sharing,
) -> AsyncGenerator[Answer]:
    """Yields a subscription's answers, one for each event of its source."""
    if errors := validate(schema, document):
        yield rejection(errors, otherwise="GRAPHQL_VALIDATION_FAILED")
        return
    try:
        executor = Executor.build(
            schema,
            document,
            context_value=make_context(),
            raw_variable_values=operation.variables,
            operation_name=operation.name,
        )
        if isinstance(executor, list):
            yield rejection(executor, otherwise=BadInput.code)
            return
        source: Any = create_source_event_stream(executor)
        if executor.is_awaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            yield rejection(source.errors or [], otherwise=BadInput.code)
            return
        selection = selection_of(operation.document, operation.name, operation.variables or {})
        async with aclosing(source) as events:
            async for event in events:
                yield await sharing.share(selection, event, lambda event: answer_event(executor, event, make_context()))
    except Exception as error:
        yield breakdown(error)


async def answer_event(executor: Executor, event: Any, context: Context) -> Answer:
    """Executes the selection on an event, in a context of its own: what was loaded for earlier ones is out of date."""
    each = executor.build_per_event_executor(event)
    each.context_value = context
    result: Any = execute_subscription_event(each)
    if each.is_awaitable(result):
        result = await result
    return response(result.data, result.errors or [])


def response(data: dict[str, Any] | None, errors: Sequence[GraphQLError]) -> Answer:
    """Answers what execution gave, errors of fields included."""
    payload: dict[str, Any] = {"data": data}
    if errors:
        payload["errors"] = [format_error(error) for error in errors]
    return Answer(payload)


def rejection(errors: Sequence[GraphQLError], *, otherwise: str) -> Answer:
    """Answers a request whose execution never began; `otherwise` is the code of errors that have none."""
    return Answer({"errors": [format_error(error, otherwise=otherwise) for error in errors]}, executed=False)


def breakdown(error: Exception) -> Answer:
    """Answers that something was raised, masked unless it is an error of ours."""
    return rejection([GraphQLError(str(error), original_error=error)], otherwise=BadInput.code)


def failure(error: SocietyError) -> Answer:
    """Answers a request that never got to its operation."""
    return Answer({"errors": [{"message": error.message, "extensions": {"code": error.code}}]}, executed=False)
