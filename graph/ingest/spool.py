"""Where an export gathers lines, agent by agent, until it is known which of them are one state of the society."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from graph.records import Kind


@dataclass(frozen=True, slots=True)
class Segment:
    """One agent's lines of one kind: where they are, and in which pass they were read."""

    turn: int
    offset: int
    length: int
    lines: int


# A line and the key of the agent that it belongs to.
Owned = tuple[str, bytes]
Segments = dict[Kind, dict[str, Segment]]


class Spool:
    """A file of lines a kind, which only grows; what counts is the latest segment of each agent."""

    def __init__(self, path_of: Callable[[Kind], Path]) -> None:
        self._path_of = path_of
        self._latest: Segments = {kind: {} for kind in Kind}
        self._sizes = dict.fromkeys(Kind, 0)
        # The agents that were gone, or others under the same keys, when a pass began; ids of memories that are gone.
        self._gone: list[set[str]] = []
        self._forgotten: set[str] = set()
        for kind in Kind:
            path_of(kind).unlink(missing_ok=True)

    def lines_of(self, keys: Collection[str]) -> int:
        """Counts what would have to be read again for these agents."""
        found = (self._latest[kind].get(key) for kind in Kind for key in keys)
        return sum(segment.lines for segment in found if segment)

    def add(self, kind: Kind, turn: int, lines: Iterable[Owned], into: Segments) -> int:
        """Appends lines, which come agent by agent, and notes in `into` where each agent's are."""
        count = 0
        with self._path_of(kind).open("ab") as file:
            for key, group in groupby(lines, key=lambda each: each[0]):
                texts = [text for _, text in group]
                known = into[kind].get(key)
                data = b"".join(texts)
                file.write(data)
                if known and known.turn == turn:
                    into[kind][key] = Segment(turn, known.offset, known.length + len(data), known.lines + len(texts))
                else:
                    into[kind][key] = Segment(turn, self._sizes[kind], len(data), len(texts))
                self._sizes[kind] += len(data)
                count += len(texts)
        return count

    def replace(self, fresh: Segments, *, changed: Collection[str], gone: Collection[str]) -> None:
        """Puts what was read again of the agents that changed in the place of what was read before."""
        self._gone.append(set(gone))
        before, after = self._memories(self._latest, (*changed, *gone)), self._memories(fresh, changed)
        self._forgotten |= before - after
        for kind in Kind:
            for key in (*changed, *gone):
                self._latest[kind].pop(key, None)
            self._latest[kind] |= fresh[kind]

    def _memories(self, segments: Segments, keys: Collection[str]) -> set[str]:
        found = (segments[Kind.MEMORIES].get(key) for key in keys)
        return {
            orjson.loads(line)["id"] for each in found if each for line in self._read(Kind.MEMORIES, each).splitlines()
        }

    def _read(self, kind: Kind, segment: Segment) -> bytes:
        with self._path_of(kind).open("rb") as file:
            file.seek(segment.offset)
            return file.read(segment.length)

    def write(self, kind: Kind, path: Path, keys: Iterable[str]) -> int:
        """Writes a kind's lines for these agents, in this order; gives how many."""
        count = 0
        with path.open("wb") as out:
            for key in keys:
                segment = self._latest[kind].get(key)
                if segment:
                    lines = self._mended(kind, segment)
                    out.writelines(lines)
                    count += len(lines)
        return count

    def _mended(self, kind: Kind, segment: Segment) -> list[bytes]:
        """An agent's lines, without what led to agents and memories that have gone since they were read."""
        lines = self._read(kind, segment).splitlines(keepends=True)
        gone = set[str]().union(*self._gone[segment.turn + 1 :])
        if not gone and not self._forgotten:
            return lines
        return [mended for line in lines for mended in mend(line, gone, self._forgotten)]

    def remove(self) -> None:
        for kind in Kind:
            with suppress(OSError):
                self._path_of(kind).unlink(missing_ok=True)


def mend(line: bytes, gone: Collection[str], forgotten: Collection[str]) -> Iterator[bytes]:
    """Gives a line without what leads nowhere, or nothing if it needs that."""
    record: dict[str, Any] = orjson.loads(line)
    if record.get("target") in gone:
        return
    kept: Mapping[str, Any] = record
    for name, missing in (("about", gone), ("evidence", forgotten)):
        if any(each in missing for each in record.get(name, ())):
            kept = kept | {name: [each for each in record[name] if each not in missing]}
    yield line if kept is record else orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)
