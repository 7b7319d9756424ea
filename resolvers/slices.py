"""Pages of lists that are held in memory: rankings and communities of a snapshot.

A cursor holds what the list is sorted by. It goes on sensibly in a later snapshot: from where its item would be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any, Protocol

from resolvers.connections import Window
from resolvers.cursors import encode_cursor, malformed, open_cursor


class Sorted(Protocol):
    """A list in descending order of a number, equal ones by key."""

    def __len__(self) -> int: ...

    def position(self, place: int, /) -> tuple[float, str]: ...

    def after(self, number: Any, key: str, /) -> int: ...


@dataclass(frozen=True, eq=False, slots=True)
class Slice:
    """The places from `start` to before `end` of a list; `mark` is that of its cursors."""

    list: Any
    mark: str
    start: int
    end: int

    @property
    def places(self) -> range:
        return range(self.start, self.end)

    @property
    def total(self) -> int:
        return len(self.list)

    @property
    def goes_on(self) -> bool:
        return self.end < self.total

    @property
    def has_before(self) -> bool:
        return self.start > 0

    def cursor(self, place: int) -> str:
        return encode_cursor(self.mark, self.list.position(place))

    @property
    def start_cursor(self) -> str | None:
        return self.cursor(self.start) if self.places else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursor(self.end - 1) if self.places else None


def cut(name: str, window: Window) -> Callable[[Sorted], Slice]:
    """Makes the function that cuts a page from lists of a name. Raises BadInput for a cursor that is none of theirs."""
    mark = blake2s(name.encode(), digest_size=6).hexdigest()
    position: tuple[float, str] | None = None
    if window.after is not None:
        position = read_position(open_cursor(window.after, argument="after", mark=mark))

    def page(found: Sorted) -> Slice:
        start = found.after(*position) if position else 0
        return Slice(found, mark, start, min(start + window.size, len(found)))

    return page


def read_position(values: Sequence[Any]) -> tuple[float, str]:
    match values:
        case [int() | float() as number, str(key)] if not isinstance(number, bool):
            return number, key
        case _:
            raise malformed("after")
