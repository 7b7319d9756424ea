"""How records are written as JSON: read with every field checked, and written so that reading gives the same."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar, cast, get_type_hints

import orjson

from graph.checks import Check, check_of, shown
from graph.errors import BadInput
from graph.ids import derived_id, new_id
from graph.model import Agent
from graph.records import RECORDS, TYPE_NAMES, Kind, Record
from graph.rows import camel, split_optional

T = TypeVar("T")

# What a record may leave out: each of these fields takes the value of another, or the time of the import.
FALLBACKS = {
    "created_at": "",
    "updated_at": "created_at",
    "accessed_at": "created_at",
    "first_met_at": "",
    "at": "",
    "learned_at": "",
}


class Form(Generic[T]):
    """The fields of one type of record, with the check of each."""

    def __init__(self, row: type[T], type_name: str) -> None:
        self.row = row
        hints = get_type_hints(row)
        items = fields(row)  # pyright: ignore[reportArgumentType]
        self.checks: list[tuple[str, str, Check]] = [
            (camel(item.name), item.name, form_or_check(item.name, hints[item.name], type_name)) for item in items
        ]
        self.names = {name for name, _, _ in self.checks}
        self.required = [item.name for item in items if is_required(item)]
        self.fallbacks = [(name, other) for name, other in FALLBACKS.items() if name in hints]
        self.floats = {item.name for item in items if split_optional(hints[item.name])[0] is float}

    def values(self, raw: Any) -> dict[str, Any]:
        """Checks what was given and returns it by attribute; null counts as left out. Raises BadInput."""
        if not isinstance(raw, dict):
            raise BadInput(f"must be an object, is {shown(raw)}")
        given = cast("dict[str, Any]", raw)
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, attribute, check in self.checks:
                value = given.get(name)
                if value is not None:
                    found[attribute] = check(value)
        except BadInput as error:
            raise error.within(name) from None
        if not given.keys() <= self.names:
            unknown = ", ".join(sorted(shown(name) for name in given.keys() - self.names))
            raise BadInput(f"{unknown}: there is no such field (there are {', '.join(sorted(self.names))})")
        return found

    def read(self, raw: Any) -> T:
        """Makes an object of what was given. Raises BadInput."""
        return self.build(self.values(raw))

    def build(self, values: dict[str, Any]) -> T:
        for attribute in self.required:
            if attribute not in values:
                raise BadInput("is missing", camel(attribute))
        return self.row(**values)

    def plain(self, record: T) -> dict[str, Any]:
        """Gives what `read` takes; what is None is left out."""
        result: dict[str, Any] = {}
        for name, attribute, _ in self.checks:
            value = getattr(record, attribute)
            if value is None:
                continue
            if attribute in self.floats:
                value = float(value)
            elif isinstance(value, Enum):
                value = value.value
            elif is_dataclass(value) and not isinstance(value, type):
                value = Form(type(value), type(value).__name__).plain(value)
            result[name] = value
        return result


def form_or_check(name: str, hint: Any, type_name: str) -> Check:
    """Finds the check for a field, which for an object is the form of its own fields."""
    inner, _ = split_optional(hint)
    if not (isinstance(inner, type) and is_dataclass(inner)):
        return check_of(name, hint, type_name)
    return Form(inner, inner.__name__).read


def is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


FORMS: dict[Kind, Form[Any]] = {kind: Form(row, TYPE_NAMES[kind]) for kind, row in RECORDS.items()}


def read_record(kind: Kind, line: bytes | str, now: datetime) -> Record:
    """Reads one record; `now` is the time of what has none. Raises BadInput that names the field.

    One without an id gets the id that follows from its contents, so that it is the same when read again.
    """
    try:
        raw = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"is not JSON: {error.msg} at column {error.colno}") from None
    form = FORMS[kind]
    values = form.values(raw)
    for attribute, other in form.fallbacks:
        values.setdefault(attribute, values.get(other, now))
    if "id" not in values:
        values["id"] = derived_id(TYPE_NAMES[kind], *_identity(form, values, raw))
    record = form.build(values)
    _check_ends(values)
    return record


def new_record(kind: Kind, raw: Any, now: datetime) -> Record:
    """Makes a record of what a client says about something new, with an id of its own. Raises BadInput."""
    form = FORMS[kind]
    values = form.values(raw)
    for attribute, other in form.fallbacks:
        values.setdefault(attribute, values.get(other, now))
    values["id"] = new_id(TYPE_NAMES[kind])
    record = form.build(values)
    _check_ends(values)
    return record


def write_record(kind: Kind, record: Record) -> bytes:
    """Writes one record as a line of JSON, with its final newline."""
    return orjson.dumps(FORMS[kind].plain(record), option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def _identity(form: Form[Any], values: Mapping[str, Any], raw: Any) -> tuple[object, ...]:
    if form.row is Agent:
        return (values.get("key"),)
    if "strength" in form.names and "target" in form.names:
        return (values.get("source"), values.get("target"))
    return (orjson.dumps(raw, option=orjson.OPT_SORT_KEYS).decode(),)


def _check_ends(values: Mapping[str, Any]) -> None:
    if "target" in values and values["source"] == values["target"]:
        raise BadInput(f"is the source itself, {shown(values['source'])}", "target")
    if values["id"] in values.get("evidence", ()):
        raise BadInput("names the memory itself", "evidence")
