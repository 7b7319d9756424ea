"""The values of an operation's variables: sound ones are read at a glance, the others by graphql-core."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    get_variable_values,
    is_required_input_field,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_value

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

# Gives a value as coercion would, or Undefined for one that needs a closer look.
Read = Callable[[Any], Any]


class Known(NamedTuple):
    """A variable without a default."""

    name: str
    read: Read
    nullable: bool
    signature: GraphQLVariableSignature


class VariableReader:
    """Coerces the values that are given for one operation's variables."""

    def __init__(self, schema: GraphQLSchema, definitions: Collection[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._definitions = definitions
        known = [describe(schema, each) for each in definitions]
        self._known = [each for each in known if each] if all(known) else None

    def read(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Gives the values, or what is wrong with those that were given."""
        if self._known is not None and (values := read_sound(self._known, given)):
            return values
        return get_variable_values(self._schema, self._definitions, dict(given), MOST_ERRORS)


def describe(schema: GraphQLSchema, definition: VariableDefinitionNode) -> Known | None:
    """Tells what is to be known of a variable; None if its values need a closer look."""
    signature = get_variable_signature(schema, definition)
    if isinstance(signature, GraphQLError) or signature.default:
        return None
    kind: Any = signature.type
    return Known(signature.name, reader_of(kind), not isinstance(kind, GraphQLNonNull), signature)


def read_sound(variables: Collection[Known], given: Mapping[str, Any]) -> VariableValues | None:
    """Coerces values; None if there are some among them that need a closer look."""
    sources, coerced = dict[str, VariableValueSource](), dict[str, Any]()
    for name, read, nullable, signature in variables:
        if name in given:
            value = given[name]
            found = coerced[name] = read(value)
            if found is Undefined:
                return None
            sources[name] = VariableValueSource(signature, value)
        elif nullable:
            sources[name] = VariableValueSource(signature)
        else:
            return None
    return VariableValues(sources, coerced)


@lru_cache(maxsize=4096)
def reader_of(kind: GraphQLInputType, within: tuple[GraphQLInputType, ...] = ()) -> Read:
    """Makes the function that reads values of a type; `within` are the inputs that hold them."""
    if isinstance(kind, GraphQLNonNull):
        inner = reader_of(kind.of_type, within)
        return lambda value: Undefined if value is None else inner(value)
    if isinstance(kind, GraphQLList):
        return list_reader(reader_of(kind.of_type, within))
    if isinstance(kind, GraphQLInputObjectType):
        # How deep what holds its like may go is for graphql-core to say.
        return object_reader(kind, (*within, kind)) if kind not in within and not kind.is_one_of else odd
    if is_plain := PLAIN.get(kind.name):
        return lambda value: value if value is None or is_plain(value) else Undefined
    return lambda value: coerce_input_value(value, kind)


def odd(value: Any) -> Any:
    return None if value is None else Undefined


def list_reader(read: Read) -> Read:
    def read_list(value: Any) -> Any:
        if value.__class__ is not list:
            return odd(value)
        found = [read(each) for each in value]
        return Undefined if any(each is Undefined for each in found) else found

    return read_list


def object_reader(kind: GraphQLInputObjectType, within: tuple[GraphQLInputType, ...]) -> Read:
    fields = [
        (name, field.out_name or name, reader_of(field.type, within), left_out(field))
        for name, field in kind.fields.items()
    ]
    names, make = kind.fields.keys(), kind.out_type

    def read_object(value: Any) -> Any:
        if value.__class__ is not dict:
            return odd(value)
        if not value.keys() <= names:
            return Undefined
        found = dict[str, Any]()
        for name, own, read, otherwise in fields:
            if name in value:
                each = read(value[name])
            elif otherwise:
                each = otherwise()
            else:
                continue
            if each is Undefined:
                return Undefined
            found[own] = each
        return make(found)

    return read_object


def left_out(field: GraphQLInputField) -> Callable[[], Any] | None:
    """Makes the function that gives what a field is where it was left out, Undefined if it may not be.

    None for one that is left out then as well.
    """
    if is_required_input_field(field):
        return lambda: Undefined
    return None if coerce_default_value(field) is Undefined else lambda: coerce_default_value(field)
