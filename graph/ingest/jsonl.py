"""The project's own format: a directory with one file of JSON lines a kind, and a manifest that counts them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson

from graph.checks import check_dimension
from graph.database import Database
from graph.errors import BadInput
from graph.forms import read_record
from graph.ids import derived_id
from graph.ingest.bulk import ROWS, Progress, check_room, silent, writing
from graph.model import Agent
from graph.records import (
    InteractionRecord,
    Kind,
    KnowledgeRecord,
    MemoryRecord,
    Record,
    RelationshipRecord,
    packed,
)
from graph.tables import TABLES

MANIFEST = "manifest.json"
FORMAT = "ecs-society"
VERSION = 1
MOST_ERRORS = 20
LINES_A_STEP = 5000


def file_of(directory: Path, kind: Kind) -> Path:
    return directory / f"{kind.value}.jsonl"


@dataclass
class Examination:
    """What the files hold, as far as the checks of references need it: 16 bytes an id."""

    directory: Path
    now: datetime
    dimension: int
    errors: list[str] = field(default_factory=list[str])
    counts: Counter[Kind] = field(default_factory=Counter[Kind])
    keys: dict[str, None] = field(default_factory=dict[str, None])
    ids: dict[Kind, set[bytes]] = field(default_factory=lambda: {kind: set[bytes]() for kind in Kind})
    pairs: set[bytes] = field(default_factory=set[bytes])
    # What was not seen before the line that speaks of it: where that was.
    unseen_agents: dict[str, str] = field(default_factory=dict[str, str])
    unseen_memories: dict[bytes, str] = field(default_factory=dict[bytes, str])

    def report(self, place: str, message: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(f"{place}: {message}")

    def run(self) -> Iterator[tuple[Kind, int]]:
        """Reads every line of every file; yields now and then how far it is."""
        for kind in Kind:
            for number, line in numbered_lines(file_of(self.directory, kind)):
                self._examine(kind, f"{kind.value}.jsonl:{number}", line)
                if number % LINES_A_STEP == 0:
                    yield kind, self.counts[kind]
                if len(self.errors) == MOST_ERRORS:
                    return

    def _examine(self, kind: Kind, place: str, line: bytes) -> None:
        try:
            record = read_record(kind, line, self.now)
        except BadInput as error:
            self.report(place, error.message)
            return
        self.counts[kind] += 1
        id = packed(record.id)
        if id in self.ids[kind]:
            self.report(place, f"id: {record.id} stands on an earlier line already")
        self.ids[kind].add(id)
        self._examine_references(place, record)

    def _examine_references(self, place: str, record: Record) -> None:
        match record:
            case Agent():
                if record.key in self.keys:
                    self.report(place, f"key: {record.key} stands on an earlier line already")
                self.keys[record.key] = None
            case MemoryRecord():
                self._name_agents(f"{place}: agent", record.agent)
                self._name_agents(f"{place}: about", *record.about)
                try:
                    check_dimension(record.embedding, self.dimension, "embedding")
                except BadInput as error:
                    self.report(place, error.message)
                for id in record.evidence:
                    if (mark := packed(id)) not in self.ids[Kind.MEMORIES]:
                        self.unseen_memories.setdefault(mark, place)
            case RelationshipRecord():
                pair = packed(derived_id("Relationship", record.source, record.target))
                if pair in self.pairs:
                    self.report(place, f"target: {record.source} relates to {record.target} on an earlier line")
                self.pairs.add(pair)
                self._name_ends(place, record)
            case InteractionRecord():
                self._name_ends(place, record)
            case KnowledgeRecord():
                self._name_agents(f"{place}: agent", record.agent)

    def _name_ends(self, place: str, record: RelationshipRecord | InteractionRecord) -> None:
        self._name_agents(f"{place}: source", record.source)
        self._name_agents(f"{place}: target", record.target)

    def _name_agents(self, place: str, *keys: str) -> None:
        for key in keys:
            if key not in self.keys:
                self.unseen_agents.setdefault(key, place)


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the lines of a file that may be missing, without the blank ones, from 1 on."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.isspace():
                yield number, line


def records_of(path: Path, kind: Kind, now: datetime) -> Iterator[Record]:
    return (read_record(kind, line, now) for _, line in numbered_lines(path))


async def import_jsonl(
    database: Database, directory: Path, *, max_agents: int, progress: Progress = silent
) -> dict[str, int]:
    """Adds what the files hold and the database lacks; returns how many of each kind were added.

    Everything is checked before anything is written. Raises BadInput with up to 20 lines, each with its file
    and line; when writing fails or is cancelled, what was written is removed again. `progress` may be called
    from another thread.
    """
    examination = await examine(database, directory, progress)
    await check_room(database, examination.keys, max_agents)
    counts, created = examination.counts, dict[str, int]()
    async with writing(database, progress) as writer:
        for kind in Kind:
            records = records_of(file_of(directory, kind), kind, examination.now)
            created[kind.value] = await writer.write(kind, records, counts[kind])
        await writer.link_evidence()
    return created


async def examine(database: Database, directory: Path, progress: Progress = silent) -> Examination:
    """Checks every line and every reference of the files. Raises BadInput."""
    manifest = read_manifest(directory)
    examination = Examination(directory, datetime.now(UTC), database.dimension)
    steps = examination.run()
    while step := await asyncio.to_thread(next, steps, None):
        progress(f"checking {step[0].value}", step[1], manifest.get(step[0].value))
    await _find_unseen(database, examination)
    for kind in Kind:
        expected, found = manifest.get(kind.value), examination.counts[kind]
        if not examination.errors and expected is not None and expected != found:
            examination.report(
                f"{kind.value}.jsonl",
                f"has {found} records, but {MANIFEST} says {expected}: the files are incomplete "
                f"(or were edited: then delete {MANIFEST})",
            )
    if examination.errors:
        raise BadInput("\n".join(examination.errors))
    return examination


async def _find_unseen(database: Database, examination: Examination) -> None:
    agents = {key: place for key, place in examination.unseen_agents.items() if key not in examination.keys}
    for key in await missing(database, Kind.AGENTS, list(agents)):
        examination.report(agents[key], f"there is no agent {key}, neither here nor in the database")
    held = examination.ids[Kind.MEMORIES]
    memories = {f"Memory:{mark.hex()}": mark for mark in examination.unseen_memories if mark not in held}
    for id in await missing(database, Kind.MEMORIES, list(memories)):
        place = examination.unseen_memories[memories[id]]
        examination.report(place, f"evidence: there is no {id}, neither here nor in the database")


async def missing(database: Database, kind: Kind, ids: list[str]) -> list[str]:
    """Returns those of the agents' keys or ids that the database does not know."""
    found: set[str] = set()
    for at in range(0, len(ids), ROWS):
        rows = await database.read("known", TABLES[kind].known, {"ids": ids[at : at + ROWS]}, deadline=60)
        found.update(id for (id,) in rows)
    return [id for id in ids if id not in found]


def read_manifest(directory: Path) -> dict[str, int]:
    """Returns how many records the manifest counts of each kind, nothing if there is none. Raises BadInput."""
    if not directory.is_dir():
        raise BadInput(f"{directory} is no directory: name one that `ecs export jsonl` has written.")
    names = [f"{kind.value}.jsonl" for kind in Kind]
    if not any((directory / name).exists() for name in names):
        raise BadInput(f"{directory} holds none of {', '.join(names)}.")
    path = directory / MANIFEST
    if not path.exists():
        return {}
    try:
        manifest: Any = orjson.loads(path.read_bytes())
        if manifest["format"] != FORMAT or manifest["version"] != VERSION:
            raise BadInput(f"{path}: is not version {VERSION} of {FORMAT}, the one that this program reads.")
        return {str(name): int(count) for name, count in cast("dict[str, Any]", manifest["counts"]).items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path}: is no manifest of {FORMAT}: {error}") from None
