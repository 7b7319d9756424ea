"""How events get into the stream, and what becomes of those that cannot."""

import asyncio
import logging
from collections.abc import Sequence

from redis.exceptions import RedisError

from graph.events import Event, encode_event
from resolvers.stream import Stream

log = logging.getLogger("ecs.events")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0

# What stands in the stream, after a gap, for events that could not be published.
MARK = b""


class Publisher:
    """Adds events to a stream. Where that fails it doesn't wait: the stream gets a gap, for readers to see.

    So a write waits for its events to be taken once an outage, as long as the stream does.
    """

    def __init__(self, stream: Stream) -> None:
        self.lost = 0
        self._stream = stream
        self._unmarked = 0
        self._down = False
        self._mending: asyncio.Task[None] | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        """Adds events; never raises for what goes wrong, because what they tell of is committed already."""
        if self._down:
            self._lose(len(events))
        elif events:
            try:
                await self._stream.append([encode_event(event) for event in events])
            except Exception as error:
                if not self._down:
                    log.warning("Events cannot be published, trying on: %s: %s", type(error).__name__, error)
                self._lose(len(events))

    def _lose(self, count: int) -> None:
        self.lost += count
        self._unmarked += count
        self._down = True
        if self._mending is None or self._mending.done():
            self._mending = asyncio.create_task(self._mend())

    async def _mend(self) -> None:
        """Waits until the stream answers, and leaves a gap in it for what was lost."""
        pause = FIRST_PAUSE
        while self._unmarked:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            count = 0
            try:
                await self._stream.tail()
                # From here on others publish again: waiting for the mark they would be lost, and need another.
                self._down, count, self._unmarked = False, self._unmarked, 0
                await self._stream.append([MARK], lost=count)
                log.warning("Publishing events again; %d were lost.", count)
            except (RedisError, OSError):
                self._down = True
                self._unmarked += count

    async def close(self) -> None:
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
