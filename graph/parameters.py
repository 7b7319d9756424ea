"""What queries are given, as the driver takes it."""

from collections.abc import Mapping
from typing import Any


class Unspoken(list[Any]):
    """A list that is not written out: the driver does that for every query, whether its log is read or not."""

    def __repr__(self) -> str:
        return f"[{len(self)} values]"


def unspoken(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Gives the same parameters, of whose lists only the lengths are written."""
    return {name: Unspoken(value) if isinstance(value, list) else value for name, value in (parameters or {}).items()}  # pyright: ignore[reportUnknownArgumentType]
