"""What a value that comes from outside must be; each check returns it in its own type or raises BadInput."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Any, cast, get_args, get_origin

import orjson

from graph.errors import BadInput
from graph.rows import split_optional

Check = Callable[[Any], Any]

LONGEST_NAME = 200
LONGEST_TEXT = 20_000
LONGEST_EMBEDDING = 4096
MOST_REFERENCES = 1000
LARGEST_INT = 2**31 - 1

RANGES: dict[str, tuple[float, float]] = {
    "importance": (0, 1),
    "strength": (0, 1),
    "trust": (0, 1),
    "confidence": (0, 1),
    "social_energy": (0, 1),
    "learning_rate": (0, 1),
    "importance_threshold": (0, 1),
    "impact": (-1, 1),
    "memory_capacity": (1, LARGEST_INT),
}
NAMES = {"key", "name", "kind", "agent", "source", "target", "topic"}


def shown(value: object) -> str:
    """Says a value in few words."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def text(longest: int, shortest: int = 1) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise BadInput(f"must be text, is {shown(value)}")
        if not shortest <= len(value) <= longest:
            raise BadInput(f"must be {shortest} to {longest} characters long, is {len(value)}")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if type(value) is not float and type(value) is not int:
            raise BadInput(f"must be a number, is {shown(value)}")
        if not low <= value <= high:
            raise BadInput(f"must lie in [{low:g}, {high:g}], is {shown(value)}")
        # Indexes tell -0.0 from 0.0, comparisons do not.
        return float(value) + 0.0

    return check


def integer(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int:
            raise BadInput(f"must be a whole number, is {shown(value)}")
        if not low <= value <= high:
            raise BadInput(f"must lie in [{low}, {high}], is {value}")
        return value

    return check


def utc(moment: datetime) -> datetime:
    """Takes a time without a zone as UTC, and turns any other into UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def time(value: Any) -> datetime:
    """Takes ISO 8601 or what was read from it; a time without a zone is in UTC."""
    if isinstance(value, datetime):
        return utc(value)
    if not isinstance(value, str):
        raise BadInput(f"must be a time in ISO 8601, is {shown(value)}")
    try:
        return utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise BadInput(f"must be a time in ISO 8601 such as 2024-05-01T12:00:00Z, is {shown(value)}") from None


def choice(options: type[Enum]) -> Check:
    members = {member.value: member for member in options}

    def check(value: Any) -> Enum:
        if isinstance(value, options):
            return value
        if isinstance(value, str) and value in members:
            return members[value]
        raise BadInput(f"must be one of {', '.join(members)}, is {shown(value)}")

    return check


def identifier(type_name: str) -> Check:
    matches = re.compile(rf"{type_name}:[0-9a-f]{{32}}").fullmatch

    def check(value: Any) -> str:
        if not isinstance(value, str) or not matches(value):
            raise BadInput(f"must be {type_name}: and 32 hexadecimal digits, is {shown(value)}")
        return value

    return check


def listing(element: Check, most: int) -> Check:
    """Takes a list; what it names twice counts once."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise BadInput(f"must be a list, is {shown(value)}")
        items = cast("list[Any]", value)
        if len(items) > most:
            raise BadInput(f"may hold {most} items at most, has {len(items)}")
        return list(dict.fromkeys(map(element, items)))

    return check


def vector(value: Any) -> list[float]:
    """Takes a list of finite numbers."""
    if not isinstance(value, list):
        raise BadInput(f"must be a list of numbers, is {shown(value)}")
    items = cast("list[Any]", value)
    if not 1 <= len(items) <= LONGEST_EMBEDDING:
        raise BadInput(f"must have 1 to {LONGEST_EMBEDDING} numbers, has {len(items)}")
    if not set(map(type, items)) <= {float, int} or not all(map(isfinite, items)):
        raise BadInput("must be a list of finite numbers")
    return list(map(float, items))


def check_dimension(embedding: Sequence[float] | None, dimension: int, *path: str | int) -> None:
    """Raises BadInput for an embedding that cannot be compared with those of the database."""
    if embedding and len(embedding) != dimension:
        raise BadInput(
            f"must have {dimension} numbers, has {len(embedding)}: use one model for all memories, "
            "and set ECS_EMBEDDING_DIMENSION to what it gives.",
            *path,
        )


def json(value: Any) -> Any:
    """Takes what can be written as JSON."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise BadInput(f"must be JSON with numbers of 64 bits at most: {error}") from None
    return value


def check_of(name: str, hint: Any, type_name: str) -> Check:
    """Finds the check for a field from its name and type; `type_name` is that of the record's own id."""
    inner, nullable = split_optional(hint)
    match name:
        case "id":
            return identifier(type_name)
        case "evidence":
            return listing(identifier("Memory"), MOST_REFERENCES)
        case "about":
            return listing(text(LONGEST_NAME), MOST_REFERENCES)
        case "embedding":
            return vector
        case _:
            return _check_of_type(name, inner, nullable)


def _check_of_type(name: str, hint: Any, nullable: bool) -> Check:
    if get_origin(hint) is list and get_args(hint) == (str,):
        return listing(text(LONGEST_NAME), MOST_REFERENCES)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return choice(hint)
    if hint is str:
        return text(LONGEST_NAME) if name in NAMES and not nullable else text(LONGEST_TEXT, int(not nullable))
    if hint is int:
        low, high = RANGES.get(name, (0, LARGEST_INT))
        return integer(int(low), int(high))
    others: dict[Any, Check] = {datetime: time, Any: json}
    return number(*RANGES[name]) if hint is float else others[hint]
