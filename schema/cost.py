"""What an operation costs and how far it extends, counted from its document once, and computed from its variables.

The cost is the number of objects that the answer may hold at most: lists count by `first`,
`last` or `limit`, or by how many were named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from resolvers.connections import DEFAULT_SIZE, LARGEST_SIZE

# The arguments that say how long a list may become.
SIZES = ("first", "last", "limit", "ids", "keys")
# What a list without such an argument is taken to hold.
ASSUMED = 10

META = {"__schema": "__Schema", "__type": "__Type"}


# A number, or the place in the program where it is computed.
@dataclass(frozen=True, slots=True)
class Place:
    index: int


Number = int | Place


@dataclass(frozen=True, slots=True)
class Size:
    """How long a list may become: what the variables say, in their order, else `default`."""

    names: tuple[str, ...]
    default: int

    def read(self, variables: Mapping[str, Any]) -> int:
        for name in self.names:
            match variables.get(name):
                case int() as given:
                    return bound(given)
                case list() as given:
                    return len(given)
                case _:
                    pass
        return self.default


# A sum of products, each of an earlier number and a size.
Sum = tuple[int, tuple[tuple[int, Size | int], ...]]


@dataclass(frozen=True, slots=True)
class Extent:
    """What selections add up to; `each` is the cost for every item of the list that they are made within."""

    own: Number = 0
    each: Number = 0
    depth: int = 0
    fields: int = 0
    aliases: int = 0
    top: int = 0
    directives: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """An operation's extent; `program` computes what of its cost depends on variables."""

    extent: Extent
    program: tuple[Sum, ...]

    def cost(self, variables: Mapping[str, Any]) -> int:
        if isinstance(self.extent.own, int):
            return self.extent.own
        values: list[int] = []
        for constant, parts in self.program:
            total = constant
            for index, size in parts:
                total += values[index] * (size if isinstance(size, int) else size.read(variables))
            values.append(total)
        return values[self.extent.own.index]


class Tape:
    """Measures one operation, each of its fragments once."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._known: dict[str, Extent] = {}
        self._program: list[Sum] = []
        self._defaults = {
            each.variable.name.value: read_literal(each.default_value) for each in operation.variable_definitions or ()
        }

    def measure(self, operation: OperationDefinitionNode) -> Measured:
        extent = self._walk(operation.selection_set, self._schema.get_root_type(operation.operation))
        cost = self._add((extent.own, 1), (extent.each, 1))
        directives = extent.directives + len(operation.directives or ())
        return Measured(replace(extent, own=cost, each=0, directives=directives), tuple(self._program))

    def _walk(self, selections: SelectionSetNode, parent: GraphQLNamedType | None) -> Extent:
        parts = [self._part(each, parent) for each in selections.selections]
        return Extent(
            self._add(*((each.own, 1) for each in parts)),
            self._add(*((each.each, 1) for each in parts)),
            max((each.depth for each in parts), default=0),
            sum(each.fields for each in parts),
            sum(each.aliases for each in parts),
            sum(each.top for each in parts),
            sum(each.directives for each in parts),
        )

    def _part(self, node: SelectionNode, parent: GraphQLNamedType | None) -> Extent:
        match node:
            case FieldNode():
                part = self._field(node, parent)
            case InlineFragmentNode():
                kind = node.type_condition
                part = self._walk(node.selection_set, self._schema.get_type(kind.name.value) if kind else parent)
            case FragmentSpreadNode():
                part = self._fragment(node.name.value)
            case _:
                part = Extent()
        return replace(part, directives=part.directives + len(node.directives)) if node.directives else part

    def _fragment(self, name: str) -> Extent:
        """Measures a fragment; one that is missing, or spread within itself, is for validation to refuse."""
        if name not in self._known:
            self._known[name] = Extent()
            if fragment := self._fragments.get(name):
                parent = self._schema.get_type(fragment.type_condition.name.value)
                found = self._walk(fragment.selection_set, parent)
                self._known[name] = replace(found, directives=found.directives + len(fragment.directives or ()))
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Extent:
        name, aliased = node.name.value, int(node.alias is not None)
        definition = getattr(parent, "fields", {}).get(name)
        kind = definition.type if definition else None
        named = get_named_type(kind) if kind else self._schema.get_type(META.get(name, ""))
        if node.selection_set is None or (named and is_leaf_type(named)):
            return Extent(0, 0, 1, 1, aliased, 1)
        inner = self._walk(node.selection_set, named)
        sizes = [each for each in SIZES if definition and each in definition.args]
        size = self._size(node, definition, sizes) if sizes else None
        listed = is_list_type(kind.of_type if is_non_null_type(kind) else kind)
        own, each = self._cost(inner, size, listed=listed)
        return Extent(own, each, inner.depth + 1, inner.fields + 1, inner.aliases + aliased, 1, inner.directives)

    def _cost(self, inner: Extent, size: Size | int | None, *, listed: bool) -> tuple[Number, Number]:
        """Gives a field's cost, and its cost for every item of the list that it is selected within."""
        if not listed:
            # A page holds its list; what is no page has none, and its lists are as long as is assumed.
            return self._add((1, 1), (inner.own, 1), (inner.each, ASSUMED if size is None else size)), 0
        item = self._add((1, 1), (inner.own, 1), (inner.each, ASSUMED))
        return (0, item) if size is None else (self._add((item, size)), 0)

    def _size(self, node: FieldNode, definition: Any, names: list[str]) -> Size | int:
        given = {each.name.value: each.value for each in node.arguments or ()}
        default = DEFAULT_SIZE
        for name in names:
            if isinstance(declared := definition.args[name].default_value, int):
                default = declared
        variables: list[str] = []
        for name in names:
            match given.get(name):
                case VariableNode() as variable:
                    variables.append(variable.name.value)
                    default = self._defaults.get(variable.name.value) or default
                case IntValueNode() as literal:
                    default = read_literal(literal) or 0
                case ListValueNode() as literal:
                    default = len(literal.values)
                case _:
                    pass
        return Size(tuple(variables), default) if variables else default

    def _add(self, *products: tuple[Number, Size | int]) -> Number:
        """Gives a sum of products, as a number if no variable has a part in it."""
        constant = 0
        parts: list[tuple[int, Size | int]] = []
        for number, size in products:
            if number == 0:
                continue
            if isinstance(number, int) and isinstance(size, int):
                constant += number * size
            else:
                parts.append((self._place(number), size))
        if not parts:
            return constant
        self._program.append((constant, tuple(parts)))
        return Place(len(self._program) - 1)

    def _place(self, number: Number) -> int:
        if isinstance(number, Place):
            return number.index
        self._program.append((number, ()))
        return len(self._program) - 1


def read_literal(node: Any) -> int | None:
    """Reads a whole number; the longest are not worth the time."""
    if not isinstance(node, IntValueNode):
        return None
    return bound(int(node.value)) if len(node.value) < len(str(LARGEST_SIZE)) + 1 else LARGEST_SIZE


def bound(size: int) -> int:
    """Bounds a size by what any page may have: a larger one is refused where it is read."""
    return min(max(size, 0), LARGEST_SIZE)
