"""What the schema serves is what the contract promises."""

from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLSchema,
    build_schema,
    is_specified_scalar_type,
    print_ast,
)

from schema import root

SNAPSHOT = Path(root.__file__).with_name("schema.graphql")

# Promised by the contract and not served by this version.
NOT_YET = {
    "types": {"IntFilter"},
    "fields": set[str](),
}  # fmt: skip


def default(argument: GraphQLArgument) -> str:
    value = argument.ast_node and argument.ast_node.default_value
    return f" = {print_ast(value)}" if value else ""


def promises(schema: GraphQLSchema) -> dict[str, str]:
    """Every name of a schema with its type: types, fields, arguments, input fields and enum values."""
    found: dict[str, str] = {}
    for name, kind in schema.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(kind):
            continue
        interfaces = sorted(each.name for each in getattr(kind, "interfaces", ()))
        found[name] = f"{type(kind).__name__} {interfaces}"
        if isinstance(kind, GraphQLEnumType):
            found |= {f"{name}.{value}": "value" for value in kind.values}
        for field_name, field in getattr(kind, "fields", {}).items():
            found[f"{name}.{field_name}"] = str(field.type)
            if not isinstance(kind, GraphQLInputObjectType):
                found |= {
                    f"{name}.{field_name}({argument})": f"{each.type}{default(each)}"
                    for argument, each in field.args.items()
                }
    return found


def test_the_committed_schema_is_the_one_served():
    assert SNAPSHOT.read_text() == root.print_schema(), "run `make schema` and look at what changed"


def test_every_name_of_the_contract_is_served_with_its_type(shared: Path):
    contract = promises(build_schema((shared / "contract" / "schema.graphql").read_text()))
    served = promises(build_schema(root.print_schema()))
    missing = NOT_YET["types"] | NOT_YET["fields"]
    expected = {
        name: kind
        for name, kind in contract.items()
        if name.partition(".")[0] not in NOT_YET["types"] and name.partition("(")[0] not in NOT_YET["fields"]
    }
    assert {name: served.get(name) for name in expected} == expected
    assert not missing & served.keys(), "served by now: take them off the list"


def test_everything_served_is_described():
    schema = build_schema(root.print_schema())
    bare = []
    for name in promises(schema):
        kind, _, field = name.partition("(")[0].partition(".")
        described = schema.type_map[kind]
        if field and hasattr(described, "fields"):
            described = described.fields[field]
        if not described.description and kind not in {"DateTime", "JSON"}:
            bare.append(name)
    assert not bare
