"""Writes records in bulk: what is there already stays as it is, and a failure takes back what was written."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, TypeVar

from graph.database import Database
from graph.errors import BadInput, Conflict, SocietyError
from graph.records import Kind, MemoryRecord, Record, packed, unpacked
from graph.tables import COUNTS, LINK_EVIDENCE, TABLES, identity

T = TypeVar("T")
Progress = Callable[[str, int, int | None], None]

# Rows in one transaction, and how many of them a long embedding or text weighs as much as.
ROWS = 5000
# Kinds that two transactions may write at a time: elsewhere they would wait for each other's locks.
WRITERS = {Kind.MEMORIES: 2, Kind.INTERACTIONS: 2, Kind.RELATIONSHIPS: 2}
NUMBERS_A_ROW = 50
CHARACTERS_A_ROW = 400


def silent(_kind: str, _done: int, _total: int | None) -> None:
    """Tells no one."""


def weight(record: Record) -> int:
    """Says how many plain rows a record counts for."""
    if not isinstance(record, MemoryRecord):
        return 1
    return 1 + len(record.embedding or ()) // NUMBERS_A_ROW + len(record.content) // CHARACTERS_A_ROW


def take(records: Iterator[Record]) -> list[Record]:
    """Takes the next transaction's worth; an empty list is the end."""
    batch: list[Record] = []
    total = 0
    for record in records:
        batch.append(record)
        total += weight(record)
        if total >= ROWS:
            break
    return batch


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs coroutines at once; when one fails, the others are over before its error is raised."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Lets a transaction end even when its caller is cancelled, so that what it did can be taken back."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])


class BulkWriter:
    """Writes one kind after another and remembers, 16 bytes each, what it created."""

    def __init__(self, database: Database, progress: Progress = silent) -> None:
        self.database = database
        self.progress = progress
        self.created = {kind: bytearray() for kind in Kind}
        self._evidence = bytearray()

    async def write(self, kind: Kind, records: Iterable[Record], total: int | None = None) -> int:
        """Writes what does not exist yet and returns how many that were.

        `records` is read in another thread while others are written, and holds nothing twice.
        Memories' evidence is linked by `link_evidence`, when all memories are there.
        """
        # With none stored, there is nothing to compare with.
        fresh = not (await self.database.read("count", COUNTS[kind]))[0][0]
        source, turn = iter(records), asyncio.Lock()
        done = created = 0

        async def work() -> None:
            nonlocal done, created
            while True:
                async with turn:
                    batch = await asyncio.to_thread(take, source)
                if not batch:
                    return
                count = await self._write_batch(kind, batch if fresh else await self._missing(kind, batch))
                created += count
                done += len(batch)
                self.progress(kind.value, done, total)

        await together(work() for _ in range(WRITERS.get(kind, 1)))
        return created

    async def _missing(self, kind: Kind, batch: list[Record]) -> list[Record]:
        ids = [identity(record) for record in batch]
        rows = await self.database.read("known", TABLES[kind].known, {"ids": ids}, deadline=60)
        # A pair comes back as a list, which no set takes.
        known = {str(found) for (found,) in rows}
        return [record for record, id in zip(batch, ids, strict=True) if str(id) not in known]

    async def _write_batch(self, kind: Kind, batch: list[Record]) -> int:
        if not batch:
            return 0
        table = TABLES[kind]
        rows = await asyncio.to_thread(lambda: list(map(table.values, batch)))
        marks = b"".join(packed(record.id) for record in batch)
        try:
            [[(count,)]] = await finished(self.database.transact("import", (table.create, {"rows": rows})))
        except Conflict:
            # Somebody else made one of these meanwhile: it is not ours to take back.
            raise
        except BaseException:
            # It may have been committed all the same.
            self.created[kind] += marks
            raise
        self.created[kind] += marks
        if count != len(batch):
            raise Conflict("An agent that the data speak of was deleted while they were written.")
        if kind is Kind.MEMORIES:
            self._remember_evidence(batch)
        return len(batch)

    def _remember_evidence(self, batch: Iterable[Record]) -> None:
        for record in batch:
            if isinstance(record, MemoryRecord):
                for id in record.evidence:
                    self._evidence += packed(record.id) + packed(id)

    async def link_evidence(self) -> None:
        """Links the memories written so far to those that they were drawn from."""
        ids = unpacked(Kind.MEMORIES, self._evidence)
        pairs = list(zip(ids[::2], ids[1::2], strict=True))
        for at in range(0, len(pairs), ROWS):
            batch = pairs[at : at + ROWS]
            await self.database.transact("evidence", (LINK_EVIDENCE, {"rows": batch}))
            self.progress("evidence", at + len(batch), len(pairs))
        self._evidence.clear()

    async def undo(self) -> None:
        """Takes back what was created, the latest first."""
        for kind in reversed(Kind):
            ids = iter(unpacked(kind, self.created[kind]))
            while batch := list(islice(ids, ROWS)):
                await self.database.transact("undo", (TABLES[kind].remove, {"ids": batch}))
            self.created[kind].clear()


@asynccontextmanager
async def writing(database: Database, progress: Progress = silent) -> AsyncGenerator[BulkWriter]:
    """Gives a writer whose work is taken back when the block fails or is cancelled; the error says so."""
    writer = BulkWriter(database, progress)
    try:
        yield writer
    except SocietyError as error:
        raise type(error)(f"{error.message} {await _take_back(writer)}") from error
    except BaseException as error:
        error.add_note(await _take_back(writer))
        raise


async def _take_back(writer: BulkWriter) -> str:
    if not any(writer.created.values()):
        return "Nothing was written."
    undoing = asyncio.create_task(writer.undo())
    while not undoing.done():
        try:
            await asyncio.shield(undoing)
        except asyncio.CancelledError:
            # A second Ctrl-C must not leave half of it behind.
            continue
        except SocietyError as error:
            return f"What had been written could not all be removed again: {error.message}"
    return "What had been written was removed again."


async def check_room(database: Database, keys: Iterable[str], max_agents: int) -> set[str]:
    """Returns those keys that exist already; raises BadInput if the others would be too many."""
    wanted = list(keys)
    known: set[str] = set()
    for at in range(0, len(wanted), ROWS):
        ids: dict[str, Any] = {"ids": wanted[at : at + ROWS]}
        rows = await database.read("known", TABLES[Kind.AGENTS].known, ids, deadline=60)
        known.update(key for (key,) in rows)
    existing = (await database.read("count", COUNTS[Kind.AGENTS]))[0][0]
    new = len(wanted) - len(known)
    if existing + new > max_agents:
        raise BadInput(
            f"{existing} agents exist and {new} would be added, but there may be {max_agents} at most: "
            "raise ECS_MAX_AGENTS, or bring fewer."
        )
    return known
