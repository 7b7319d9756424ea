"""The cache before the database, never stale: whole answers near and far, and the rows that they are made of near.

A value is found only as long as the journal tells of no change of its tags since before it was read, in the same
journal and the same epoch.
"""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from sys import intern
from typing import Any

import orjson

from graph.eager import Eager, EagerKey, EagerPage, brought_by, list_keys
from graph.errors import Unavailable
from graph.page import Page
from graph.reads import Key
from resolvers.epoch import Epoch
from resolvers.far import Far
from resolvers.journal import Journal
from resolvers.loaders import Source
from resolvers.near import Kept, Near, weigh, weigh_answer
from resolvers.tags import names_agent, tags_of
from resolvers.valkey import Redis
from resolvers.worth import Worth, Worths, is_sample

# Larger values are left alone, in bytes, and so are answers that are asked for the first time: most of them never are
# again, and putting many rows away costs as much as reading them.
LARGEST = 256 * 1024
LARGEST_AT_FIRST = 16 * 1024
# Nor are so many agents at once: a few long lists would drive out everything else.
MOST_AT_FIRST = 64

# Seconds after which a value is read again, although nothing says that it changed.
AGENT_SECONDS = 600
OTHER_SECONDS = 300


def keeps(key: Key, answer: Any) -> bool:
    """Whether an answer may be kept: no error, and no agent that is absent, because who comes has no tag yet."""
    if answer is None:
        return not names_agent(key.shape)
    return not isinstance(answer, Exception)


def alone(answer: Any) -> Any:
    """An answer without what it brought along, which changes for reasons of its own."""
    if isinstance(answer, Eager):
        return answer.answer
    return answer.alone if isinstance(answer, Page) else answer


