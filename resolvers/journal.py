"""The journal: what writers change, in Redis, in one order that every worker follows.

What a cached value may be changed by is a tag. A writer closes the tags of what it writes before its commit, for
longer than its transaction can last, and opens them after it; each is an entry of the journal. A reader first follows
the journal to its end. From then on it knows of each tag when it changed last and whether it is closed, so that
however many values a request has, finding out whether they still hold costs one round trip, which all requests of
the moment share.
"""

import asyncio
import secrets
from collections.abc import Collection
from typing import Any, NamedTuple

import orjson
from redis.exceptions import RedisError

from graph.errors import Unavailable
from resolvers.lanes import Lane
from resolvers.valkey import Redis, Script
from resolvers.words import Word

# All in one place of a Redis cluster: the entries, the number of the latest, and the closings that last.
KEYS = ("ecs:{journal}:entries", "ecs:{journal}:state", "ecs:{journal}:closed")
# Whoever is further behind than this starts anew.
KEPT = 4096
# Tags whose last change is remembered.
REMEMBERED = 200_000
# Seconds that Redis may take.
PATIENCE = 1.0

END = Word("end")

# One that was started again may have forgotten the latest entries, so that it counts as another journal.
IDENTITY = """
local id = redis.call('HGET', KEYS[2], 'id')
if not id then
    id = ARGV[1]
    redis.call('DEL', KEYS[1], KEYS[3])
    redis.call('HSET', KEYS[2], 'id', id, 'last', 0)
end
"""
NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# Gives the entries since the one that the reader knows, or all that it must know to start anew.
FOLLOW = f"""
{IDENTITY}
id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') .. id
local last = tonumber(redis.call('HGET', KEYS[2], 'last'))
if id == ARGV[2] and last - ARGV[3] <= {KEPT} then
    if last == tonumber(ARGV[3]) then
        return {{id, last, 1, {{}}}}
    end
    local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[3] .. '-0', '+')
    if #entries == last - ARGV[3] then
        return {{id, last, 1, entries}}
    end
end
{NOW}
local closed, held = {{}}, redis.call('HGETALL', KEYS[3])
for place = 1, #held, 2 do
    local ends, tags = string.match(held[place + 1], '^(%d+):(.*)$')
    closed[#closed + 1] = {{held[place], math.max(0, ends - now), tags}}
end
return {{id, last, 0, closed}}
"""
# Closes tags for a lease in milliseconds, or opens what a holder has closed if there is none.
APPEND = f"""
{IDENTITY}
{NOW}
local held = redis.call('HGETALL', KEYS[3])
for place = 1, #held, 2 do
    if tonumber(string.match(held[place + 1], '^%d+')) < now then
        redis.call('HDEL', KEYS[3], held[place])
    end
end
if ARGV[3] == '0' then
    redis.call('HDEL', KEYS[3], ARGV[2])
else
    redis.call('HSET', KEYS[3], ARGV[2], string.format('%.0f', now + ARGV[3]) .. ':' .. ARGV[4])
end
local last = redis.call('HINCRBY', KEYS[2], 'last', 1)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', {KEPT}, last .. '-0', 'h', ARGV[2], 'l', ARGV[3], 't', ARGV[4])
"""


class Closed(NamedTuple):
    """The tags that a writer has closed, and until when on the event loop's clock."""

    tags: frozenset[str]
    until: float


class Journal:
    """What this worker knows of the journal.

    `identity` says which journal it is, and `position` is the number of the last entry that is known.
    """

    def __init__(self, redis: Redis) -> None:
        self.identity = ""
        self.position = 0
        # Readers can do without it; writers must ask, because without an answer they stop all caching.
        self._follow = Script(redis.within(PATIENCE, "the cache"), FOLLOW)
        self._append = Script(redis.within(PATIENCE), APPEND)
        # One at a time, so that what is known never goes back.
        self._lane = Lane(self._read, in_flight=1, largest=1)
        # Nothing is known of what changed before.
        self._floor = 0
        self._changed: dict[str, int] = {}
        # What each writer has closed: hardly ever more than a few at once.
        self._closed: dict[str, Closed] = {}

    async def follow(self) -> None:
        """Learns of every entry that was there before it was called. Raises Unavailable."""
        await self._lane.load(END)

    async def answers(self) -> bool:
        """Follows, and says whether it could."""
        try:
            await self.follow()
        except Unavailable:
            return False
        return True

    def holds(self, tags: Collection[str], position: int) -> bool:
        """Says whether nothing of these tags changed after an entry, nor may be changing."""
        if position < self._floor or self._closes_any(tags):
            return False
        if position == self.position:
            return True
        changed = self._changed
        return all(changed.get(tag, 0) <= position for tag in tags)

    def is_closed(self, tag: str) -> bool:
        """Says whether a writer may be changing what the tag stands for."""
        return self._closes_any((tag,))

    def _closes_any(self, tags: Collection[str]) -> bool:
        ends = [closed.until for closed in self._closed.values() if not closed.tags.isdisjoint(tags)]
        return bool(ends) and max(ends) >= asyncio.get_running_loop().time()

    async def _read(self, _: Any, __: Any) -> list[None]:
        identity, last, goes_on, found = await self._send(self._follow, self.identity, self.position)
        if not goes_on:
            self._begin(identity.decode(), last, found)
            return [None]
        for position, (_, fields) in enumerate(found, start=self.position + 1):
            self._note(position, fields[1].decode(), int(fields[3]) / 1000, orjson.loads(fields[5]))
        return [None]

    def _begin(self, identity: str, last: int, closed: list[Any]) -> None:
        self.identity, self.position, self._floor = identity, last, last
        self._changed, self._closed = {}, {}
        for holder, lease, tags in closed:
            self._close(holder.decode(), lease / 1000, orjson.loads(tags))

    def _note(self, position: int, holder: str, lease: float, tags: list[str]) -> None:
        self.position = position
        if len(self._changed) > REMEMBERED:
            self._changed, self._floor = {}, position
        self._changed |= dict.fromkeys(tags, position)
        if lease:
            self._close(holder, lease, tags)
        else:
            self._closed.pop(holder, None)

    def _close(self, holder: str, lease: float, tags: list[str]) -> None:
        # From when it is read, which is later than when it was written: a closing never ends too early.
        now = asyncio.get_running_loop().time()
        self._closed = {each: closed for each, closed in self._closed.items() if closed.until >= now}
        held = self._closed.get(holder)
        self._closed[holder] = Closed(frozenset(tags).union(held.tags if held else ()), now + lease)

    async def _send(self, script: Script, *arguments: str | int | bytes) -> Any:
        try:
            return await script.run(KEYS, (secrets.token_hex(6), *arguments))
        except (RedisError, OSError) as error:
            raise Unavailable("Redis does not answer.") from error

    async def close(self, tags: Collection[str], holder: str, lease: float) -> None:
        """Closes tags for so many seconds, or until the holder opens them. Raises Unavailable."""
        await self._send(self._append, holder, max(1, int(lease * 1000)), orjson.dumps(list(tags)))

    async def open(self, tags: Collection[str], holder: str) -> None:
        """Opens what the holder has closed; it counts as changed. Raises Unavailable."""
        await self._send(self._append, holder, 0, orjson.dumps(list(tags)))

    async def end(self) -> None:
        """Whoever still waits is told that the server stops."""
        await self._lane.close()
