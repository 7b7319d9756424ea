"""Writes a society as files in the project's own format; see `graph.ingest.jsonl`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from graph.database import Database, Row
from graph.errors import BadInput
from graph.forms import write_record
from graph.ingest.bulk import Progress, silent
from graph.ingest.jsonl import FORMAT, MANIFEST, VERSION, file_of
from graph.model import Agent, Interaction, Knowledge, Memory, Relationship
from graph.records import (
    InteractionRecord,
    Kind,
    KnowledgeRecord,
    MemoryRecord,
    Record,
    RelationshipRecord,
)
from graph.rows import projection, reader
from graph.tables import COUNTS

LINES_A_STEP = 2000

# Agent by agent, because whoever reads it back then writes to one agent at a time.
QUERIES: dict[Kind, str] = {
    Kind.AGENTS: f"""
        MATCH (n:Agent) WHERE n.key IS NOT NULL
        RETURN {projection(Agent)} ORDER BY n.key
    """,
    Kind.MEMORIES: f"""
        MATCH (a:Agent)-[:REMEMBERS]->(n:Memory) WHERE a.key IS NOT NULL
        RETURN {projection(Memory)}, a.key,
          COLLECT {{ MATCH (n)-[:ABOUT]->(o:Agent) RETURN o.key ORDER BY o.key }},
          COLLECT {{ MATCH (n)-[:EVIDENCE]->(e:Memory) RETURN e.id ORDER BY e.id }},
          n.embedding
        ORDER BY a.key, n.id
    """,
    Kind.RELATIONSHIPS: f"""
        MATCH (a:Agent)-[n:RELATES_TO]->(b:Agent) WHERE a.key IS NOT NULL
        RETURN {projection(Relationship)}, a.key, b.key ORDER BY a.key, n.id
    """,
    Kind.INTERACTIONS: f"""
        MATCH (a:Agent)-[:INITIATED]->(n:Interaction)-[:TOWARD]->(b:Agent) WHERE a.key IS NOT NULL
        RETURN {projection(Interaction)}, a.key, b.key ORDER BY a.key, n.id
    """,
    Kind.KNOWLEDGE: f"""
        MATCH (a:Agent)-[:LEARNED]->(n:Knowledge) WHERE a.key IS NOT NULL
        RETURN {projection(Knowledge)}, a.key ORDER BY a.key, n.id
    """,
}


READ_MEMORY: Callable[[Row], Memory] = reader(Memory)
READ_RELATIONSHIP: Callable[[Row], Relationship] = reader(Relationship)
READ_INTERACTION: Callable[[Row], Interaction] = reader(Interaction)
READ_KNOWLEDGE: Callable[[Row], Knowledge] = reader(Knowledge)


def _memory(row: Row) -> Record:
    memory, (agent, about, evidence, embedding) = READ_MEMORY(row), row[-4:]
    return MemoryRecord(
        **_shared(memory, MemoryRecord), agent=agent, about=about, evidence=evidence, embedding=embedding
    )


def _relationship(row: Row) -> Record:
    found = READ_RELATIONSHIP(row)
    return RelationshipRecord(**_shared(found, RelationshipRecord), source=row[-2], target=row[-1])


def _interaction(row: Row) -> Record:
    found = READ_INTERACTION(row)
    return InteractionRecord(**_shared(found, InteractionRecord), source=row[-2], target=row[-1])


def _knowledge(row: Row) -> Record:
    found = READ_KNOWLEDGE(row)
    return KnowledgeRecord(**_shared(found, KnowledgeRecord), agent=row[-1], topic=found.topic_name)


def _shared(found: object, record: type[Record]) -> dict[str, Any]:
    names = record.__dataclass_fields__
    return {name: value for name, value in vars(found).items() if name in names}


READERS: dict[Kind, Callable[[Row], Record]] = {
    Kind.AGENTS: reader(Agent),
    Kind.MEMORIES: _memory,
    Kind.RELATIONSHIPS: _relationship,
    Kind.INTERACTIONS: _interaction,
    Kind.KNOWLEDGE: _knowledge,
}


async def export_jsonl(
    database: Database, directory: Path, *, overwrite: bool = False, progress: Progress = silent
) -> dict[str, int]:
    """Writes every record to `directory`; returns how many of each kind.

    The files get their names when all are written, the manifest last. Raises BadInput if the directory holds
    anything and may not be overwritten, or cannot be written to.
    """
    try:
        return await _export(database, directory, overwrite=overwrite, progress=progress)
    except OSError as error:
        raise BadInput(f"{error.filename or directory} cannot be written: {error.strerror or error}.") from error


async def _export(database: Database, directory: Path, *, overwrite: bool, progress: Progress) -> dict[str, int]:
    await asyncio.to_thread(_prepare, directory, overwrite=overwrite)
    counts: dict[str, int] = {}
    try:
        for kind in Kind:
            counts[kind.value] = await _export_kind(database, kind, partial(directory, kind), progress)
        await asyncio.to_thread(_finish, directory, counts)
    finally:
        for kind in Kind:
            with suppress(OSError):
                partial(directory, kind).unlink(missing_ok=True)
    return counts


def _prepare(directory: Path, *, overwrite: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()) and not overwrite:
        raise BadInput(f"{directory} is not empty: name another directory, or allow overwriting.")


def partial(directory: Path, kind: Kind) -> Path:
    path = file_of(directory, kind)
    return path.with_name(path.name + ".part")


async def _export_kind(database: Database, kind: Kind, path: Path, progress: Progress) -> int:
    total = int((await database.read("count", COUNTS[kind], deadline=60))[0][0])
    count = 0
    with path.open("wb") as file:
        async for lines in _lines(database, kind):
            await asyncio.to_thread(file.write, b"".join(lines))
            count += len(lines)
            progress(kind.value, count, total)
    return count


async def _lines(database: Database, kind: Kind) -> AsyncIterator[list[bytes]]:
    lines: list[bytes] = []
    read = READERS[kind]
    async for row in database.stream("export", QUERIES[kind]):
        lines.append(write_record(kind, read(row)))
        if len(lines) == LINES_A_STEP:
            yield lines
            lines = []
    if lines:
        yield lines


def _finish(directory: Path, counts: dict[str, int]) -> None:
    manifest = {"format": FORMAT, "version": VERSION, "counts": counts}
    # Without a manifest the files are not taken for a whole export.
    (directory / MANIFEST).unlink(missing_ok=True)
    for kind in Kind:
        partial(directory, kind).replace(file_of(directory, kind))
    draft = directory / f"{MANIFEST}.part"
    draft.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    draft.replace(directory / MANIFEST)
