"""How a field's arguments become its step: once and for all, or from the variables of each operation."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any

from graphql import FieldNode, GraphQLField, Node, Undefined, VariableNode, Visitor, visit
from graphql.execution.values import VariableValues, coerce_argument

from schema.inputs import tree_reader

# Makes a field's step, or what it does, from an operation's variables.
Bind = Callable[[VariableValues], Any]

# The types of values, or of none, that take no room to speak of.
SHORT = frozenset({bool, int, float, NoneType, type(Undefined)})


class Argument:
    """An argument of a field: where its value stands, and what its name is in Python."""

    def __init__(self, node: FieldNode, field: GraphQLField, name: str, python: str) -> None:
        self._node = node
        self._name = name
        self.python = python
        self._definition = field.args[name]
        self._given = next((each for each in node.arguments or () if each.name.value == name), None)
        value = self._given and self._given.value
        self._variable = value.name.value if isinstance(value, VariableNode) else None
        # Strawberry's own objects in between would cost the most of all.
        self._read = tree_reader(self._definition.type)

    @property
    def variables(self) -> set[str]:
        """The names of the variables that decide on the value."""
        return Variables.of(self._given) if self._given else set()

    def read(self, variables: VariableValues) -> dict[str, Any]:
        """Gives the value under its name, nothing if it was left out. Raises GraphQLError."""
        value = variables.coerced.get(self._variable) if self._variable else None
        if value is None:
            found = dict[str, Any]()
            coerce_argument(found, self._node, self._name, self._definition, self._given, variables, None)
            if not found:
                return {}
            (value,) = found.values()
        return {self.python: value if value is None or self._read is None else self._read(value)}


def bind_arguments(
    make: Callable[..., Any], arguments: Sequence[Argument], conditions: VariableValues, cursors: Sequence[str]
) -> Bind:
    """Gives the function that calls `make` with a field's arguments, or what it made of them before.

    The values of those that no variable decides on are read here, which may raise GraphQLError. `cursors` are the
    arguments that differ from page to page: what is made of the others takes them by its method `between`.
    """
    varying = [each for each in arguments if each.variables]
    fixed = read_all([each for each in arguments if each not in varying], conditions)
    late = [each for each in varying if each.python in cursors]
    early = [each for each in varying if each not in late]

    def bind(variables: VariableValues) -> Any:
        return make(**fixed, **read_all(early, variables))

    bound = remembering(bind, early) if early else once(bind, conditions)
    return between(bound, late) if late else bound


def read_all(arguments: Sequence[Argument], variables: VariableValues) -> dict[str, Any]:
    given = dict[str, Any]()
    for argument in arguments:
        given |= argument.read(variables)
    return given


def once(bind: Bind, conditions: VariableValues) -> Bind:
    """Binds what no variable decides on."""
    try:
        step = bind(conditions)
    except Exception:
        # It is raised anew each time, because an exception that is kept grows with every raise.
        return bind
    return lambda _: step


def remembering(bind: Bind, arguments: Sequence[Argument]) -> Bind:
    """Binds anew only what was not bound lately. Texts are not remembered: they are long, and seldom come again."""
    names = sorted({name for each in arguments for name in each.variables})

    def bound(variables: VariableValues) -> Any:
        values = [variables.coerced.get(name, Undefined) for name in names]
        return bind_again(bind, *names, *values) if SHORT.issuperset(map(type, values)) else bind(variables)

    return bound


@lru_cache(maxsize=4096, typed=True)
def bind_again(bind: Bind, *given: Any) -> Any:
    """Binds for variables: their names come first, then their values."""
    half = len(given) // 2
    values = zip(given[:half], given[half:], strict=True)
    return bind(VariableValues({}, {name: value for name, value in values if value is not Undefined}))


def between(bind: Bind, cursors: Sequence[Argument]) -> Bind:
    """Lets what is bound take its cursors, if there are any this time."""

    def bound(variables: VariableValues) -> Any:
        step, given = bind(variables), read_all(cursors, variables)
        return step.between(**given) if given else step

    return bound


class Variables(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    @classmethod
    def of(cls, node: Node) -> set[str]:
        collector = cls()
        visit(node, collector)
        return collector.names

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
