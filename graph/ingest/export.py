"""Writes a society as files in the project's own format, as it was at one moment, while it is written to.

See `graph.ingest.jsonl` for the files. Neo4j gives a reader no snapshot: what is committed while it reads may be half
of what it finds. So whoever writes puts a new mark at each agent whose things it changes. An export takes the marks,
for which it holds the locks of all agents for a moment, reads everything, and looks at the marks again: the agents
whose marks changed are read again, the last few while the locks are held. What leads to something that has gone
meanwhile is left out, as whoever deleted it did.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from graph.database import Database, Row, Run
from graph.errors import BadInput
from graph.forms import write_record
from graph.ingest.bulk import Progress, silent
from graph.ingest.jsonl import FORMAT, MANIFEST, VERSION, file_of
from graph.ingest.spool import Owned, Segments, Spool
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

# Agents that are read again at once, and lines for which writers may be held up.
AGENTS_A_STEP = 100
MOST_HELD = 5000
PASSES = 6
# Seconds for which the locks are held at most.
HOLD = 60.0


def query(kind: Kind, *, some: bool = False) -> str:
    """Reads all of a kind, or that of the agents in `$keys`; agent by agent, in the order of keys and then of ids."""
    chosen = "IN $keys" if some else "IS NOT NULL"
    match kind:
        case Kind.AGENTS:
            return f"MATCH (n:Agent) WHERE n.key {chosen} RETURN {projection(Agent)} ORDER BY n.key"
        case Kind.MEMORIES:
            return f"""
            MATCH (a:Agent)-[:REMEMBERS]->(n:Memory) WHERE a.key {chosen}
            RETURN {projection(Memory)}, a.key,
              COLLECT {{ MATCH (n)-[:ABOUT]->(o:Agent) RETURN o.key ORDER BY o.key }},
              COLLECT {{ MATCH (n)-[:EVIDENCE]->(e:Memory) RETURN e.id ORDER BY e.id }},
              n.embedding
            ORDER BY a.key, n.id
            """
        case Kind.RELATIONSHIPS:
            return f"""
            MATCH (a:Agent)-[n:RELATES_TO]->(b:Agent) WHERE a.key {chosen}
            RETURN {projection(Relationship)}, a.key, b.key ORDER BY a.key, n.id
            """
        case Kind.INTERACTIONS:
            return f"""
            MATCH (a:Agent)-[:INITIATED]->(n:Interaction)-[:TOWARD]->(b:Agent) WHERE a.key {chosen}
            RETURN {projection(Interaction)}, a.key, b.key ORDER BY a.key, n.id
            """
        case Kind.KNOWLEDGE:
            return f"""
            MATCH (a:Agent)-[:LEARNED]->(n:Knowledge) WHERE a.key {chosen}
            RETURN {projection(Knowledge)}, a.key ORDER BY a.key, n.id
            """


# The order of locks is that of all who write: agents by their keys, then the one that whoever creates agents takes.
# Writing the same value takes the lock and changes nothing.
HOLD_AGENTS = "MATCH (a:Agent) WHERE a.key IS NOT NULL WITH a ORDER BY a.key SET a._held = 0"
HOLD_CREATION = "MATCH (m:Migration {version: 1}) SET m._lock = 0"
MARKS = "MATCH (a:Agent) WHERE a.key IS NOT NULL RETURN a.key, a.id, a._lock"

# The id and the mark of each agent, by key.
Marks = dict[str, tuple[str, int | None]]

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
    """Writes every record, as of one moment, to `directory`; returns how many of each kind.

    The files get their names when all are written, the manifest last. Raises BadInput if the directory holds
    anything and may not be overwritten, or cannot be written to.
    """
    try:
        return await _export(database, directory, overwrite=overwrite, progress=progress)
    except OSError as error:
        raise BadInput(f"{error.filename or directory} cannot be written: {error.strerror or error}.") from error


async def _export(database: Database, directory: Path, *, overwrite: bool, progress: Progress) -> dict[str, int]:
    await asyncio.to_thread(_prepare, directory, overwrite=overwrite)
    spool = Spool(lambda kind: part_of(directory, kind, "spool"))
    try:
        keys = await _gather(database, spool, progress)
        counts = {
            kind.value: await asyncio.to_thread(spool.write, kind, part_of(directory, kind), keys) for kind in Kind
        }
        await asyncio.to_thread(_finish, directory, counts)
    finally:
        spool.remove()
        for kind in Kind:
            with suppress(OSError):
                part_of(directory, kind).unlink(missing_ok=True)
    return counts


def _prepare(directory: Path, *, overwrite: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()) and not overwrite:
        raise BadInput(f"{directory} is not empty: name another directory, or allow overwriting.")


def part_of(directory: Path, kind: Kind, ending: str = "part") -> Path:
    path = file_of(directory, kind)
    return path.with_name(f"{path.name}.{ending}")


async def _gather(database: Database, spool: Spool, progress: Progress) -> list[str]:
    """Reads until all that the spool has is of one moment; gives the keys of the agents that there were then."""
    marks = await database.transaction("hold", hold, deadline=HOLD)
    fresh = empty()
    for kind in Kind:
        await _read_all(database, kind, spool, fresh, progress)
    spool.replace(fresh, changed=(), gone=())
    for turn in range(1, PASSES):
        catch_up = partial(_catch_up, spool=spool, marks=marks, turn=turn)
        now, fresh = await database.transaction("hold", catch_up, deadline=HOLD)
        changed, gone = compare(marks, now)
        if fresh is not None:
            await asyncio.to_thread(spool.replace, fresh, changed=changed, gone=gone)
            return sorted(now)
        fresh = empty()
        await _read_some(reading(database), spool, changed, turn, fresh, line=_readable)
        await asyncio.to_thread(spool.replace, fresh, changed=changed, gone=gone)
        marks = now
    raise AssertionError("The last pass is always done.")


async def hold(run: Run) -> Marks:
    """Takes the locks of all who write, for as long as the transaction lasts, and reads the marks."""
    await run(HOLD_AGENTS, {})
    await run(HOLD_CREATION, {})
    # Those who came before nobody could come any more.
    await run(HOLD_AGENTS, {})
    return {key: (id, mark) for key, id, mark in await run(MARKS, {})}


async def _catch_up(run: Run, *, spool: Spool, marks: Marks, turn: int) -> tuple[Marks, Segments | None]:
    """Takes the marks, and reads again what changed unless that would hold writers up for long."""
    now = await hold(run)
    changed, _ = compare(marks, now)
    if turn < PASSES - 1 and spool.lines_of(changed) > MOST_HELD:
        return now, None
    fresh = empty()
    await _read_some(run, spool, changed, turn, fresh)
    return now, fresh


def compare(before: Marks, now: Marks) -> tuple[list[str], list[str]]:
    """Gives the keys of the agents that changed or came, and of those that went, also where others took their keys."""
    changed = [key for key, mark in now.items() if before.get(key) != mark]
    gone = [key for key, (id, _) in before.items() if key not in now or now[key][0] != id]
    return changed, gone


def empty() -> Segments:
    return {kind: {} for kind in Kind}


def reading(database: Database) -> Run:
    return lambda text, parameters: database.read("export", text, parameters, deadline=HOLD)


async def _read_all(database: Database, kind: Kind, spool: Spool, into: Segments, progress: Progress) -> None:
    total = int((await database.read("count", COUNTS[kind], deadline=60))[0][0])
    count = 0
    async for lines in _lines(database, kind):
        count += await asyncio.to_thread(spool.add, kind, 0, lines, into)
        progress(kind.value, count, total)


async def _read_some(
    run: Run,
    spool: Spool,
    keys: Sequence[str],
    turn: int,
    into: Segments,
    line: Callable[[Kind, Row], list[Owned]] = lambda kind, row: [_line(kind, row)],
) -> None:
    for at in range(0, len(keys), AGENTS_A_STEP):
        chosen = {"keys": keys[at : at + AGENTS_A_STEP]}
        for kind in Kind:
            rows = await run(query(kind, some=True), chosen)
            lines = [each for row in rows for each in line(kind, row)]
            await asyncio.to_thread(spool.add, kind, turn, lines, into)


def _line(kind: Kind, row: Row) -> Owned:
    record = READERS[kind](row)
    match record:
        case Agent():
            owner = record.key
        case MemoryRecord() | KnowledgeRecord():
            owner = record.agent
        case _:
            owner = record.source
    return owner, write_record(kind, record)


def _readable(kind: Kind, row: Row) -> list[Owned]:
    """Makes a line of what may be deleted while it is read, and has lost its properties then.

    Nothing is missed by leaving it out: its agent's mark tells that there was something.
    """
    try:
        return [_line(kind, row)]
    except (TypeError, ValueError, AttributeError):
        return []


async def _lines(database: Database, kind: Kind) -> AsyncIterator[list[Owned]]:
    lines: list[Owned] = []
    async for row in database.stream("export", query(kind)):
        lines += _readable(kind, row)
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
        part_of(directory, kind).replace(file_of(directory, kind))
    draft = directory / f"{MANIFEST}.part"
    draft.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    draft.replace(directory / MANIFEST)
