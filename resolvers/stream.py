"""Where events are kept for a while, in order: in a Redis stream that all workers share, or in this process.

Entries are numbered, without gaps, within a generation: the life of the stream from its first entry on. A
number that doesn't follow the one before shows that entries between them were lost or trimmed, another
generation that the stream itself was lost.
"""

import asyncio
import base64
import re
import secrets
import time
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol, cast

import orjson
from redis.exceptions import OutOfMemoryError

from graph.errors import BadInput
from resolvers.valkey import Redis, Script

KEY = "ecs:events"

# Well within the connection's timeout, and how soon an idle reader notices that the stream was lost.
BLOCK_MS = 1000
AT_ONCE = 200

GENERATION = re.compile(r"[0-9a-f]{8}")

APPEND = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local generation, number = ARGV[2], 0
if last then generation, number = last[2][2], tonumber(last[2][4]) end
number = number + tonumber(ARGV[3])
for place = 4, #ARGV do
    number = number + 1
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
        'g', generation, 'n', string.format('%.0f', number), 'e', ARGV[place])
end
"""


class Position(NamedTuple):
    """Where a reader is: at the entry that it has read last, or before all."""

    generation: str = ""
    number: int = 0
    id: tuple[int, int] = (0, 0)

    def age(self) -> float:
        """Tells how many seconds ago the entry was added, by Redis's clock; 0 within this process."""
        milliseconds, _ = self.id
        return max(0.0, time.time() - milliseconds / 1000) if milliseconds else 0.0


START = Position()


class Entry(NamedTuple):
    position: Position
    payload: bytes


class Gap(Exception):
    """Entries after a position are there no more."""


class Stream(Protocol):
    """What keeps entries, the oldest of which go when there are too many."""

    async def append(self, payloads: Sequence[bytes], *, lost: int = 0) -> None:
        """Adds entries, after a gap for those that were lost before them."""
        ...

    async def tail(self) -> Position:
        """Tells where the last entry is."""
        ...

    async def page(self, after: Position) -> list[Entry]:
        """Gives some of the entries after a position, none at the end. Raises Gap."""
        ...

    async def wait(self, after: Position) -> list[Entry]:
        """Gives some of the entries after a position, and waits a while for the first. Raises Gap."""
        ...


class RedisStream:
    """Entries in Redis, about `longest` at most and of about `largest` bytes together.

    The stream has no time to live, so that Redis, when its memory is full, evicts cached values before it
    refuses entries; then the older half of the stream goes.
    """

    def __init__(self, redis: Redis, *, longest: int, largest: int, key: str = KEY) -> None:
        self._redis: Any = redis
        self._append = Script(redis, APPEND)
        self._longest = longest
        self._largest = largest
        self._key = key
        self._mean = 0.0

    async def append(self, payloads: Sequence[bytes], *, lost: int = 0) -> None:
        arguments = (self._fit(payloads), secrets.token_hex(4), lost, *payloads)
        try:
            await self._append.run((self._key,), arguments)
        except OutOfMemoryError:
            kept = await self._redis.xlen(self._key) // 2
            await self._redis.xtrim(self._key, maxlen=kept, approximate=False)
            await self._append.run((self._key,), arguments)

    def _fit(self, payloads: Sequence[bytes]) -> int:
        """Says how many entries fit, of the size that they have on average of late."""
        for payload in payloads:
            self._mean += (len(payload) - self._mean) / (1000 if self._mean else 1)
        return max(1, min(self._longest, int(self._largest / self._mean))) if self._mean else self._longest

    async def tail(self) -> Position:
        entries = read_entries(await self._redis.xrevrange(self._key, count=1))
        return entries[0].position if entries else START

    async def page(self, after: Position) -> list[Entry]:
        entries = await self._redis.xrange(self._key, min=f"({write_id(after)}", count=AT_ONCE)
        return await self._checked(after, read_entries(entries))

    async def wait(self, after: Position) -> list[Entry]:
        found = await self._redis.xread({self._key: write_id(after)}, count=AT_ONCE, block=BLOCK_MS)
        return await self._checked(after, read_entries(found[0][1]) if found else [])

    async def _checked(self, after: Position, entries: list[Entry]) -> list[Entry]:
        # If nothing follows, then the last entry must be the one that was read, or have come just now.
        if not entries and after != (tail := await self.tail()) and tail.id <= after.id:
            raise Gap
        return follow(after, entries)


class Ring:
    """Entries in this process, `longest` at most and of `largest` bytes together at most."""

    def __init__(self, *, longest: int, largest: int) -> None:
        self._longest = longest
        self._largest = largest
        self._generation = secrets.token_hex(4)
        self._entries: dict[int, Entry] = {}
        self._size = 0
        self._first = 1
        self._last = START
        self._grown = asyncio.Event()

    async def append(self, payloads: Sequence[bytes], *, lost: int = 0) -> None:
        for number, payload in zip(count(self._last.number + 1 + lost), payloads):
            self._last = Position(self._generation, number, (0, number))
            self._entries[number] = Entry(self._last, payload)
            self._size += len(payload)
        while len(self._entries) > self._longest or (self._size > self._largest and len(self._entries) > 1):
            gone = self._entries.pop(self._first, None)
            self._first += 1
            self._size -= len(gone.payload) if gone else 0
        self._grown.set()

    async def tail(self) -> Position:
        return self._last

    async def page(self, after: Position) -> list[Entry]:
        first = max(after.number + 1, self._first)
        numbers = range(first, min(first + AT_ONCE, self._last.number + 1))
        entries = [self._entries[number] for number in numbers if number in self._entries]
        if not entries and after != self._last:
            raise Gap
        return follow(after, entries)

    async def wait(self, after: Position) -> list[Entry]:
        while self._last == after:
            self._grown.clear()
            await self._grown.wait()
        return await self.page(after)


def follow(after: Position, entries: list[Entry]) -> list[Entry]:
    """Gives the entries up to where one doesn't follow the one before. Raises Gap if that is the first."""
    last = after
    for place, (position, _) in enumerate(entries):
        if position.number != last.number + 1 or last.generation not in {"", position.generation}:
            if place == 0:
                raise Gap
            return entries[:place]
        last = position
    return entries


def read_entries(raw: list[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    try:
        return [
            Entry(Position(fields[b"g"].decode(), int(fields[b"n"]), read_id(id)), fields[b"e"]) for id, fields in raw
        ]
    except (LookupError, ValueError):
        raise Gap from None


def read_id(id: bytes) -> tuple[int, int]:
    time, _, place = id.partition(b"-")
    return int(time), int(place)


def write_id(position: Position) -> str:
    return f"{position.id[0]}-{position.id[1]}"


def encode_position(position: Position) -> str:
    """Writes the cursor of an entry."""
    content = orjson.dumps((position.generation, position.number, *position.id))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode_position(cursor: str) -> Position:
    """Reads a cursor. Raises BadInput for what is none."""
    malformed = BadInput("this is not the cursor of an event. Pass one as this API gave it.", "after")
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        content = cast("list[Any]", orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
        generation, *numbers = content
        number, time, place = numbers
    except (ValueError, TypeError):
        raise malformed from None
    # Redis knows ids of 64 bits; true is no number.
    fits = all(type(each) is int and 0 <= each < 2**63 for each in numbers)
    if not fits or not isinstance(generation, str) or not GENERATION.fullmatch(generation):
        raise malformed
    return Position(generation, number, (time, place))
