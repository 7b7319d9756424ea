"""JSON Web Tokens: who their issuer says the caller is."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from server.access import Caller, Unauthenticated, highest
from server.jwks import ALGORITHMS, KeySource

# Tokens whose signature was verified, and for how many seconds it is not again.
REMEMBERED = 2048
TRUSTED = 60.0

LONGEST_NAME = 256

FAULTS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is meant for another audience (aud).",
    jwt.InvalidIssuerError: "The token comes from another issuer (iss).",
    jwt.InvalidSignatureError: "The token's signature is wrong.",
}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What tokens must say. `leeway` in seconds is how far clocks may differ; `prefix` begins names of scopes."""

    issuer: str | None = None
    audience: Sequence[str] = ()
    leeway: float = 30.0
    prefix: str = ""


class Tokens:
    """Knows callers by tokens that are signed by one of `keys`. `clock` gives seconds since 1970."""

    def __init__(self, keys: KeySource, expected: Expected, *, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._expected, self._clock = keys, expected, clock
        self._verified: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def identify(self, token: str) -> Caller:
        """Gives who a token says the caller is. Raises Unauthenticated; Unavailable when its key can't be fetched."""
        digest = sha256(token.encode()).digest()
        caller, until = self._verified.get(digest, (None, 0.0))
        if caller is None or time.monotonic() >= until:
            caller = await self._verify(token)
            self._remember(digest, caller)
        if caller.expires is not None and self._clock() >= caller.expires:
            raise Unauthenticated("The token has expired.")
        return caller

    async def look(self) -> str:
        """Says why the keys of tokens cannot be had, or nothing."""
        return await self._keys.look()

    async def close(self) -> None:
        await self._keys.close()

    def _remember(self, digest: bytes, caller: Caller) -> None:
        self._verified[digest] = caller, time.monotonic() + TRUSTED
        self._verified.move_to_end(digest)
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)

    async def _verify(self, token: str) -> Caller:
        try:
            algorithm, id = read_header(token)
            key = await self._keys.find(algorithm, id)
            claims = self._decode(token, key.key, key.algorithm)
            return self._read(claims)
        except jwt.PyJWTError as error:
            raise Unauthenticated(describe(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise Unauthenticated("The token is malformed.") from None

    def _decode(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        expected = self._expected
        return jwt.decode(
            token,
            key,
            [algorithm],
            issuer=expected.issuer,
            audience=expected.audience or None,
            leeway=expected.leeway,
            options={"require": ["exp", *(["iss"] if expected.issuer else [])]},
        )

    def _read(self, claims: dict[str, Any]) -> Caller:
        name = next((claims[each] for each in ("sub", "client_id", "azp") if claims.get(each)), None)
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            raise Unauthenticated("The token does not say whose it is (sub).")
        prefix = self._expected.prefix
        names = (each.removeprefix(prefix) for each in named_scopes(claims) if each.startswith(prefix))
        return Caller("token", name, highest(names), float(claims["exp"]) + self._expected.leeway)


def read_header(token: str) -> tuple[str, str | None]:
    """Reads the algorithm and the id of the key by which a token says it is signed. Raises Unauthenticated."""
    header = jwt.get_unverified_header(token)
    algorithm, id = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise Unauthenticated(f"The token must be signed by one of {', '.join(ALGORITHMS)}.")
    return algorithm, id


def named_scopes(claims: dict[str, Any]) -> Iterable[str]:
    """Lists scopes as the issuers of this world write them: words of a text, or a list."""
    for name in ("scope", "scp", "scopes"):
        value = claims.get(name)
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, str))


def describe(error: jwt.PyJWTError) -> str:
    """Says what is wrong with a token, and nothing of what it holds."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token lacks the claim {error.claim}."
    return FAULTS.get(type(error), "The token is malformed.")
