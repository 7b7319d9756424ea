"""The far tier of the cache: answers in Redis, asked for and sent in batches of all requests in flight."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from graph.errors import Unavailable
from resolvers.coalescer import Lane, Word
from resolvers.stream import apart

LARGEST = 500
# Answers on their way; what comes while so many wait is not kept.
MOST_WAITING = 2000


class Name(Word):
    """Where an answer is kept."""

    __slots__ = ()


class Far:
    """Answers by name, each after its stamp and a line's end."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._lane = Lane(self._read, in_flight=2, largest=LARGEST)
        self._waiting: list[tuple[Name, bytes, int]] = []
        self._sending: asyncio.Task[None] | None = None

    async def get(self, names: Sequence[Name]) -> list[bytes | None]:
        """Gives what is kept under each name. Raises what went wrong."""
        return await self._lane.load(names)

    async def _read(self, _: Any, names: Sequence[Name]) -> list[bytes | None]:
        try:
            return await apart(self._redis.mget(names))
        except (RedisError, OSError) as error:
            raise Unavailable("Redis does not answer.") from error

    def put(self, name: Name, kept: bytes, seconds: int) -> None:
        """Sends an answer in the background; if it can't be sent it is not kept."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((name, kept, seconds))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
                pipe = self._redis.pipeline(transaction=False)
                for name, kept, seconds in batch:
                    pipe.execute_command("SET", name, kept, "EX", seconds)
                await pipe.execute()
        except (RedisError, OSError):
            # Who reads next notices, and says so.
            self._waiting.clear()
        finally:
            self._sending = None

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self._lane.close()
