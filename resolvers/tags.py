"""Tags: what a cached value may be changed by, each with a version in Redis.

A tag is closed by whoever writes what it stands for, before the commit and for longer than the transaction can last,
and opened after the commit with a version that never was before. Who reads takes the version first, and neither
trusts nor keeps a value under a tag that is closed.
"""

import secrets
from collections.abc import Collection, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from graph.errors import Unavailable
from resolvers.coalescer import Lane, Word
from resolvers.stream import apart

# A version that nobody asks for goes, in milliseconds; all that was kept under it has gone by then.
VERSION_MS = 3_600_000
LARGEST = 2000

CLOSED = b"!"

# Whoever is first names the version. One that was started again may have forgotten the latest, so that it counts as
# another server.
READ = """
local found = {string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')}
for place, key in ipairs(KEYS) do
    local value = redis.call('GET', key)
    if not value then
        value = ARGV[1] .. place
        redis.call('SET', key, value, 'PX', ARGV[2])
    end
    found[place + 1] = value
end
return found
"""
# Each tag holds its version, or "!" and who has closed it until when: "!a1@1700000000000 b2@1700000000100".
HOLDERS = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function holders(key)
    local held, latest = '', 0
    local value = redis.call('GET', key)
    if value and string.sub(value, 1, 1) == '!' then
        for name, ends in string.gmatch(value, '(%w+)@(%d+)') do
            if tonumber(ends) > now and name ~= ARGV[1] then
                held, latest = held .. name .. '@' .. ends .. ' ', math.max(latest, tonumber(ends))
            end
        end
    end
    return held, latest
end
"""
CLOSE = (
    HOLDERS
    + """
local ends = now + tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
    local held, latest = holders(key)
    local value = '!' .. held .. ARGV[1] .. '@' .. string.format('%.0f', ends)
    redis.call('SET', key, value, 'PX', string.format('%.0f', math.max(ends, latest) - now))
end
"""
)
OPEN = (
    HOLDERS
    + """
for place, key in ipairs(KEYS) do
    local held, latest = holders(key)
    if held == '' then
        redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
    else
        redis.call('SET', key, '!' .. held, 'PX', string.format('%.0f', latest - now))
    end
end
"""
)


class Tag(Word):
    """What a value may be changed by."""

    __slots__ = ()


class Tags:
    """The versions of tags, taken together for all who ask at a moment.

    Whoever asks is never given what was read before they asked.
    """

    def __init__(self, redis: Redis) -> None:
        client: Any = redis
        self._run = {text: client.register_script(text) for text in (READ, CLOSE, OPEN)}
        self._lane = Lane(self._read, in_flight=2, largest=LARGEST)

    async def take(self, tags: Collection[Tag]) -> dict[Tag, bytes | None]:
        """Gives the version of each tag, None for one that is closed. Raises what went wrong."""
        return dict(zip(tags, await self._lane.load(tags), strict=True))

    async def _read(self, _: Any, tags: Sequence[Tag]) -> list[bytes | None]:
        try:
            server, *found = await self._send(READ, tags, secrets.token_hex(6), VERSION_MS)
        except (RedisError, OSError) as error:
            # It is nobody's fault among those who ask.
            raise Unavailable("Redis does not answer.") from error
        return [None if value.startswith(CLOSED) else server + value for value in found]

    async def _send(self, script: str, tags: Collection[str], *arguments: str | int) -> list[bytes]:
        return await apart(self._run[script](keys=[f"ecs:t:{tag}" for tag in tags], args=arguments))

    async def close(self, tags: Collection[str], holder: str, lease: float) -> None:
        """Closes tags for so many seconds, or until the holder opens them."""
        await self._send(CLOSE, tags, holder, int(lease * 1000))

    async def open(self, tags: Collection[str], holder: str) -> None:
        """Opens with a new version what only this holder has closed."""
        await self._send(OPEN, tags, holder, secrets.token_hex(8), VERSION_MS)

    async def end(self) -> None:
        """Whoever still waits is told that the server stops."""
        await self._lane.close()
