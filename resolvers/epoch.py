"""Whether this worker may trust what is cached: the epoch in the graph, looked at again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from graph.database import Database
from graph.epoch import SEEN_AFTER, TRUST, is_open, open_epoch, read_epoch
from graph.errors import SocietyError

log = logging.getLogger("ecs.cache")

PAUSE = 0.5
# So often in a row must Redis answer before the cache is used again.
STEADY = 4


class Epoch:
    """What this worker has seen of the epoch, and when; times on the event loop's clock."""

    def __init__(self, database: Database, redis_answers: Callable[[], Awaitable[bool]]) -> None:
        self.value = ""
        self._database = database
        self._redis_answers = redis_answers
        self._trusted_until = float("-inf")
        # The closed epoch that was seen last, and since when.
        self._closed: tuple[str, float] = ("", 0.0)
        self._watching: asyncio.Task[None] | None = None
        self._steady = 0
        # Whether it was closed when it was last looked at, so that nobody need ask Redis.
        self.closed_now = False

    @property
    def trusted(self) -> bool:
        """Whether cached values may be used by whoever begins to read now."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return asyncio.get_running_loop().time() < self._trusted_until

    async def _watch(self) -> None:
        while True:
            with suppress(SocietyError):
                await self._look()
            await asyncio.sleep(PAUSE)

    async def _look(self) -> None:
        start = asyncio.get_running_loop().time()
        value = await read_epoch(self._database, deadline=TRUST)
        if is_open(value):
            self.value, self._trusted_until, self._steady, self.closed_now = value, start + TRUST, 0, False
            # Who follows the journal now and then never falls far behind.
            await self._redis_answers()
            return
        self._see_closed(value, start)
        self._steady = self._steady + 1 if await self._redis_answers() else 0
        if self._steady >= STEADY and await open_epoch(self._database, value):
            log.warning("Redis answers again: what is read is cached again.")

    def _see_closed(self, value: str, since: float) -> None:
        if self._closed[0] != value:
            log.warning("Redis does not answer a writer: nothing is cached until it does.")
            self._closed = (value, since)
        self._trusted_until, self.closed_now = float("-inf"), True

    async def closed(self, value: str) -> None:
        """Waits, after a commit that closed the epoch, until no worker trusts what was cached before."""
        now = asyncio.get_running_loop().time()
        self._see_closed(value, now)
        await asyncio.sleep(max(0.0, self._closed[1] + SEEN_AFTER - now))

    async def end(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
