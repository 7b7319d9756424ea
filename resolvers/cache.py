"""The cache before the database: answers to keys, near in this process and far in Redis, never stale.

Each answer belongs to one tag and is kept under the stamp that held before it was read: the epoch, the Redis and the
tag's version there. It is found only while the same stamp holds.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from redis.asyncio import Redis

from graph.edges import INTERACTIONS, LEARNED, RELATES_TO, REMEMBERS, Direction
from graph.errors import SocietyError
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, RELATIONSHIP_BETWEEN, LookupKey
from graph.packing import name_key, pack_answer, unpack_answer
from graph.pages import CountKey, PageKey, SummaryKey
from graph.reads import Key
from graph.writes.change import Part
from resolvers.epoch import Epoch
from resolvers.far import Far, Name
from resolvers.loaders import Source
from resolvers.tags import Tag, Tags

log = logging.getLogger("ecs.cache")

ENTRIES = 10_000
BYTES = 64 * 2**20
# An answer's objects take about so many times the bytes of its JSON.
EXPANSION = 6
OVERHEAD = 500
# Larger answers are left alone, in bytes of JSON.
LARGEST = 256 * 1024

# Seconds after which an answer is read again, although nothing says that it changed.
AGENT_SECONDS = 600
OTHER_SECONDS = 300

# How long Redis may take before it is passed over, and for how long then.
PATIENCE = 1.0
REST = 1.0

PARTS = {
    REMEMBERS.name: Part.MEMORIES,
    RELATES_TO.name: Part.RELATIONSHIPS,
    INTERACTIONS.name: Part.INTERACTIONS,
    LEARNED.name: Part.KNOWLEDGE,
}
LOOKUPS = {AGENT_BY_ID.name, AGENT_BY_KEY.name}


def tag(owner: str, part: Part) -> Tag:
    """The tag of a part of an agent, who is named by id or, for what its key leads to, by key."""
    # The braces keep what belongs to an agent in one place of a Redis cluster.
    return Tag(f"{{{owner}}}:{part.value}")


def tag_of(key: Key) -> Tag | None:
    """The tag that an answer belongs to; None for what other things may change as well."""
    if isinstance(key, LookupKey):
        if key.shape.name in LOOKUPS:
            return tag(key.key, Part.SELF) if isinstance(key.key, str) else None
        return tag(key.key[0], Part.RELATIONSHIPS) if key.shape.name == RELATIONSHIP_BETWEEN.name else None
    if not isinstance(key, PageKey | CountKey | SummaryKey) or key.parent is None:
        return None
    listing = key.shape if isinstance(key, CountKey) else key.shape.listing
    part = PARTS.get(listing.edge.name)
    if part is None or (listing.filter and not listing.filter.own):
        return None
    # What fades at one end is not told to the other.
    if part is Part.RELATIONSHIPS and listing.direction is not Direction.OUT:
        return None
    return tag(key.parent, part)


def names_agent(key: Key) -> bool:
    return isinstance(key, LookupKey) and key.shape.name in LOOKUPS


def keeps(key: Key, answer: Any) -> bool:
    """Whether an answer may be kept: no error, and no agent that is absent, because who comes has no tag yet."""
    if isinstance(answer, Exception):
        return False
    return answer is not None or not names_agent(key)


def seconds(key: Key) -> int:
    return AGENT_SECONDS if names_agent(key) else OTHER_SECONDS


@dataclass(slots=True)
class Counts:
    """How many answers came from where; `passed` are those that no cache is for."""

    near: int = 0
    far: int = 0
    missed: int = 0
    passed: int = 0


class Near:
    """Answers in this process, the least recently used of which go; any thread may use it."""

    def __init__(self, entries: int = ENTRIES, size: int = BYTES) -> None:
        self._entries = entries
        self._most = size
        self._found: OrderedDict[Key, tuple[bytes, float, int, Any]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._found)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self._size

    def get(self, key: Key, stamp: bytes, now: float) -> Any:
        """Gives an answer that was kept under this stamp; raises KeyError."""
        with self._lock:
            kept, until, _, answer = self._found[key]
            if kept != stamp or until < now:
                self._drop(key)
                raise KeyError
            self._found.move_to_end(key)
            return answer

    def put(self, key: Key, stamp: bytes, until: float, size: int, answer: Any) -> None:
        with self._lock:
            if key in self._found:
                self._drop(key)
            self._found[key] = (stamp, until, size, answer)
            self._size += size
            while len(self._found) > self._entries or self._size > self._most:
                self._drop(next(iter(self._found)))

    def _drop(self, key: Key) -> None:
        self._size -= self._found.pop(key)[2]

    def shrink(self, part: float = 0.5) -> None:
        """Drops this part of what it holds, the least recently used first."""
        with self._lock:
            for _ in range(round(len(self._found) * part)):
                self._drop(next(iter(self._found)))

    def clear(self) -> None:
        self.shrink(1.0)


NOWHERE = Name()


@dataclass(slots=True)
class Question:
    """A key that could be cached, its place among those asked for and the stamp that holds."""

    place: int
    key: Key
    stamp: bytes
    name: Name = NOWHERE


class Cache:
    """Answers keys from what is kept near or far, and what is kept nowhere from the source behind it.

    Where Redis does not answer in time it steps aside: slower, never stale.
    """

    def __init__(self, source: Source, redis: Redis, tags: Tags, epoch: Epoch, near: Near | None = None) -> None:
        self.counts = Counts()
        self.near = near or Near()
        self._source = source
        self._far = Far(redis)
        self._tags = tags
        self._epoch = epoch
        self._resting_until = float("-inf")

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        """Answers keys in their order, each with a value or with the exception that befell it."""
        now = asyncio.get_running_loop().time()
        if not self._epoch.trusted or now < self._resting_until:
            self.counts.passed += len(keys)
            return await self._source.load_many(keys)
        epoch = self._epoch.value.encode()
        tags = [tag_of(key) for key in keys]
        versions = await self._versions({each for each in tags if each})
        answers: list[Any] = [None] * len(keys)
        missing: list[int] = []
        unkept: list[Question] = []
        for place, (key, own) in enumerate(zip(keys, tags, strict=True)):
            version = versions.get(own) if own else None
            if version is None:
                missing.append(place)
                continue
            stamp = epoch + version
            try:
                answers[place] = self.near.get(key, stamp, now)
            except KeyError:
                unkept.append(Question(place, key, stamp))
        self.counts.passed += len(missing)
        self.counts.near += len(keys) - len(missing) - len(unkept)
        unkept = await self._look_far(unkept, answers)
        missing += [each.place for each in unkept]
        if missing:
            found = await self._source.load_many([keys[place] for place in missing])
            for place, answer in zip(missing, found, strict=True):
                answers[place] = answer
            self._keep(unkept, answers)
        return answers

    async def _versions(self, tags: set[Tag]) -> dict[Tag, bytes | None]:
        """Takes versions; none if Redis does not answer in time."""
        if not tags:
            return {}
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._tags.take(tags)
        except (SocietyError, TimeoutError) as error:
            self._rest(error)
            return {}

    def _rest(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._resting_until + REST:
            log.warning("Redis does not answer in time, going on without the cache: %s", type(error).__name__)
        self._resting_until = now + REST

    async def _look_far(self, questions: list[Question], answers: list[Any]) -> list[Question]:
        """Answers what is kept in Redis, and gives what is not."""
        if not questions:
            return []
        for each in questions:
            each.name = far_name(each.key)
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._far.get([each.name for each in questions])
        except (SocietyError, TimeoutError) as error:
            self._rest(error)
            found = [None] * len(questions)
        missing: list[Question] = []
        for each, kept in zip(questions, found, strict=True):
            stamp, _, packed = (kept or b"").partition(b"\n")
            if stamp != each.stamp:
                missing.append(each)
                continue
            answers[each.place] = unpack_answer(each.key, packed)
            self._put_near(each, len(packed), answers[each.place])
        self.counts.far += len(questions) - len(missing)
        self.counts.missed += len(missing)
        return missing

    def _put_near(self, question: Question, size: int, answer: Any) -> None:
        until = asyncio.get_running_loop().time() + seconds(question.key)
        self.near.put(question.key, question.stamp, until, EXPANSION * size + OVERHEAD, answer)

    def _keep(self, questions: Sequence[Question], answers: Sequence[Any]) -> None:
        """Keeps what was read, near at once and far in the background."""
        for each in questions:
            answer = answers[each.place]
            if not keeps(each.key, answer):
                continue
            packed = pack_answer(each.key, answer)
            if len(packed) <= LARGEST:
                self._put_near(each, len(packed), answer)
                self._far.put(each.name, each.stamp + b"\n" + packed, seconds(each.key))

    async def close(self) -> None:
        await self._far.close()
        await self._tags.end()


def far_name(key: Key) -> Name:
    """Where an answer is kept in Redis: with its agent."""
    owner, asked = name_key(key)
    return Name(f"ecs:v:{{{owner}}}:{asked}")
