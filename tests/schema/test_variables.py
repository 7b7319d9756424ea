"""Values of variables, read by VariableReader and by graphql-core."""

from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, get_variable_values, parse
from graphql.execution.values import VariableValues
from hypothesis import given
from hypothesis import strategies as st

from schema.root import build_schema
from schema.variables import MOST_ERRORS, VariableReader

CORE = build_schema()._schema

SCALARS = ["ID", "String", "Boolean", "Int", "Float", "DateTime"]
TYPES = [*SCALARS, *(f"{each}!" for each in SCALARS), "[String!]", "SortDirection", "MemoryFilter", "Unheard"]
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
