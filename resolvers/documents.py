"""Documents that clients name instead of sending them: automatic persisted queries, and trusted documents.

A client that knows the SHA-256 of its document sends that alone; if nobody has sent the document before, it is
asked to send both once (the protocol that Apollo's clients speak). With trusted documents only those are taken.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from redis.exceptions import RedisError

from graph.errors import BadInput, SocietyError
from resolvers.valkey import Redis

# What a worker keeps, in characters, and for how many seconds Redis does after the last time it was sent.
KEPT = 4_000_000
LIFETIME = 7 * 86_400
# Seconds that Redis may take.
PATIENCE = 1.0


class DocumentUnknown(SocietyError):
    """Nobody has sent the document yet; clients know this message and send it."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class DocumentRefused(SocietyError):
    """Only trusted documents are taken, and this is none."""

    code = "DOCUMENT_NOT_TRUSTED"


class Documents:
    """The documents that are known by name."""

    def __init__(self, redis: Redis | None, trusted: Mapping[str, str] | None = None) -> None:
        self._redis: Any = redis and redis.within(PATIENCE, "persisted queries")
        self._trusted = trusted
        self._texts = frozenset(trusted.values()) if trusted is not None else frozenset[str]()
        self._known: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    async def find(self, text: str | None, hash: str | None) -> str:
        """Gives the document that a request means by its text, its hash, or both.

        Raises DocumentUnknown, DocumentRefused, and BadInput for a hash that is another text's.
        """
        if self._trusted is not None:
            return self._find_trusted(self._trusted, text, hash)
        if hash is None:
            if text is None:
                raise BadInput("query: must be the text of a GraphQL document.")
            return text
        if text is None:
            return await self._recall(hash)
        if sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != hash:
            raise BadInput("extensions.persistedQuery.sha256Hash: is not the SHA-256 of the query.")
        await self._keep(hash, text)
        return text

    def _find_trusted(self, trusted: Mapping[str, str], text: str | None, hash: str | None) -> str:
        found = trusted.get(hash or "", text)
        if found is None or found not in self._texts:
            raise DocumentRefused("Only trusted documents are taken here: add this one to ECS_TRUSTED_DOCUMENTS.")
        return found

    async def _recall(self, hash: str) -> str:
        if text := self._known.get(hash):
            self._known.move_to_end(hash)
            return text
        if self._redis is not None:
            try:
                found: bytes | None = await self._redis.get(key_of(hash))
            except (RedisError, OSError):
                found = None
            if found:
                return self._remember(hash, found.decode())
        raise DocumentUnknown("PersistedQueryNotFound")

    async def _keep(self, hash: str, text: str) -> None:
        self._remember(hash, text)
        if self._redis is not None:
            try:
                await self._redis.set(key_of(hash), text, ex=LIFETIME)
            except (RedisError, OSError):
                # This worker knows it; others will ask for it.
                return

    def _remember(self, hash: str, text: str) -> str:
        if hash not in self._known:
            self._size += len(text)
        self._known[hash] = text
        self._known.move_to_end(hash)
        while self._size > KEPT:
            _, forgotten = self._known.popitem(last=False)
            self._size -= len(forgotten)
        return text


def key_of(hash: str) -> str:
    return f"ecs:document:{hash}"
