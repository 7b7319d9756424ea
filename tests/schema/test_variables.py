"""Values of variables, read by VariableReader and by graphql-core."""

from collections.abc import Sequence
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    VariableDefinitionNode,
    get_variable_values,
    is_required_input_field,
    parse,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues
from hypothesis import given
from hypothesis import strategies as st

from schema.root import build_schema
from schema.variables import MOST_ERRORS, VariableReader

CORE = build_schema()._schema

SCALARS = ["ID", "String", "Boolean", "Int", "Float", "DateTime"]
TYPES = [*SCALARS, *(f"{each}!" for each in SCALARS), "[String!]", "SortDirection", "MemoryFilter", "Unheard"]
INPUTS = [each for each in CORE.type_map.values() if isinstance(each, GraphQLInputObjectType)]
DEFAULTS = ["", "", "", " = null", " = 7", ' = "text"']
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**32), 2**32),
    st.sampled_from([-(2**31) - 1, -(2**31), 2**31 - 1, 2**31]),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.text(max_size=5), max_size=2),
    st.sampled_from(["DESC", {}, {"content": {"eq": "x"}}]),
)


@given(
    definitions=st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(DEFAULTS)), max_size=4),
    values=st.dictionaries(st.sampled_from(["v0", "v1", "v2", "v3", "more"]), VALUES),
)
def test_values_are_read_as_graphql_core_reads_them(definitions: list[tuple[str, str]], values: dict[str, Any]):
    operation = operation_of(*(f"{type}{default}" for type, default in definitions))
    expected = get_variable_values(CORE, operation.variable_definitions or (), values, MOST_ERRORS)
    found = VariableReader(CORE, operation.variable_definitions or ()).read(values)
    assert tell(found) == tell(expected)


@given(data=st.data(), kind=st.sampled_from(INPUTS), form=st.sampled_from(["{}", "{}!", "[{}!]!", "[{}]"]))
def test_inputs_are_read_as_graphql_core_reads_them(data: st.DataObject, kind: GraphQLInputObjectType, form: str):
    definitions = operation_of(form.format(kind.name)).variable_definitions or ()
    values = {"v0": data.draw(inputs(definitions_type(definitions)))}
    expected = get_variable_values(CORE, definitions, values, MOST_ERRORS)
    assert tell(VariableReader(CORE, definitions).read(values)) == tell(expected)


def definitions_type(definitions: Sequence[VariableDefinitionNode]) -> GraphQLInputType:
    signature = get_variable_signature(CORE, definitions[0])
    assert not isinstance(signature, GraphQLError)
    return signature.type


SOUND = {
    "ID": st.text(max_size=3),
    "String": st.text(max_size=3),
    "Boolean": st.booleans(),
    "Int": st.integers(-9, 9),
    "Float": st.floats(-1, 1) | st.integers(-9, 9),
    "DateTime": st.sampled_from(["2024-05-01T10:00:00Z", "2024-05-01"]),
    "Duration": st.sampled_from(["P1D", "PT1H"]),
}


@st.composite
def inputs(draw: st.DrawFn, kind: GraphQLInputType, depth: int = 0) -> Any:
    """Values of a type, with a fault here and there."""
    if draw(st.integers(0, 19)) == 0:
        return draw(VALUES)
    if isinstance(kind, GraphQLNonNull):
        return draw(inputs(kind.of_type, depth))
    if draw(st.integers(0, 9)) == 0:
        return None
    if isinstance(kind, GraphQLList):
        items = st.lists(inputs(kind.of_type, depth + 1), max_size=2 if depth < 4 else 0)
        return draw(items | inputs(kind.of_type, depth + 1) if draw(st.integers(0, 9)) == 0 else items)
    if isinstance(kind, GraphQLEnumType):
        return draw(st.sampled_from([*kind.values, "NONE"]))
    if not isinstance(kind, GraphQLInputObjectType):
        return draw(SOUND.get(kind.name, VALUES))
    found: dict[str, Any] = {"unheard": 1} if draw(st.integers(0, 19)) == 0 else {}
    for name, field in kind.fields.items():
        if draw(st.integers(0, 9)) < (9 if is_required_input_field(field) else 4 if depth < 4 else 0):
            found[name] = draw(inputs(field.type, depth + 1))
    return found


def test_sound_inputs_are_not_led_through_graphql_core(monkeypatch: Any):
    reader = VariableReader(CORE, operation_of("AddMemoriesInput!").variable_definitions or ())
    monkeypatch.delattr("schema.variables.get_variable_values")
    memory = {"agent": "ada", "content": "Met Bo.", "importance": 0.5, "about": ["bo"]}
    found: Any = reader.read({"v0": {"memories": [memory]}})
    assert found.coerced["v0"]["memories"][0].items() >= memory.items()


def tell(read: VariableValues | list[GraphQLError]) -> str:
    """Writes what was read, in which NaN is like NaN."""
    if isinstance(read, list):
        return "\n".join(map(str, read))
    sources = {
        name: (source.signature.name, source.signature.type, source.value) for name, source in read.sources.items()
    }
    return f"{sources}\n{read.coerced}"


def test_plain_values_are_not_led_through_graphql_core(monkeypatch: Any):
    definitions = operation_of("ID!", "String", "Boolean!", "Int", "Float!", "String").variable_definitions or ()
    reader = VariableReader(CORE, definitions)
    monkeypatch.delattr("schema.variables.get_variable_values")
    values = {"v0": "agent:1", "v1": None, "v2": True, "v3": 20, "v4": 0.5, "more": 1}
    found: Any = reader.read(values)
    assert found.coerced == {name: values[name] for name in ("v0", "v1", "v2", "v3", "v4")}


def operation_of(*types: str) -> OperationDefinitionNode:
    """The operation with a variable of each type, called v0, v1 and so on."""
    named = ", ".join(f"$v{number}: {type}" for number, type in enumerate(types))
    document = parse(f"query({named}) {{ __typename }}" if types else "{ __typename }")
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation
