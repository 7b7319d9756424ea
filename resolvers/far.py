"""The far tier of the cache: whole answers in Redis, asked for and sent in batches of all requests in flight."""

import asyncio
from typing import Any

from resolvers.lanes import Lane
from resolvers.valkey import Redis
from resolvers.words import Word

LARGEST = 500
# Answers on their way; what comes while so many wait is not kept.
MOST_WAITING = 500
# Seconds that Redis may take.
PATIENCE = 0.5
# Seconds for which answers gather, because sending many together costs little more than sending one.
PAUSE = 0.01


class Far:
    """What is kept by name."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis.within(PATIENCE, "cached answers")
        self._lane = Lane(self._read, in_flight=2, largest=LARGEST)
        self._waiting: list[tuple[str, bytes, int]] = []
        self._sending: asyncio.Task[None] | None = None

    async def get(self, name: str) -> bytes | None:
        """Gives what is kept under a name; nothing if Redis does not answer. Raises Unavailable at the end."""
        return await self._lane.load(Word(name))

    async def _read(self, _: Any, names: Any) -> list[bytes | None]:
        found = await self._redis.send_all([("GET", name) for name in names])
        return [None if isinstance(each, Exception) else each for each in found]

    def put(self, name: str, kept: bytes, seconds: int) -> None:
        """Sends an answer in the background; if it can't be sent it is not kept."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((name, kept, seconds))
        if self._sending is None:
            self._sending = asyncio.create_task(self._put_all())

    async def _put_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(PAUSE)
                batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
                await self._redis.send_all([("SET", name, kept, "EX", seconds) for name, kept, seconds in batch])
        finally:
            self._sending = None

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self._lane.close()
