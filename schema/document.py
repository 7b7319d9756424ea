"""The GraphQL document of a request: how large it may be, and which of its operations is asked for."""

from collections.abc import Iterator
from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    parse,
    specified_rules,
)
from graphql import validate as find_faults
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graph.errors import BadInput, SocietyError
from schema.overlaps import overlaps_too_much

# Documents whose parsing and validation are remembered.
REMEMBERED = 256
# What is parsed at all; how much of it is taken, the limits say.
MOST_TOKENS = 10_000
MOST_COMMENTS = 1000
LONGEST = 100_000
# Faults of a document that clients are told of.
MOST_FAULTS = 20

RULES = (
    *(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule),
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)


class NotAllowed(SocietyError):
    """The operation is of a kind that this way in does not take."""

    code = "BAD_USER_INPUT"


class Forbidden(SocietyError):
    """The caller is known, and may not do this."""

    code = "FORBIDDEN"


@lru_cache(maxsize=REMEMBERED)
def parse_document(text: str) -> DocumentNode:
    """Parses a document. Raises GraphQLError if it is none, or too large."""
    return parse(text, max_lexical_tokens=MOST_TOKENS, max_comments=MOST_COMMENTS, max_source_length=LONGEST)


class TooCostly(SocietyError):
    """An operation asks for more than is allowed; `requested` and `limit` are costs, if it is the cost."""

    code = "QUERY_TOO_COSTLY"

    def __init__(self, message: str, cost: dict[str, int] | None = None) -> None:
        super().__init__(message)
        self.cost = cost


@lru_cache(maxsize=REMEMBERED)
def validate(schema: GraphQLSchema, document: DocumentNode, *, introspection: bool = True) -> list[GraphQLError]:
    """Finds what is wrong with a document; asking for the schema itself is, without introspection."""
    rules = (*RULES, *(() if introspection else (NoSchemaIntrospectionCustomRule,)))
    if faults := find_faults(schema, document, rules, MOST_FAULTS, hide_suggestions=True):
        return faults
    # The only rule that takes more than a moment, and only on documents without cycles.
    if overlaps_too_much(document):
        error = TooCostly("query: asks for the same fields too often. Ask for each once, or send several smaller ones.")
        return [GraphQLError(error.message, original_error=error)]
    return find_faults(schema, document, (OverlappingFieldsCanBeMergedRule,), MOST_FAULTS, hide_suggestions=True)


def select_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Finds the operation that a request names, or the only one. Raises BadInput."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name is None:
        if len(operations) == 1:
            return operations[0]
        if operations:
            raise BadInput("operationName: missing; the document holds several operations, so name one of them.")
        raise BadInput("query: the document holds no operation, only definitions.")
    for operation in operations:
        if operation.name and operation.name.value == name:
            return operation
    raise BadInput(f"operationName: the document holds no operation named {name[:60]!r}.")


def check_kind(
    operation: OperationDefinitionNode, *, only_queries: bool, may_write: bool = True, streaming: bool = False
) -> None:
    """Raises NotAllowed for a mutation where only queries are taken, BadInput for a subscription unless streaming.

    Raises Forbidden for a mutation of a caller who may not write.
    """
    if operation.operation is OperationType.SUBSCRIPTION and not streaming:
        raise BadInput(
            "query: subscriptions have many answers; take them as a stream, with the header Accept: "
            "text/event-stream, or over a WebSocket with the subprotocol graphql-transport-ws."
        )
    if only_queries and operation.operation is OperationType.MUTATION:
        raise NotAllowed("query: mutations change something, so send them by POST.")
    if operation.operation is OperationType.MUTATION and not may_write:
        raise Forbidden("query: mutations need the scope write.")


class ParsedOnce(SchemaExtension):
    """Lets an execution take the document as it was parsed already."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.graphql_document = parse_document(self.execution_context.query or "")
        yield
