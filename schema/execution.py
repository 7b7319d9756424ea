"""Executes operations: a query or a mutation for its one answer, a subscription for as many as there are events."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any

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
from resolvers.cache import Moment, name_answer
from resolvers.context import Context
from resolvers.deadline import Deadline
from schema.answer import Answer
from schema.document import TooCostly, check_kind, parse_document, select_operation, validate
from schema.errors import format_error
from schema.observer import Observer, Operation
from schema.root import Schema
from schema.sharing import Sharing, selection_of

# Holds one of the turns that there are at a time.
Turn = Callable[[], AbstractAsyncContextManager[None]]
# Charges the client for an operation of that cost. Raises SocietyError.
Charge = Callable[[int], Awaitable[None]]


async def execute(
    schema: Schema,
    operation: Operation,
    context: Context,
    *,
    deadline: float,
    only_queries: bool = False,
    may_write: bool = True,
    charge: Charge | None = None,
) -> Answer:
    """Executes an operation within `deadline` seconds; whatever goes wrong becomes part of the answer.

    Raises NotAllowed for a mutation where only queries are taken, Forbidden for one of a caller who may not write,
    and what `charge` raises.
    """
    observer = schema.observer
    permitted = {"only_queries": only_queries, "may_write": may_write}
    if observer is None:
        return await attempt(schema, operation, context, deadline, charge, **permitted)
    began = observer.begin(operation)
    answer = None
    try:
        answer = await attempt(schema, operation, context, deadline, charge, **permitted)
        return answer
    finally:
        observer.end(began, operation, context, answer)


async def attempt(
    schema: Schema,
    operation: Operation,
    context: Context,
    deadline: float,
    charge: Charge | None,
    *,
    only_queries: bool,
    may_write: bool,
) -> Answer:
    """Executes an operation that nobody watches; see `execute`."""
    try:
        selected = select_operation(parse_document(operation.document), operation.name)
        check_kind(selected, only_queries=only_queries, may_write=may_write)
        cost = measure(schema, operation)
        if charge:
            await charge(cost)
        until = asyncio.get_running_loop().time() + deadline
        if selected.operation is OperationType.QUERY and context.moment:
            answer = await recall(schema, operation, context, context.moment, until)
        else:
            answer = await run(schema, operation, context, until)
        return tell(schema, answer, cost) if operation.tells_cost else answer
    except TooCostly as error:
        return excess(error)
    except GraphQLError as error:
        return rejection([error], otherwise="GRAPHQL_PARSE_FAILED")
    except BadInput as error:
        return failure(error)
    except TimeoutError:
        return failure(DeadlineExceeded(f"The request took longer than {deadline:g} s. Ask for less, or try again."))


def measure(schema: Schema, operation: Operation) -> int:
    """Gives what an operation costs. Raises TooCostly."""
    if schema.meter is None:
        return 0
    return schema.meter.check(operation.document, operation.name, operation.variables)


def tell(schema: Schema, answer: Answer, cost: int) -> Answer:
    """Adds to an answer what it cost."""
    if schema.meter is None:
        return answer
    told = {"cost": {"requested": cost, "limit": schema.meter.limits.cost}}
    return Answer({**answer.payload, "extensions": told}, executed=answer.executed)


def excess(error: TooCostly) -> Answer:
    """Answers an operation that asks for too much."""
    payload = failure(error).payload
    if error.cost:
        payload["errors"][0]["extensions"]["cost"] = error.cost
        payload["extensions"] = {"cost": error.cost}
    return Answer(payload, executed=False)


async def recall(schema: Schema, operation: Operation, context: Context, moment: Moment, until: float) -> Answer:
    """Answers a query with what was answered before, if that still holds; Redis is given its own time for it."""
    name = name_answer(schema.edition, operation.document, operation.name, variables=operation.variables)
    if name is None:
        return await run(schema, operation, context, until)
    if json := await moment.find(name, (operation.document, operation.name)):
        return Answer(json=json)
    answer = await run(schema, operation, context, until)
    if answer.executed and not answer.errors:
        moment.keep(name, answer.json)
    return answer


async def run(schema: Schema, operation: Operation, context: Context, until: float) -> Answer:
    """Executes an operation by its plan if it has one, else by graphql-core.

    Raises TimeoutError when it isn't done `until` then, on the event loop's clock.
    """
    document, name, variables = operation.document, operation.name, operation.variables
    result: Any = None
    with Deadline(until) as context.deadline:
        if schema.planner:
            result = await schema.planner.execute(document, name, variables, context)
        if result is None:
            result = await schema.execute(document, variables, context, operation_name=name)
    errors = result.errors or []
    if isinstance(result, PreExecutionError):
        return rejection(errors, otherwise="GRAPHQL_VALIDATION_FAILED")
    # Errors of execution have a path; those of the variables' values have none.
    if result.data is None and not any(error.path for error in errors):
        return rejection(errors, otherwise=BadInput.code)
    return response(result.data, errors)


def subscribe(
    schema: Schema,
    operation: Operation,
    make_context: Callable[[], Context],
    *,
    deadline: float,
    sharing: Sharing,
    only_queries: bool = False,
    may_write: bool = True,
    turn: Turn = nullcontext,
    charge: Charge | None = None,
) -> AsyncGenerator[Answer]:
    """Executes an operation of any kind and yields its answers, the only one or those of a subscription as they come.

    An answer that was not executed is the last one: the operation never began, or its source of events failed.
    A query or a mutation has `deadline` seconds, a subscription no end; it is executed within a `turn` and costs a
    `charge`, which may raise SocietyError. Whoever stops early closes the generator.
    Subscriptions with the same `sharing` whose sources yield the same object share its answer.

    Raises NotAllowed, at once, for a mutation where only queries and subscriptions are taken, and Forbidden for one
    of a caller who may not write.
    """
    try:
        document = parse_document(operation.document)
        selected = select_operation(document, operation.name)
        check_kind(selected, only_queries=only_queries, may_write=may_write, streaming=True)
        measure(schema, operation)
    except TooCostly as error:
        return only(excess(error))
    except GraphQLError as error:
        return only(rejection([error], otherwise="GRAPHQL_PARSE_FAILED"))
    except BadInput as error:
        return only(failure(error))
    if selected.operation is OperationType.SUBSCRIPTION:
        return follow(schema._schema, document, operation, make_context, sharing, schema.observer)
    return execute_once(schema, operation, make_context, deadline, turn, charge)


async def only(answer: Answer) -> AsyncGenerator[Answer]:
    yield answer


async def execute_once(
    schema: Schema,
    operation: Operation,
    make_context: Callable[[], Context],
    deadline: float,
    turn: Turn,
    charge: Charge | None,
) -> AsyncGenerator[Answer]:
    try:
        async with turn():
            answer = await execute(schema, operation, make_context(), deadline=deadline, charge=charge)
    except SocietyError as error:
        answer = failure(error)
    yield answer


async def follow(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: Operation,
    make_context: Callable[[], Context],
    sharing: Sharing,
    observer: Observer | None,
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
        answer = breakdown(error)
        if observer:
            observer.fail(operation, answer)
        yield answer


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
    extensions = {"code": error.code, **error.extensions}
    return Answer({"errors": [{"message": error.message, "extensions": extensions}]}, executed=False)
