"""How the model is stored: which property each field is, how Cypher projects it, how a row is read back."""

import re
import types
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

from graph.model import Agent, Interaction, Knowledge, Memory, Relationship, Topic

T = TypeVar("T")

# Which of a row type's fields are read, in the model's order; None for all.
Fields = tuple[str, ...] | None

# Fields that are not a property of their own.
EXPRESSIONS: dict[tuple[type, str], str] = {
    (Topic, "id"): "'Topic:' + n.name",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One stored value. `field` is the row's field that holds it; `type` is its Python type without `| None`."""

    name: str
    field: str
    property: str
    type: Any
    nullable: bool
    description: str | None
    expression: str | None = None

    def read_from(self, variable: str) -> str:
        """Says in Cypher what the row reader expects: times as ISO 8601 text, everything else as stored."""
        if self.expression:
            return self.expression.replace("n.", f"{variable}.").replace("(n)", f"({variable})")
        stored = f"{variable}.{self.property}"
        return f"toString({stored})" if self.type is datetime else stored


def camel(name: str) -> str:
    """Turns memory_capacity into memoryCapacity."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def split_optional(hint: Any) -> tuple[Any, bool]:
    """Splits `T | None` into T and whether None was there."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        return inner[0], len(inner) < len(get_args(hint))
    return hint, hint is Any


@cache
def columns(row: type) -> tuple[Column, ...]:
    """Lists a row type's columns; those of a nested dataclass follow in place, its name as their prefix."""
    return tuple(_columns(row, prefix=""))


def _columns(row: type, *, prefix: str) -> list[Column]:
    hints = get_type_hints(row)
    found: list[Column] = []
    for item in fields(row):
        hint, nullable = split_optional(hints[item.name])
        name = f"{prefix}_{item.name}" if prefix else item.name
        if is_dataclass(hint) and isinstance(hint, type):
            found += _columns(hint, prefix=name)
            continue
        expression = EXPRESSIONS.get((row, item.name))
        found.append(Column(name, prefix or name, camel(name), hint, nullable, item.metadata.get("doc"), expression))
    return found


def column(row: type, property_name: str) -> Column | None:
    """Finds the column that is stored under a name."""
    return next((column for column in columns(row) if column.property == property_name), None)


@lru_cache(maxsize=1024)
def choose(row: type, names: frozenset[str]) -> Fields:
    """Chooses the fields of these names."""
    own = [item.name for item in fields(row)]
    chosen = tuple(name for name in own if name in names)
    return None if len(chosen) == len(own) else chosen


@lru_cache(maxsize=1024)
def projection(row: type, variable: str = "n", chosen: Fields = None) -> str:
    """Lists the columns in Cypher, in the order in which `reader` takes them."""
    return ", ".join(column.read_from(variable) for column in chosen_columns(row, chosen))


def chosen_columns(row: type, chosen: Fields) -> list[Column]:
    return [column for column in columns(row) if chosen is None or column.field in chosen]


def list_of(row: type, variable: str, items: str) -> str:
    """Writes a list of rows in Cypher."""
    return f"[{variable} IN {items} | [{projection(row, variable)}]]"


@lru_cache(maxsize=1024)
def reader(
    row: type[T], chosen: Fields = None, places: tuple[int, ...] | None = None, appended: int | None = None
) -> Callable[[list[Any]], T]:
    """Makes the function that turns a projected list into an object; further values at its end are ignored.

    `places` says where in the list the columns are, if not one after another from its beginning, and `appended` how far
    from its end the values begin that `converter` has appended, if it has.
    An object of which only some fields are chosen has no others. The code is generated, because it runs once for
    every row that is ever read.
    """
    kind = row if chosen is None else _part(row, chosen)
    names: dict[str, Any] = {"orjson": orjson, "datetime": datetime, "kind": kind, "new": object.__new__}
    values, _ = _values(row, names, position=0, chosen=chosen, places=places, appended=appended)
    # One attribute after the other: an object that is never given a dictionary is made in half the time.
    own = [f"    made.{name} = {code}" for name, code in values]
    code = "\n".join(["def read(r):", "    made = new(kind)", *own, "    return made"])
    exec(code, names)  # noqa: S102 — the model's own names, nothing from outside
    return names["read"]


def converted(row: type, chosen: Fields) -> list[str]:
    """Names the fields that are read as something else than they are stored: times and enums."""
    hints = get_type_hints(row)
    own = [item.name for item in fields(row) if chosen is None or item.name in chosen]
    return [name for name in own if is_converted(split_optional(hints[name])[0])]


def is_converted(hint: Any) -> bool:
    return hint is datetime or (isinstance(hint, type) and issubclass(hint, Enum))


def converter(*parts: tuple[type, Fields, tuple[int, ...]]) -> Callable[[list[list[Any]]], None] | None:
    """Makes the function that appends to projected lists what they hold as text, as times and enums; None if nothing.

    Each part is a row type, its fields and where in the lists their columns are.
    """
    names: dict[str, Any] = {"datetime": datetime}
    codes: list[str] = []
    for row, chosen, places in parts:
        values, _ = _values(row, names, position=0, chosen=chosen, places=places)
        own = converted(row, chosen)
        codes += [code for name, code in values if name in own]
    if not codes:
        return None
    exec(f"def convert(rows):\n    for r in rows:\n        r += ({', '.join(codes)},)", names)  # noqa: S102 — as above
    return names["convert"]


@lru_cache(maxsize=1024)
def stored_places(row: type, chosen: Fields, places: tuple[int, ...], appended: int) -> dict[str, int] | None:
    """Says where in a projected list each field is as `reader` gives it, None if one is not there."""
    values, _ = _values(row, {}, position=0, chosen=chosen, places=places, appended=appended)
    found = {name: re.fullmatch(r"r\[(-?\d+)\]", code) for name, code in values}
    return {name: int(match[1]) for name, match in found.items() if match} if all(found.values()) else None


class Members(dict[str, Enum]):
    """An enum's members by their values: to call the enum costs as much as all else of a row."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__({each.value: each for each in kind})
        self._kind = kind

    def __missing__(self, value: str) -> Enum:
        # It says what is wrong.
        return self._kind(value)


class Unread:
    """Stands in a class for a field that its objects were read without."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        raise AttributeError(f"{self._name} was not read from the database.")


def _part(row: type, chosen: tuple[str, ...]) -> type:
    """Makes the class of objects of some fields, which are instances of their type nonetheless."""

    def equal(self: object, other: object) -> bool:
        return isinstance(other, row) and vars(self) == vars(other)

    def write(self: object) -> str:
        return f"{row.__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    unread = {item.name: Unread() for item in fields(row) if item.name not in chosen}
    own: dict[str, Any] = {**unread, "__eq__": equal, "__repr__": write}
    return type(row.__name__, (row,), own)


def _values(
    row: type,
    names: dict[str, Any],
    *,
    position: int,
    chosen: Fields = None,
    places: Sequence[int] | None = None,
    appended: int | None = None,
) -> tuple[list[tuple[str, str]], int]:
    """Writes the code of each field's value, and gives the place after them."""
    hints, found = get_type_hints(row), list[tuple[str, str]]()
    for item in fields(row):
        if chosen is not None and item.name not in chosen:
            continue
        hint, nullable = split_optional(hints[item.name])
        value = f"r[{places[position] if places else position}]"
        if is_dataclass(hint) and isinstance(hint, type):
            inner, position = _values(hint, names, position=position, places=places)
            names[hint.__name__] = hint
            code = f"{hint.__name__}({', '.join(f'{name}={code}' for name, code in inner)})"
            code = f"({code} if {value} is not None else None)" if nullable else code
        else:
            if appended is not None and is_converted(hint):
                code, appended = f"r[-{appended}]", appended - 1
            else:
                code = _conversion(value, hint, nullable, names)
            position += 1
            if item.default_factory is not MISSING:
                code = f"({code} if {value} is not None else [])"
        found.append((item.name, code))
    return found, position


def _conversion(value: str, hint: Any, nullable: bool, names: dict[str, Any]) -> str:
    if hint is datetime:
        code = f"datetime.fromisoformat({value})"
    elif hint is Any:
        code = f"orjson.loads({value})"
    elif isinstance(hint, type) and issubclass(hint, Enum):
        names[hint.__name__] = Members(hint)
        code = f"{hint.__name__}[{value}]"
    else:
        return value
    return f"({code} if {value} is not None else None)" if nullable else code


@lru_cache(maxsize=1024)
def writer(row: type[T]) -> Callable[[T], list[Any]]:
    """Makes the function that turns an object into the list that `reader` takes, once orjson has written it as JSON."""
    # orjson writes times and enums as they are stored, in a tenth of the time.
    values = ", ".join(map(_plain, columns(row)))
    return eval(f"lambda r: [{values}]", {"orjson": orjson})  # noqa: S307 — the model's own names


def _plain(column: Column) -> str:
    prefix, _, rest = column.name.partition("_")
    value = f"(r.persona and r.persona.{rest})" if prefix == "persona" else f"r.{column.name}"
    # What the simulation keeps of its own is stored as text.
    return f"(orjson.dumps({value}).decode() if {value} is not None else None)" if column.type is Any else value


ROWS: dict[str, type[Any]] = {row.__name__: row for row in (Agent, Memory, Relationship, Interaction, Knowledge)}


def pack_row(row: Any) -> list[Any]:
    """Writes a row of any type, with its type's name, for orjson."""
    kind = cast("type[Any]", type(row))
    return [kind.__name__, *writer(kind)(row)]


def unpack_row(packed: list[Any]) -> Any:
    """Reads what `pack_row` wrote, from JSON."""
    name, *values = packed
    read: Callable[[list[Any]], Any] = reader(ROWS[name])
    return read(values)
