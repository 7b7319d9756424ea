"""How much an operation may ask for: measured once per document, before it is validated."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import FragmentDefinitionNode, GraphQLSchema

from schema.cost import Extent, Measured, Tape
from schema.document import REMEMBERED, TooCostly, parse_document, select_operation

SMALLER = "Send several smaller ones."


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one operation may ask for; fragments count wherever they are spread."""

    cost: int = 200_000
    depth: int = 20
    fields: int = 5000
    aliases: int = 200
    root_fields: int = 100
    directives: int = 200
    tokens: int = 2000


class Meter:
    """Measures the operations of one schema, and remembers them by document and name."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self.limits = limits
        self._measure = lru_cache(maxsize=REMEMBERED)(self._measure_anew)

    def check(self, document: str, name: str | None, variables: Mapping[str, Any] | None) -> int:
        """Gives an operation's cost. Raises TooCostly."""
        measured = self._measure(document, name)
        if isinstance(measured, str):
            raise TooCostly(measured)
        cost = measured.cost(variables or {})
        if cost > self.limits.cost:
            said = f"query: costs {shorten(cost)}, the most objects that it may ask for being {self.limits.cost}. "
            told = {"requested": min(cost, 2**53), "limit": self.limits.cost}
            raise TooCostly(said + "Ask for smaller pages or fewer levels.", told)
        return cost

    def _measure_anew(self, document: str, name: str | None) -> Measured | str:
        """Measures an operation, or says which limit it is over."""
        parsed = parse_document(document)
        if parsed.token_count > self.limits.tokens:
            return f"query: is too large: {parsed.token_count} tokens; {self.limits.tokens} at most. {SMALLER}"
        operation = select_operation(parsed, name)
        fragments = {each.name.value: each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)}
        try:
            measured = Tape(self._schema, operation, fragments).measure(operation)
        except RecursionError:
            return f"query: is nested too deeply; {self.limits.depth} levels of fields at most."
        return self._find_excess(measured.extent) or measured

    def _find_excess(self, extent: Extent) -> str | None:
        limits = self.limits
        for found, most, what in (
            (extent.depth, limits.depth, "is nested too deeply: {} levels of fields"),
            (extent.fields, limits.fields, "is too large: {} fields, fragments included"),
            (extent.aliases, limits.aliases, "is too large: {} aliases, fragments included"),
            (extent.top, limits.root_fields, "is too large: {} fields at its root"),
            (extent.directives, limits.directives, "is too large: {} directives, fragments included"),
        ):
            if found > most:
                return f"query: {what.format(shorten(found))}; {most} at most. {SMALLER}"
        return None


def shorten(number: int) -> str:
    return str(number) if number < 10**12 else "more than 10^12"
