"""Random operations, valid by the schema: aliases, fragments, directives, variables, arguments good and bad."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from schema.execution import Operation
from tests.random_society import FRACTIONS, TIMES, WORDS

DEEPEST = 8
SIZES = (2, 1, 3, 5, 0)
SELDOM = {"after": 6, "before": 6}
NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")


@dataclass(frozen=True)
class Token:
    """A value that is written without quotes: an enum's or a variable's."""

    text: str


@dataclass
class Pools:
    """Values that mean something in the society at hand."""

    ids: list[str]
    keys: list[str]
    cursors: list[str]


@dataclass
class Draft:
    """An operation in the making."""

    schema: GraphQLSchema
    pools: Pools
    random: Random
    most: int
    variables: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, str] = field(default_factory=dict)
    fields: int = 0

    def choose(self, options: Any) -> Any:
        return self.random.choice(options)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent


def draw_operation(schema: GraphQLSchema, pools: Pools, *, seed: int, most: int) -> Operation:
    """Draws an operation of about `most` fields and the values of its variables, the same for the same seed."""
    draft = Draft(schema, pools, Random(seed), most)
    assert schema.query_type
    body = selection(draft, schema.query_type, 0)
    head = ", ".join(f"${name}: {type}" for name, type in draft.variables.items())
    text = f"query Random{f'({head})' if head else ''} {body}"
    return Operation("\n".join([text, *draft.fragments.values()]), draft.values, draft.choose([None, "Random"]))


def selection(draft: Draft, owner: Any, depth: int, prefix: str = "") -> str:
    """Draws a selection set. `prefix` keeps apart what is selected of different types in one place."""
    if (items := items_of(owner)) and draft.chance(50):
        return f"{{ {select(draft, owner, draft.choose(items), depth, prefix)} }}"
    parts = [part(draft, owner, depth, prefix) for _ in range(draft.choose([2, 1, 3, 4]))]
    return f"{{ {' '.join(parts)} }}"


def items_of(owner: Any) -> list[str]:
    """The fields of a connection or an edge that are often all that is selected of it."""
    is_listing = owner.name.endswith(("Connection", "Edge"))
    return [name for name in owner.fields if name in {"edges", "nodes", "node"}] if is_listing else []


def part(draft: Draft, owner: Any, depth: int, prefix: str) -> str:
    if draft.chance(12):
        return fragment(draft, owner, depth, prefix)
    if isinstance(owner, GraphQLAbstractType) and not draft.chance(30):
        return fragment(draft, owner, depth, prefix)
    return select_field(draft, owner, depth, prefix)


def fragment(draft: Draft, owner: Any, depth: int, prefix: str) -> str:
    """Draws a fragment on the type itself, an interface of it or a type that implements it, in line or named."""
    if isinstance(owner, GraphQLAbstractType):
        on = draft.choose(draft.schema.get_possible_types(owner))
        prefix = f"{on.name}_"
    else:
        on = draft.choose([owner, owner, *owner.interfaces])
    body = selection(draft, on, depth, prefix)
    chosen = conditions(draft)
    if draft.chance(50):
        return f"...{draft.choose(['', f' on {on.name}']) if on is owner else f' on {on.name}'}{chosen} {body}"
    name = f"F{len(draft.fragments)}"
    draft.fragments[name] = f"fragment {name} on {on.name} {body}"
    twice = f" ...{name}" if draft.chance(20) else ""
    return f"...{name}{chosen}{twice}"


def select_field(draft: Draft, owner: Any, depth: int, prefix: str) -> str:
    draft.fields += 1
    known: Mapping[str, GraphQLField] = owner.fields
    ends = depth >= DEEPEST or draft.fields >= draft.most
    leaves = [name for name, each in known.items() if is_leaf_type(inner(each))]
    onward = [] if ends else [name for name in known if name not in leaves]
    if onward and (not leaves or draft.chance(55 if depth else 100)):
        name = draft.choose(onward)
    else:
        name = "__typename" if not leaves or draft.chance(8) else draft.choose(leaves)
    if name == "__typename":
        return f"{alias(draft, prefix, name, '')}{name}{conditions(draft)}"
    return select(draft, owner, name, depth, prefix)


def select(draft: Draft, owner: Any, name: str, depth: int, prefix: str) -> str:
    """Selects a field, with whatever its arguments may be and something of what it leads to."""
    definition = owner.fields[name]
    given = arguments(draft, definition)
    body = "" if is_leaf_type(inner(definition)) else " " + selection(draft, inner(definition), depth + 1)
    return f"{alias(draft, prefix, name, given)}{name}{given}{conditions(draft)}{body}"


def inner(definition: GraphQLField) -> Any:
    return get_named_type(definition.type)


def alias(draft: Draft, prefix: str, name: str, given: str) -> str:
    """Gives equal names to equal fields alone, so that they can be merged."""
    if given:
        return f"{prefix}{name}_{zlib.crc32(given.encode()):x}: "
    if prefix:
        return f"{prefix}{name}: "
    return f"also_{name}: " if draft.chance(25) else ""


def conditions(draft: Draft) -> str:
    """Draws @skip and @include."""
    found = ""
    if draft.chance(12):
        for directive in draft.choose([["skip"], ["include"], ["skip", "include"]]):
            found += f" @{directive}(if: {condition(draft)})"
    return found


def condition(draft: Draft) -> str:
    if draft.chance(40):
        return draft.choose(["true", "false"])
    names = [name for name, type in draft.variables.items() if type.startswith("Boolean")]
    if names and draft.chance(50):
        return f"${draft.choose(names)}"
    name = f"v{len(draft.variables)}"
    value = draft.choose([True, False])
    if draft.chance(30):
        draft.variables[name] = f"Boolean = {json.dumps(value)}"
        if draft.chance(4):
            draft.values[name] = None
    else:
        draft.variables[name] = "Boolean!"
        draft.values[name] = value
    return f"${name}"


def arguments(draft: Draft, definition: GraphQLField) -> str:
    given = {
        name: lifted(draft, argument, value_of(draft, argument.type, name))
        for name, argument in definition.args.items()
        if name in chosen_arguments(draft, definition)
    }
    return f"({', '.join(f'{name}: {literal(value)}' for name, value in given.items())})" if given else ""


def chosen_arguments(draft: Draft, definition: GraphQLField) -> set[str]:
    """Draws which arguments are given; seldom some that exclude each other."""
    chosen = {name for name, argument in definition.args.items() if is_required_argument(argument)}
    optional = set(definition.args) - chosen
    if optional == {"id", "key"} and draft.chance(97):
        return {draft.choose(["key", "id"])}
    window = {draft.choose(["first", "first", "last"])} if draft.chance(60) else set()
    likely = {name for name in sorted(optional - {"first", "last"}) if draft.chance(SELDOM.get(name, 25))}
    return chosen | (optional & window) | likely


def lifted(draft: Draft, argument: GraphQLArgument, value: Any) -> Any:
    """Makes a value a variable's, now and then: given, left to its default, null, or of a wrong type."""
    if not draft.chance(35):
        return value
    name = f"v{len(draft.variables)}"
    draft.variables[name] = str(argument.type)
    nullable = not isinstance(argument.type, GraphQLNonNull)
    if draft.chance(25):
        draft.variables[name] = f"{str(argument.type).removesuffix('!')} = {literal(value)}"
        if draft.chance(30):
            draft.values[name] = plain(value_of(draft, argument.type, name))
    elif nullable and draft.chance(20):
        if draft.chance(50):
            draft.values[name] = None
    elif draft.chance(4):
        draft.values[name] = draft.choose([{"nothing": 1}, [[1]], 1.5, None])
    else:
        draft.values[name] = plain(value)
    return Token(f"${name}")


