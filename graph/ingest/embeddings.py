"""Fills in the embeddings of memories that have none, a batch at a time, while others may write.

Whatever was filled in stays; to start again goes on with what is left.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from graph.database import Database, Run, collect
from graph.embedding import LocalModel, Role, unpack
from graph.errors import DeadlineExceeded, Unavailable
from graph.ids import new_mark
from graph.ingest.bulk import Progress, silent, together
from graph.writes.group import LOCK

# Memories that are read, computed and written together.
BATCH = 64
# Seconds that a batch may take.
DEADLINE = 300.0

# An OR could be planned as two searches, whose results have no order.
LACKS = "CASE WHEN n.embedding IS NULL THEN true ELSE $others AND size(n.embedding) <> $dimension END"
COUNT = f"MATCH (n:Memory) WHERE {LACKS} RETURN count(*)"
LACKING = f"""
MATCH (n:Memory) USING INDEX SEEK n:Memory(id) WHERE n.id > $after AND {LACKS}
WITH n ORDER BY n.id LIMIT $most
OPTIONAL MATCH (a:Agent {{id: n.agentId}})
RETURN n.id, coalesce(a.key, ''), n.content
ORDER BY n.id
"""
# What was changed or embedded by others since it was read stays as it is.
FILL = f"""
UNWIND $rows AS r
MATCH (n:Memory {{id: r[0]}}) USING INDEX SEEK n:Memory(id) WHERE n.content = r[1] AND {LACKS}
SET n.embedding = r[2]
RETURN collect(n.id)
"""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A memory without an embedding."""

    id: str
    agent: str
    content: str


async def count_lacking(database: Database, *, others: bool = False, deadline: float = 60.0) -> int:
    """Counts the memories without an embedding; with those, if asked for, whose embedding has another dimension.

    It looks at every memory. `deadline` is in seconds; raises DeadlineExceeded.
    """
    given = {"others": others, "dimension": database.dimension}
    ((count,),) = await database.read("lacking embeddings", COUNT, given, deadline=deadline)
    return count


class Filler:
    """Embeds memories in the order of their ids; `filled` and `failed` count them."""

    def __init__(self, database: Database, model: LocalModel, *, others: bool, progress: Progress, total: int) -> None:
        self._database = database
        self._model = model
        self._given = {"others": others, "dimension": database.dimension}
        self._progress = progress
        self._total = total
        self._after: str | None = ""
        self._turn = asyncio.Lock()
        self._done = 0
        self.filled = 0
        self.failed = 0

    async def work(self) -> None:
        """Fills in one batch after another until none is left; several may work at a time."""
        while batch := await self._read():
            rows = await self._embed(batch)
            written = await self._write(batch, rows) if rows else 0
            self.filled += written
            self.failed += len(batch) - len(rows)
            self._done += len(batch)
            self._progress("embeddings", self._done, max(self._total, self._done))

    async def _read(self) -> list[Lacking]:
        async with self._turn:
            if self._after is None:
                return []
            given = self._given | {"after": self._after, "most": BATCH}
            rows = await self._database.read("lacking embeddings", LACKING, given, deadline=60)
            self._after = rows[-1][0] if rows else None
            return [Lacking(*row) for row in rows]

    async def _embed(self, batch: Sequence[Lacking]) -> list[tuple[str, str, list[float]]]:
        """Computes embeddings; where that fails, of each memory alone, so that only the bad ones do without."""
        try:
            found = await self._model.embed(Role.PASSAGE, [each.content for each in batch], seconds=DEADLINE)
        except (Unavailable, DeadlineExceeded):
            if len(batch) == 1:
                return []
            rows = [row for each in batch for row in await self._embed([each])]
            if not rows:
                # It's not for what they say.
                raise
            return rows
        return [(each.id, each.content, unpack(one)) for each, one in zip(batch, found, strict=True)]

    async def _write(self, batch: Sequence[Lacking], rows: Sequence[tuple[str, str, list[float]]]) -> int:
        async def work(run: Run) -> int:
            # As all who write do: nobody changes these meanwhile, and whoever exports them looks again.
            await collect(run, LOCK, keys=sorted({each.agent for each in batch}), mark=new_mark())
            return len(await collect(run, FILL, rows=rows, **self._given))

        return await self._database.transaction("fill embeddings", work)


async def fill_embeddings(
    database: Database, model: LocalModel, *, others: bool = False, at_once: int = 1, progress: Progress = silent
) -> tuple[int, int]:
    """Gives memories that have none an embedding of their content; returns how many got one, and how many failed.

    With `others` those whose embedding has another dimension get a new one. `at_once` batches are worked at.
    Raises SocietyError.
    """
    total = await count_lacking(database, others=others, deadline=300)
    filler = Filler(database, model, others=others, progress=progress, total=total)
    progress("embeddings", 0, total)
    await together(filler.work() for _ in range(at_once))
    return filler.filled, filler.failed
