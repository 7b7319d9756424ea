"""Filters as clients write them, compiled to Cypher predicates that hold no value.

Short values come with each key `k` of what is asked, so that filters which differ in nothing else share a query; what
may be long, and would be sent with every key, is a parameter of the query.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Any

from graph.errors import BadInput
from graph.model import Agent, Interaction, Knowledge, Memory, Relationship
from graph.rows import Column, camel, column

Tree = Mapping[str, Any]

# Fields and nested filters together.
MOST_TERMS = 200
DEEPEST = 12
# Characters of a value that each key brings along.
SHORT = 100

OPERATORS = {
    "eq": "{field} = {value}",
    "in": "{field} IN {value}",
    "gt": "{field} > {value}",
    "gte": "{field} >= {value}",
    "lt": "{field} < {value}",
    "lte": "{field} <= {value}",
    "startsWith": "{field} STARTS WITH {value}",
    "contains": "{field} CONTAINS {value}",
    "endsWith": "{field} ENDS WITH {value}",
}

# Which of an agent's edges a filter can look along: the pattern from the agent, and what is found.
MATCHES: dict[str, tuple[str, type]] = {
    "memories": ("({agent})-[:REMEMBERS]->({item}:Memory)", Memory),
    "relationships": ("({agent})-[{item}:RELATES_TO]->({other}:Agent)", Relationship),
    "knowledge": ("({agent})-[:LEARNED]->({item}:Knowledge)", Knowledge),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A predicate over `n` (and `o`), and what it compares with: values of `k` and parameters, by their names."""

    text: str
    values: tuple[tuple[str, Any], ...] = ()
    parameters: tuple[tuple[str, Any], ...] = ()

    @property
    def own(self) -> bool:
        """Whether it speaks of the row alone, and of nothing that the row leads to."""
        return not re.search(r"\b[ow]\.|EXISTS", self.text)

    @property
    def open(self) -> "Filter":
        """The same without the values: what it has in common with all that share its query."""
        return Filter(self.text, parameters=self.parameters)


@dataclass(slots=True)
class Scope:
    """What a predicate speaks of: a row type, its variable and that of the agent at the other end."""

    row: type
    item: str
    other: str = "o"
    depth: int = 0


