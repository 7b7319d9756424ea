"""Scalars that are read more strictly than Strawberry does it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import strawberry

from graph.errors import BadInput


def read_time(value: Any) -> datetime:
    """Reads a time in ISO 8601 with its zone, as UTC. Raises BadInput."""
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo:
            # The database knows fewer zones than ISO 8601 can write.
            return time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise BadInput("write a time with its zone, such as 2023-02-13T08:00:00Z")


DateTime = strawberry.scalar(
    name="DateTime",
    description="A time in ISO 8601 with its zone, such as 2023-02-13T08:00:00Z; answered in UTC.",
    serialize=datetime.isoformat,
    parse_value=read_time,
)

# ISO 8601 without years and months, whose length depends on when they are.
SPAN = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,6})?)S)?)?"
)


def read_span(value: Any) -> timedelta:
    """Reads a length of time in ISO 8601. Raises BadInput."""
    found = SPAN.fullmatch(value) if isinstance(value, str) and value[-1:] not in {"P", "T"} else None
    try:
        if found:
            return timedelta(**{name: float(number) for name, number in found.groupdict(default="0").items()})
    except OverflowError:
        pass
    raise BadInput("write a length of time in weeks, days, hours, minutes and seconds, such as P1DT12H or PT30M")


def write_span(span: timedelta) -> str:
    """Writes a length of time in ISO 8601."""
    days = f"{span.days}D" if span.days else ""
    rest = span.seconds + span.microseconds / 1e6
    return f"P{days}{f'T{rest:g}S' if rest or not days else ''}"


Duration = strawberry.scalar(
    name="Duration",
    description="A length of time in ISO 8601, in weeks, days, hours, minutes and seconds, such as P1DT12H or PT30M.",
    serialize=write_span,
    parse_value=read_span,
)
