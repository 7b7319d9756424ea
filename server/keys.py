"""API keys: what clients hold, and the lines by which the server knows them.

A line is NAME:SCOPES:SHA256 or NAME:SCOPES:SHA256:UNTIL, such as `alice:read+write:9f86…:2027-12-31`. A key holds
256 random bits, so that its plain SHA-256 cannot be turned back: a slow derivation, which protects what people
make up, would only cost every request its time.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest

from server.access import SCOPES, Caller, Scope, Unauthenticated, highest

# Lets scanners for leaked secrets recognise a key.
PREFIX = "ecs_"
MOST_KEYS = 1000

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
DIGEST = re.compile(r"[0-9a-fA-F]{64}")
SEPARATORS = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the server knows it: whose it is, and its digest."""

    caller: Caller
    digest: bytes


def make_key() -> str:
    """Makes a key that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    return sha256(key.encode()).digest()


def write_line(name: str, scope: Scope, key: str, until: str | None = None) -> str:
    """Writes the line by which the server knows a key. Raises ValueError."""
    line = ":".join([name, scope.name.lower(), digest_of(key).hex(), *([until] if until else [])])
    read_line(line)
    return line


def read_keys(text: str) -> list[ApiKey]:
    """Reads lines, or entries between commas or spaces; # begins a comment. Raises ValueError, which repeats none."""
    entries = [each for line in text.splitlines() for each in SEPARATORS.split(line.partition("#")[0]) if each]
    found: list[ApiKey] = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read_line(entry))
        except ValueError as error:
            raise ValueError(f"key {number}: {error}") from None
    if not found:
        raise ValueError("holds no key; `ecs key NAME` makes one")
    if len(found) > MOST_KEYS:
        raise ValueError(f"holds {len(found)} keys; {MOST_KEYS} at most")
    if len({key.digest for key in found}) < len(found):
        raise ValueError("holds the same key twice")
    return found


def read_line(line: str) -> ApiKey:
    """Reads NAME:SCOPES:SHA256 or NAME:SCOPES:SHA256:UNTIL. Raises ValueError."""
    match line.split(":", 3):
        case [name, scopes, digest]:
            until = None
        case [name, scopes, digest, until]:
            pass
        case _:
            raise ValueError("must be NAME:SCOPES:SHA256, as `ecs key NAME` prints it")
    if not NAME.fullmatch(name):
        raise ValueError("the name must be 1 to 64 letters, digits and any of _ . @ -")
    names = scopes.split("+")
    if not set(names) <= set(SCOPES):
        raise ValueError(f"the scopes must be of {', '.join(SCOPES)}, joined by +")
    if not DIGEST.fullmatch(digest):
        raise ValueError("the third part must be the SHA-256 of the key, in hexadecimal")
    return ApiKey(Caller("key", name, highest(names), read_until(until)), bytes.fromhex(digest))


def read_until(text: str | None) -> float | None:
    """Reads the last day of a key, in UTC, as the moment after it. Raises ValueError."""
    if text is None:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return (day + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("the fourth part must be the key's last day, such as 2027-12-31") from None


class ApiKeys:
    """Knows callers by their keys, from each of `sources` as it is at that moment."""

    def __init__(self, *sources: Callable[[], Sequence[ApiKey]]) -> None:
        self._sources = sources

    def count(self, now: float) -> tuple[int, int]:
        """Counts the keys that are good, and those that have expired."""
        ends = [each.caller.expires for source in self._sources for each in source()]
        expired = sum(end is not None and now >= end for end in ends)
        return len(ends) - expired, expired

    def identify(self, key: str, now: float) -> Caller:
        """Gives whose key it is. Raises Unauthenticated."""
        digest, found = digest_of(key), None
        # All are compared, each in constant time, so that time tells nothing about any of them.
        for source in self._sources:
            for each in source():
                if compare_digest(each.digest, digest):
                    found = each.caller
        if found is None:
            raise Unauthenticated("The API key is not known.")
        if found.expires is not None and now >= found.expires:
            raise Unauthenticated("The API key has expired.")
        return found
