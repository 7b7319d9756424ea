"""The values of an operation's variables: plain ones are seen to be right at a glance, the others by graphql-core."""

from collections.abc import Callable, Collection, Mapping
from math import isfinite
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLNonNull, GraphQLSchema, VariableDefinitionNode, get_variable_values
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

# As many as graphql-core tells of.
MOST_ERRORS = 50

# By the names of scalars, what is certainly a value that coercion leaves as it is.
PLAIN: dict[str, Callable[[Any], bool]] = {
    "ID": lambda value: value.__class__ is str,
    "String": lambda value: value.__class__ is str,
    "Boolean": lambda value: value.__class__ is bool,
    "Int": lambda value: value.__class__ is int and -(2**31) <= value < 2**31,
    "Float": lambda value: value.__class__ is float and isfinite(value),
}


class Plain(NamedTuple):
    """A variable of a scalar's type, without a default."""

    name: str
    is_plain: Callable[[Any], bool]
    nullable: bool
    signature: GraphQLVariableSignature


class VariableReader:
    """Coerces the values that are given for one operation's variables."""

    def __init__(self, schema: GraphQLSchema, definitions: Collection[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._definitions = definitions
        plain = [describe(schema, each) for each in definitions]
        self._plain = [each for each in plain if each] if all(plain) else None

    def read(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Gives the values, or what is wrong with those that were given."""
        if self._plain is not None and (values := read_plain(self._plain, given)):
            return values
        return get_variable_values(self._schema, self._definitions, dict(given), MOST_ERRORS)


def describe(schema: GraphQLSchema, definition: VariableDefinitionNode) -> Plain | None:
    """Tells what is to be known of a variable; None if its values need a closer look."""
    signature = get_variable_signature(schema, definition)
    if isinstance(signature, GraphQLError) or signature.default:
        return None
    kind: Any = signature.type
    nullable = not isinstance(kind, GraphQLNonNull)
    is_plain = PLAIN.get(getattr(kind if nullable else kind.of_type, "name", ""))
    return Plain(signature.name, is_plain, nullable, signature) if is_plain else None


def read_plain(variables: Collection[Plain], given: Mapping[str, Any]) -> VariableValues | None:
    """Gives values that coercion would leave as they are; None if there are others among them."""
    sources, coerced = dict[str, VariableValueSource](), dict[str, Any]()
    for name, is_plain, nullable, signature in variables:
        if name in given:
            value = given[name]
            if not (is_plain(value) or (nullable and value is None)):
                return None
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = value
        elif nullable:
            sources[name] = VariableValueSource(signature)
        else:
            return None
    return VariableValues(sources, coerced)
