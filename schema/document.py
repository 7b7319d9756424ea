"""The GraphQL document of a request: how large it may be, and which of its operations is asked for."""

from collections.abc import Iterator
from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from graph.errors import BadInput, SocietyError

# Documents whose parsing and validation are remembered.
REMEMBERED = 256
# Validating these in the costliest arrangement takes about a second; GraphiQL's own largest document has 200.
MOST_TOKENS = 2000
MOST_COMMENTS = 1000
LONGEST = 100_000


class NotAllowed(SocietyError):
    """The operation is of a kind that this way in does not take."""

    code = "BAD_USER_INPUT"


@lru_cache(maxsize=REMEMBERED)
def parse_document(text: str) -> DocumentNode:
    """Parses a document. Raises GraphQLError if it is none, or too large."""
    return parse(text, max_lexical_tokens=MOST_TOKENS, max_comments=MOST_COMMENTS, max_source_length=LONGEST)


@lru_cache(maxsize=REMEMBERED)
def validate(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    """Finds what is wrong with a document, by the rules that hold for queries and mutations."""
    return validate_document(schema, document, tuple(specified_rules))


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


def check_kind(operation: OperationDefinitionNode, *, only_queries: bool, streaming: bool = False) -> None:
    """Raises NotAllowed for a mutation where only queries are taken, BadInput for a subscription unless streaming."""
    if operation.operation is OperationType.SUBSCRIPTION and not streaming:
        raise BadInput(
            "query: subscriptions have many answers; take them as a stream, with the header Accept: "
            "text/event-stream, or over a WebSocket with the subprotocol graphql-transport-ws."
        )
    if only_queries and operation.operation is OperationType.MUTATION:
        raise NotAllowed("query: mutations change something, so send them by POST.")


class ParsedOnce(SchemaExtension):
    """Lets an execution take the document as it was parsed already."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.graphql_document = parse_document(self.execution_context.query or "")
        yield