def value_of(draft: Draft, type: Any, name: str, depth: int = 0) -> Any:
    """Draws a value of an input type."""
    if isinstance(type, GraphQLNonNull):
        return value_of(draft, type.of_type, name, depth)
    if isinstance(type, GraphQLList):
        return [value_of(draft, type.of_type, name, depth) for _ in range(draft.choose([1, 1, 2, 3, 0]))]
    if isinstance(type, GraphQLEnumType):
        return Token(draft.choose(list(type.values)))
    if isinstance(type, GraphQLInputObjectType):
        return object_of(draft, type, depth)
    return scalar_of(draft, type.name, name)


def object_of(draft: Draft, type: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
    """Draws an input: orders mostly of one field, filters of a few and not too deep."""
    names = [
        name
        for name, each in type.fields.items()
        if depth < 2 or not isinstance(get_named_type(each.type), GraphQLInputObjectType)
    ]
    most = 1 if type.name.endswith("Order") and not draft.chance(3) else draft.choose([1, 2, 0])
    chosen = {draft.choose(names) for _ in range(most)} if names else set()
    return {
        name: None if name == "eq" and draft.chance(20) else value_of(draft, type.fields[name].type, name, depth + 1)
        for name in sorted(chosen)
        if type.fields[name].default_value is Undefined
    }


def scalar_of(draft: Draft, type: str, name: str) -> Any:
    pools = draft.pools
    match type, name:
        case "Int", _:
            return draft.choose([-1, 1001, 2**31 - 1]) if draft.chance(3) else draft.choose(SIZES)
        case "Float", _:
            return draft.choose(FRACTIONS)
        case "Boolean", _:
            return draft.choose([True, False])
        case "DateTime", _:
            return draft.choose([*TIMES, "2024-02-29T12:00:00+05:30"])
        case "ID", _:
            return draft.choose(
                ["nonsense", "", "Agent:nobody"]
                if draft.chance(8)
                else [*pools.ids, "Topic:tea", "Community:LEIDEN:agent_0"]
            )
        case _, "after" | "before":
            return "nonsense" if draft.chance(5) else draft.choose(pools.cursors)
        case _, "key" | "withAgent" | "aboutAgent" | "agent" | "with" | "from" | "to":
            return "nobody" if draft.chance(5) else draft.choose(pools.keys)
        case _:
            return draft.choose(WORDS)


def literal(value: Any) -> str:
    """Writes a value as GraphQL does."""
    match value:
        case Token():
            return value.text
        case dict():
            return "{" + ", ".join(f"{name}: {literal(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case _:
            return json.dumps(value)


def plain(value: Any) -> Any:
    """Writes a value as JSON does."""
    match value:
        case Token():
            return value.text
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case _:
            return value
