"""What queries are given, as the driver takes it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any


class Unspoken(list[Any]):
    """A list that is not written out: the driver does that for every query, whether its log is read or not."""

    def __repr__(self) -> str:
        return f"[{len(self)} values]"


@contextmanager
def unspoken(parameters: Mapping[str, Any] | None) -> Generator[dict[str, Any]]:
    """Gives the same parameters, of whose lists only the lengths are written, and empties these at the end.

    The driver's objects hold each other, and with them what they were given, until the garbage collector finds them:
    rows of writes were most of what it had to look through.
    """
    given = {name: Unspoken(value) if isinstance(value, list) else value for name, value in (parameters or {}).items()}  # pyright: ignore[reportUnknownArgumentType]
    try:
        yield given
    finally:
        for value in given.values():
            if isinstance(value, Unspoken):
                value.clear()
