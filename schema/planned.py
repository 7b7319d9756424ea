"""The way of operations that are compiled: the plan is kept, graphql-core's part is what surrounds it."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import strawberry
from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    located_error,
    visit,
)
from graphql.execution.values import VariableValues
from strawberry.types.execution import PreExecutionError

from resolvers.context import Context
from resolvers.plan import Selection
from resolvers.run import Run
from schema.compiler import Compiler, Conditions, NotPlanned
from schema.document import REMEMBERED, parse_document, select_operation, validate
from schema.variables import VariableReader


@dataclass(frozen=True, slots=True)
class Prepared:
    """What of an operation is the same for all variables; `errors` say what is wrong with its document."""

    errors: list[GraphQLError]
    operation: OperationDefinitionNode
    variables: VariableReader
    fragments: dict[str, FragmentDefinitionNode]
    conditions: tuple[str, ...]


class Planner:
    """Executes the queries and mutations of one schema by plans, which are kept by document, name and conditions.

    `fallbacks` counts the operations that were left to graphql-core, by the reason.
    """

    def __init__(self, schema: strawberry.Schema, *, introspection: bool = True) -> None:
        self._schema = schema
        self._introspection = introspection
        self.fallbacks: Counter[str] = Counter()
        self._prepare = lru_cache(maxsize=REMEMBERED)(self._prepare_anew)
        self._compile = lru_cache(maxsize=REMEMBERED)(self._compile_anew)

    async def execute(
        self, document: str, name: str | None, variables: dict[str, Any] | None, context: Context
    ) -> ExecutionResult | None:
        """Executes an operation, or gives None if it is one for graphql-core."""
        prepared = self._prepare(document, name)
        if prepared.errors:
            return PreExecutionError(None, prepared.errors)
        operation = prepared.operation
        given = prepared.variables.read(variables or {})
        if isinstance(given, list):
            return ExecutionResult(None, given)
        plan = self._compile(document, name, tuple(given.coerced.get(each) for each in prepared.conditions))
        if isinstance(plan, str):
            return self._leave(plan)
        run = Run(given, context.loaders)
        if operation.operation is OperationType.MUTATION:
            data, told = await run.act(plan, context)
        else:
            data, told = await run.answer(plan)
        errors = [located_error(each.error, each.field.nodes, list(each.path)) for each in told]
        return ExecutionResult(data, errors or None)

    def _prepare_anew(self, document: str, name: str | None) -> Prepared:
        parsed = parse_document(document)
        operation = select_operation(parsed, name)
        fragments = {each.name.value: each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)}
        conditions = Conditions()
        for part in (operation, *fragments.values()):
            visit(part, conditions)
        errors = validate(self._schema._schema, parsed, introspection=self._introspection)
        variables = VariableReader(self._schema._schema, operation.variable_definitions or ())
        return Prepared(errors, operation, variables, fragments, tuple(sorted(conditions.names)))

    def _leave(self, reason: str) -> None:
        self.fallbacks[reason] += 1

    def _compile_anew(self, document: str, name: str | None, conditions: tuple[Hashable, ...]) -> Selection | str:
        """Compiles an operation, or gives the reason why it cannot be."""
        prepared = self._prepare(document, name)
        coerced = dict(zip(prepared.conditions, conditions, strict=True))
        try:
            values = VariableValues({}, coerced)
            return Compiler(self._schema, prepared.operation, prepared.fragments, values).compile()
        except NotPlanned as reason:
            return str(reason)
        except GraphQLError:
            return "condition"