def name_answer(*asked: str | None, variables: dict[str, Any] | None) -> str | None:
    """Names what is asked, in as few letters as nothing else is named by; None for what cannot be named."""
    try:
        given = orjson.dumps(variables or None, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None
    text = "\0".join(each or "" for each in asked).encode("utf-8", "surrogatepass")
    return blake2b(text + b"\0" + given, digest_size=16).hexdigest()


@dataclass(slots=True)
class Counts:
    """How many rows came from where, an answer counting as many as it was made of.

    `missed` were kept nowhere, and `passed` are those that no cache is for, or that passed it by.
    """

    near: int = 0
    far: int = 0
    missed: int = 0
    passed: int = 0


class Cache:
    """What is kept, and how far it may be trusted.

    Where Redis does not answer in time it steps aside: slower, never stale.
    """

    def __init__(self, source: Source, redis: Redis, journal: Journal, epoch: Epoch) -> None:
        self.counts = Counts()
        self.near = Near()
        self.worths = Worths()
        self.source = source
        self.far = Far(redis)
        self.journal = journal
        self._epoch = epoch

    def begin(self) -> "Moment":
        """Begins a request."""
        return Moment(self)

    async def follow(self) -> str | None:
        """Follows the journal and gives the era, of journal and epoch; None if nothing kept may be trusted."""
        if not self._epoch.trusted:
            return None
        epoch = self._epoch.value
        try:
            await self.journal.follow()
        except Unavailable:
            return None
        return f"{self.journal.identity}:{epoch}"

    async def close(self) -> None:
        await self.far.close()
        await self.journal.end()


class Moment:
    """What one request reads: nothing that had changed when it first asked.

    It notes the tags of all that it reads, so that its whole answer can be kept.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._journal = cache.journal
        self.renew()

    def renew(self) -> None:
        """Begins anew, because something was written since."""
        self._begun = False
        self._era: str | None = None
        self._identity = ""
        self._position = 0
        self._tags: set[str] = set()
        # Whether this was not asked for before, as far as is known.
        self._first = False
        # What is known of the operation, and whether it passes the cache by.
        self._worth: Worth | None = None
        self._passes = False
        self._asked = self._missed = 0
        self._rows = 0
        # Whether all that was read belongs to tags, and for how long it may be kept.
        self._whole = True
        self._seconds = AGENT_SECONDS

    async def _begin(self) -> bool:
        """Follows the journal once, and says whether what is kept may be trusted."""
        if not self._begun:
            era = await self._cache.follow()
            # Whoever asked at the same time may have been faster: the earlier position is on the safe side.
            if not self._begun:
                self._begun, self._era = True, era
                self._identity, self._position = self._journal.identity, self._journal.position
        return self._era is not None and self._identity == self._journal.identity

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        """Answers keys in their order, each with a value or with the exception that befell it.

        Whoever is kept comes without the lists that were to be loaded eagerly, which are kept as well. Pages come
        without them in any case: their agents are many, and the lists of most of them may be kept.
        """
        cache = self._cache
        if self._passes or not await self._begin():
            self._whole = False
            answers = await cache.source.load_many(keys)
            cache.counts.passed += sum(1 + len(each.pages) if isinstance(each, Eager) else 1 for each in answers)
            return answers
        asked: list[Any] = [
            key.plain if isinstance(key, EagerKey) and isinstance(key.shape, EagerPage) else key for key in keys
        ]
        plain = [key.plain if isinstance(key, EagerKey) else key for key in asked]
        kept = self._find(plain)
        for place, (key, who) in enumerate(zip(asked, kept, strict=True)):
            # Whose lists are to be read is read together with them.
            if who and isinstance(key, EagerKey) and not all(self._find(list_keys(key.shape, who.value.id))):
                kept[place] = None
        answers, missing, tags = self._sort(plain, kept)
        self._asked, self._missed = self._asked + len(keys), self._missed + len(missing)
        if missing:
            found = await cache.source.load_many([asked[place] for place in missing])
            for place, answer in zip(missing, found, strict=True):
                answers[place] = answer
            self._keep_rows([(plain[place], tags[place], alone(answers[place])) for place in missing])
            self._take_brought([asked[place] for place in missing], found)
        return answers

    def _take_brought(self, keys: Sequence[Key], answers: Sequence[Any]) -> None:
        """Treats what answers brought along as if it had been asked for."""
        if brought := dict(chain.from_iterable(map(brought_by, keys, answers))):
            found = list(brought)
            _, missing, tags = self._sort(found, self._find(found))
            self._keep_rows([(found[place], tags[place], alone(brought[found[place]])) for place in missing])

    def _find(self, keys: Sequence[Key]) -> list[Kept | None]:
        """Gives what is kept near for each key."""
        now = asyncio.get_running_loop().time()
        return self._cache.near.rows.get(keys, self._era or "", self._journal, now)

    def _sort(self, keys: Sequence[Key], kept: list[Kept | None]) -> tuple[list[Any], list[int], list[str | None]]:
        """Gives the answer to each key, the places of the keys for which none is kept, and the keys' tags."""
        missing = [place for place, each in enumerate(kept) if each is None]
        self._cache.counts.near += len(keys) - len(missing)
        return [each and each.value for each in kept], missing, self._note(keys, missing)

    def _note(self, keys: Sequence[Key], missing: list[int]) -> list[str | None]:
        """Notes what is read, and gives the tag of each key if there is one and, of what is missing, if it is open."""
        tags, counts, is_closed = tags_of(keys), self._cache.counts, self._journal.is_closed
        self._tags.update(each for each in tags if each)
        self._rows += len(keys)
        for place in missing:
            own = tags[place]
            if own is None or is_closed(own):
                tags[place], self._whole = None, False
                counts.passed += 1
            else:
                counts.missed += 1
        if not all(names_agent(key.shape) for key in keys):
            self._seconds = OTHER_SECONDS
        return tags

    def _keep_rows(self, found: Sequence[tuple[Key, str | None, Any]]) -> None:
        """Keeps answers to keys whose tags are open."""
        now, era, position = asyncio.get_running_loop().time(), self._era or "", self._position
        few = len(found) <= MOST_AT_FIRST
        kept: list[tuple[Key, Kept]] = []
        for key, own, answer in found:
            if own is None:
                continue
            if not keeps(key, answer):
                self._whole = False
                continue
            is_agent = names_agent(key.shape)
            # Agents are found in many answers, whichever of them is asked for again.
            if (not self._first or (is_agent and few)) and (size := weigh(answer)) <= LARGEST:
                until = now + (AGENT_SECONDS if is_agent else OTHER_SECONDS)
                kept.append((key, Kept(answer, (own,), era, position, until, size)))
        self._cache.near.rows.put(kept)

    async def find(self, name: str, operation: Hashable = None) -> bytes | None:
        """Gives a whole answer, as JSON, that was kept under a name and still holds.

        What is asked for the first time is kept only as a whole, if it is small, beside the agents in it. Operations
        whose answers are hardly ever found again are not looked for, and nothing is kept of them.
        """
        cache = self._cache
        self._worth = cache.worths[operation]
        self._passes = self._worth.passes and not is_sample(name)
        if self._passes or not await self._begin():
            return None
        answers, now = cache.near.answers, asyncio.get_running_loop().time()
        (kept,) = answers.get((name,), self._era or "", self._journal, now)
        if kept:
            cache.counts.near += kept.rows
            self._worth.note(1.0)
            return kept.value
        self._first = not cache.near.asked.again(name)
        try:
            packed = await cache.far.get(name_far(name))
        except Unavailable:
            return None
        if packed is None or self._identity != self._journal.identity:
            return None
        head, _, json = packed.partition(b"\n")
        era, position, lifetime, rows, tags = orjson.loads(head)
        if era != self._era or not self._journal.holds(tags, position):
            return None
        tags = tuple(map(intern, tags))
        answers.put([(name, Kept(json, tags, era, position, now + lifetime, weigh_answer(json, tags), rows))])
        cache.counts.far += rows
        self._worth.note(1.0)
        return json

    def keep(self, name: str, json: bytes) -> None:
        """Keeps a whole answer, if all that it was made of belongs to tags that did not change meanwhile."""
        if self._worth and self._asked and not self._first:
            self._worth.note(1 - self._missed / self._asked)
        largest = LARGEST_AT_FIRST if self._first else LARGEST
        if not self._whole or not self._tags or self._era is None or len(json) > largest:
            return
        if self._identity != self._journal.identity or not self._journal.holds(self._tags, self._position):
            return
        tags = tuple(self._tags)
        until = asyncio.get_running_loop().time() + self._seconds
        kept = Kept(json, tags, self._era, self._position, until, weigh_answer(json, tags), self._rows)
        self._cache.near.answers.put([(name, kept)])
        head = orjson.dumps((self._era, self._position, self._seconds, self._rows, tags))
        self._cache.far.put(name_far(name), head + b"\n" + json, self._seconds)


def name_far(name: str) -> str:
    return f"ecs:answer:{name}"
