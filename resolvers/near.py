"""The near tier of the cache: what this process holds, each with the tags that it may be changed by."""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from sys import getsizeof
from threading import Lock
from typing import Any

from graph.page import Page, RowPage
from resolvers.journal import Journal

# Of rows and of answers each.
ENTRIES = 10_000
ROW_BYTES = 64 * 2**20
ANSWER_BYTES = 128 * 2**20
# Answers that are known to have been asked for, kept or not.
REMEMBERED = 50_000
# What an object of Python takes beside its values, in bytes.
OVERHEAD = 300


@dataclass(slots=True)
class Kept:
    """A value, `era` and `position` of the journal before it was read, and until when it may be used.

    `rows` is how many it was made of.
    """

    value: Any
    tags: Collection[str]
    era: str
    position: int
    until: float
    size: int
    rows: int = 1


def weigh(answer: Any) -> int:
    """About how many bytes an answer to a key takes; the items of a page are taken to be alike."""
    if isinstance(answer, RowPage):
        # Rows and the objects that may be made of them, which share their values.
        values = sum(map(getsizeof, answer.rows[0])) if answer.rows else 0
        return OVERHEAD + len(answer.rows) * (values + 2 * OVERHEAD)
    if isinstance(answer, Page):
        item = weigh(answer.items[0]) if answer.items else 0
        return OVERHEAD + len(answer.items) * (item + OVERHEAD)
    return OVERHEAD + sum(map(getsizeof, getattr(answer, "__dict__", {}).values()))


def weigh_answer(json: bytes, tags: Sequence[str]) -> int:
    """How many bytes a whole answer takes; its tags are shared with other answers."""
    return OVERHEAD + len(json) + 8 * len(tags)


class Shelf:
    """Values of one kind, the least recently used of which go; any thread may use it."""

    def __init__(self, size: int, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._most = size
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self._size

    def get(self, names: Iterable[Hashable], era: str, journal: Journal, now: float) -> list[Kept | None]:
        """Gives what still holds under each name, as far as the journal was followed."""
        found: list[Kept | None] = []
        with self._lock:
            for name in names:
                kept = self._kept.get(name)
                if kept:
                    if kept.era == era and kept.until >= now and journal.holds(kept.tags, kept.position):
                        # It holds up to here: next time there is less to look through.
                        kept.position = journal.position
                        self._kept.move_to_end(name)
                    else:
                        self._drop(name)
                        kept = None
                found.append(kept)
        return found

    def put(self, items: Iterable[tuple[Hashable, Kept]]) -> None:
        with self._lock:
            for name, kept in items:
                if name in self._kept:
                    self._drop(name)
                self._kept[name] = kept
                self._size += kept.size
            while len(self._kept) > self._entries or self._size > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, name: Hashable) -> None:
        self._size -= self._kept.pop(name).size

    def shrink(self, part: float = 0.5) -> None:
        """Drops this part of what it holds, the least recently used first."""
        with self._lock:
            for _ in range(round(len(self._kept) * part)):
                self._drop(next(iter(self._kept)))


class Asked:
    """Which names were asked for lately: the last `most` of them, and up to as many before."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        # Numbers for names: that two of them may be taken for one does no harm.
        self._latest: set[int] = set()
        self._before: set[int] = set()

    def again(self, name: Hashable) -> bool:
        """Notes a name, and says whether it was noted before."""
        number = hash(name)
        if number in self._latest:
            return True
        known = number in self._before
        if len(self._latest) >= self._most:
            self._before, self._latest = self._latest, set()
        self._latest.add(number)
        return known


class Near:
    """Rows by the keys that asked for them, and whole answers by name."""

    def __init__(self) -> None:
        self.rows = Shelf(ROW_BYTES)
        self.answers = Shelf(ANSWER_BYTES)
        self.asked = Asked()

    def __len__(self) -> int:
        return len(self.rows) + len(self.answers)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self.rows.size + self.answers.size

    def shrink(self, part: float = 0.5) -> None:
        """Drops this part of what it holds, the least recently used first."""
        self.rows.shrink(part)
        self.answers.shrink(part)

    def clear(self) -> None:
        self.shrink(1.0)
