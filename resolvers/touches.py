"""Touches of memories: written in the background, so that nobody waits for them."""

import asyncio
import logging
from collections.abc import Sequence

from graph.errors import SocietyError
from graph.writes.touch import TouchKey, TouchMemories
from resolvers.writes import Writes

log = logging.getLogger("ecs.touches")

# Those that wait to be written; further ones are let go, because they count less than answers do.
MOST_WAITING = 1000


class Touches:
    """Hands touches on to be written, and keeps them until they are."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._waiting: set[asyncio.Task[None]] = set()

    def note(self, keys: Sequence[TouchKey]) -> list[None]:
        """Takes touches and answers at once."""
        for key in keys:
            if len(self._waiting) >= MOST_WAITING:
                log.warning("%d touches of memories wait to be written: more are not counted", MOST_WAITING)
                break
            task = asyncio.create_task(self._write(key))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        return [None] * len(keys)

    async def _write(self, key: TouchKey) -> None:
        try:
            await self._writes.commit(TouchMemories(key.ids, key.at))
        except SocietyError as error:
            log.warning("a touch of %d memories was not counted: %s", len(key.ids), error.message)

    async def close(self) -> None:
        """Waits for what is still to be written, as long as one write may take."""
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=5.0)
