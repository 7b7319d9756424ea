"""The bookmarks of a cluster's latest commits, in Redis, so that each worker reads what any has written."""

from collections.abc import Collection, Sequence
from typing import Any

from redis.exceptions import RedisError

from graph.errors import Unavailable
from resolvers.lanes import Lane
from resolvers.valkey import Redis, Script
from resolvers.words import Word

KEY = "ecs:bookmarks"
# No follower is that far behind, in milliseconds.
LIFETIME_MS = 3_600_000
# How long Redis may take, in seconds.
PATIENCE = 1.0

REPLACE = """
local old = tonumber(ARGV[2])
if old > 0 then redis.call('SREM', KEYS[1], unpack(ARGV, 3, 2 + old)) end
redis.call('SADD', KEYS[1], unpack(ARGV, 3 + old))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""

ALL = Word("bookmarks")


class RedisShelf:
    """Bookmarks in a set, taken together for all who ask at a moment."""

    def __init__(self, redis: Redis) -> None:
        # Who cannot look reads from the leader; who has written tries to say so in any case.
        self._redis: Any = redis.within(PATIENCE, "bookmarks")
        self._replace = Script(redis.within(PATIENCE), REPLACE)
        self._lane = Lane(self._read, in_flight=2, largest=1)

    async def take(self) -> Collection[str]:
        """Gives what is there now. Raises Unavailable."""
        (*found,) = await self._lane.load(ALL)
        return found

    async def replace(self, old: Collection[str], new: Collection[str]) -> None:
        """Puts new ones in the place of old ones. Raises Unavailable."""
        try:
            await self._replace.run([KEY], [LIFETIME_MS, len(old), *old, *new])
        except (RedisError, OSError) as error:
            raise Unavailable("Redis does not answer.") from error

    async def _read(self, _: Any, words: Sequence[Word]) -> list[list[str]]:
        try:
            found: set[bytes] = await self._redis.smembers(KEY)
        except (RedisError, OSError) as error:
            raise Unavailable("Redis does not answer.") from error
        return [[each.decode() for each in found] for _ in words]

    async def close(self) -> None:
        """Whoever still waits is told that the server stops."""
        await self._lane.close()