@dataclass(slots=True)
class Compiler:
    """Collects the values and parameters of one filter."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    terms: int = 0

    def name(self, value: Any) -> str:
        name, stored = f"f{len(self.values) + len(self.parameters)}", storable(value)
        if isinstance(stored, tuple) or (isinstance(stored, str) and len(stored) > SHORT):
            self.parameters[name] = stored
            return f"${name}"
        self.values[name] = stored
        return f"k.{name}"

    def all_of(self, tree: Tree, scope: Scope) -> str:
        if scope.depth > DEEPEST:
            raise BadInput(f"A filter may be nested {DEEPEST} deep at most.")
        self.terms += 1 + len(tree)
        if self.terms > MOST_TERMS:
            raise BadInput(f"A filter may hold {MOST_TERMS} conditions at most.")
        inner = Scope(scope.row, scope.item, scope.other, scope.depth + 1)
        return every([self.term(name, value, inner) for name, value in tree.items()])

    def term(self, name: str, value: Any, scope: Scope) -> str:
        match name:
            case "and":
                return every([self.all_of(each, scope) for each in value])
            case "or":
                return either([self.all_of(each, scope) for each in value])
            case "not":
                # A comparison with an absent value is null, and so would be its negation.
                return f"NOT coalesce({self.all_of(value, scope)}, false)"
            case _:
                pass
        if special := SPECIALS.get((scope.row, name)):
            return special(self, value, scope)
        if scope.row is Agent and name in MATCHES:
            return self.along(name, value, scope)
        return self.compare(name, value, scope)

    def compare(self, name: str, value: Any, scope: Scope) -> str:
        stored = column(scope.row, ALIASES.get((scope.row, name), name))
        if stored is None:
            raise BadInput(f"{scope.row.__name__} cannot be filtered by {name}.")
        if isinstance(value, Sequence):
            return OPERATORS["in"].format(field=f"{scope.item}.{stored.property}", value=self.name(value))
        return every([self.operate(stored, op, operand, scope) for op, operand in value.items()])

    def operate(self, stored: Column, operator: str, operand: Any, scope: Scope) -> str:
        name = f"{scope.item}.{stored.property}"
        if operand is None:
            if operator == "eq":
                return f"{name} IS NULL"
            raise BadInput(f"{stored.property}: {operator} needs a value; only eq may be null.")
        if operator not in OPERATORS:
            raise BadInput(f"{stored.property}: there is no operator {operator}.")
        return OPERATORS[operator].format(field=name, value=self.name(operand))

    def along(self, name: str, value: Tree, scope: Scope) -> str:
        pattern, row = MATCHES[name]
        inner = Scope(row, f"n{scope.depth}", f"o{scope.depth}", scope.depth)
        path = pattern.format(agent=scope.item, item=inner.item, other=inner.other)
        terms: list[str] = []
        for quantifier, tree in value.items():
            predicate = self.all_of(tree, inner)
            match quantifier:
                case "some":
                    terms.append(f"EXISTS {{ MATCH {path} WHERE {predicate} }}")
                case "none":
                    terms.append(f"NOT EXISTS {{ MATCH {path} WHERE {predicate} }}")
                case "all":
                    terms.append(f"NOT EXISTS {{ MATCH {path} WHERE NOT coalesce({predicate}, false) }}")
                case _:
                    raise BadInput(f"{name}: some, none or all, not {quantifier}.")
        return every(terms)


def other_agent(compiler: Compiler, value: Tree, scope: Scope) -> str:
    return compiler.all_of(value, Scope(Agent, scope.other, depth=scope.depth))


def about_agent(compiler: Compiler, value: str, scope: Scope) -> str:
    return f"EXISTS {{ ({scope.item})-[:ABOUT]->(:Agent {{key: {compiler.name(value)}}}) }}"


def with_agent(compiler: Compiler, value: str, scope: Scope) -> str:
    n = scope.item
    party = f"CASE {n}.sourceId WHEN k.id THEN {n}.targetId ELSE {n}.sourceId END"
    return f"EXISTS {{ MATCH (w:Agent {{key: {compiler.name(value)}}}) WHERE w.id = {party} }}"


SPECIALS: dict[tuple[type, str], Callable[[Compiler, Any, Scope], str]] = {
    (Relationship, "agent"): other_agent,
    (Memory, "aboutAgent"): about_agent,
    (Interaction, "withAgent"): with_agent,
}
ALIASES = {(Knowledge, "topic"): camel("topic_name")}


def every(terms: list[str]) -> str:
    """Says that all predicates hold."""
    terms = [term for term in terms if term != "true"]
    return f"({' AND '.join(terms)})" if len(terms) > 1 else next(iter(terms), "true")


def either(terms: list[str]) -> str:
    """Says that at least one predicate holds."""
    if len(terms) < 2:
        return next(iter(terms), "false")
    # Written with OR, the planner may look for each alternative by itself and sort what it finds.
    return f"CASE {' '.join(f'WHEN {term} THEN true' for term in terms)} ELSE false END"


def storable(value: Any) -> Any:
    """Turns a value into what the database compares with; lists become tuples, to be hashable.

    Its indexes tell -0.0 from 0.0, and the same moment in two time zones; neither -0.0 nor other zones than UTC
    are stored.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return tuple(storable(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadInput(f"{value.isoformat()} lacks a time zone, such as a final Z.")
        return utc(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise BadInput("A number to compare with must be finite.")
        return value + 0.0
    return value


def utc(moment: datetime) -> datetime:
    """Gives the same moment in UTC. Raises BadInput for one that has no year there."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC.") from None


def compile_filter(row: type, tree: Tree | None) -> Filter | None:
    """Compiles a filter over `n`; None and an empty filter let everything through.

    `tree` maps the contract's field names to operators, nested filters or values. Raises BadInput.
    """
    if not tree:
        return None
    compiler = Compiler()
    text = compiler.all_of(tree, Scope(row, "n"))
    if text == "true":
        return None
    return Filter(text, tuple(compiler.values.items()), tuple(compiler.parameters.items()))


def words_of(filter: Filter | None) -> str:
    """What a filter says, '' if there is none."""
    return filter.text if filter else ""


def values_of(filter: Filter | None) -> dict[str, Any]:
    """What a key brings along for a filter."""
    return dict(filter.values if filter else ())


def parameters_of(filter: Filter | None) -> dict[str, Any]:
    """What a filter adds to its query's parameters."""
    return dict(filter.parameters if filter else ())
