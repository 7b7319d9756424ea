"""Scalars that are read more strictly than Strawberry does it."""

from datetime import UTC, datetime
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
