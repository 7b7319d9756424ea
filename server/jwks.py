"""The keys that verify tokens: a secret, a public key, or a set of keys in a file or at an address.

Which algorithm a key verifies is the key's own property, never the token's: a public key is never taken for a
secret. Addresses that tokens name themselves (`jku`, `x5u`) are never asked.
"""

import asyncio
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from graph.errors import Unavailable
from server.access import Unauthenticated

ALGORITHMS = ("HS256", "RS256", "ES256")
SHORTEST_SECRET = 32
SHORTEST_RSA = 2048
MOST_KEYS = 100

# Seconds: when a set is asked for anew, when an old one is no longer trusted, and the least between two attempts.
REFRESHED_AFTER = 300.0
KEPT = 86_400.0
PAUSE = 10.0
PATIENCE = 5.0
LARGEST = 262_144

log = logging.getLogger("ecs.access")


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key, the one algorithm that it verifies, and its id in its set."""

    algorithm: str
    key: Any
    id: str | None = None


class KeySource(Protocol):
    """Finds keys. Raises Unauthenticated for one that is not there, Unavailable while nobody can know."""

    async def find(self, algorithm: str, id: str | None) -> VerifyingKey: ...

    async def look(self) -> str:
        """Says why there are no keys, or nothing."""
        ...

    async def close(self) -> None: ...


def select(keys: Sequence[VerifyingKey], algorithm: str, id: str | None) -> VerifyingKey | None:
    """Finds the key that a token means; one that names none means the only one of its algorithm."""
    found = [each for each in keys if each.algorithm == algorithm and (id is None or each.id in {id, None})]
    if id is None and len(found) > 1:
        raise Unauthenticated("The token does not say by which key (kid) it was signed.")
    return found[0] if found else None


def read_public_key(data: bytes) -> list[VerifyingKey]:
    """Reads a public key of RSA, or of the curve P-256, in PEM. Raises ValueError."""
    if b"PRIVATE KEY" in data:
        raise ValueError("holds a private key; give its public key")
    try:
        return [verifying(load_pem_public_key(data))]
    except (UnsupportedAlgorithm, TypeError):
        raise ValueError("holds no public key that is known") from None
    except ValueError as error:
        raise ValueError(str(error) if isinstance(error, KeyUnfit) else "holds no public key in PEM") from None


class KeyUnfit(ValueError):
    """A key of a kind or length that is not taken."""


def verifying(key: Any, id: str | None = None) -> VerifyingKey:
    """Says what a public key verifies. Raises KeyUnfit."""
    match key:
        case RSAPublicKey():
            if key.key_size < SHORTEST_RSA:
                raise KeyUnfit(f"holds an RSA key of {key.key_size} bits; {SHORTEST_RSA} at least")
            return VerifyingKey("RS256", key, id)
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return VerifyingKey("ES256", key, id)
        case _:
            raise KeyUnfit("must be a key of RSA, or of the curve P-256")


def read_jwks(data: bytes) -> list[VerifyingKey]:
    """Reads a JSON Web Key Set; keys for other uses and algorithms are passed over. Raises ValueError."""
    try:
        document = orjson.loads(data)
    except ValueError:
        raise ValueError("is not JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError(f"is no key set: an object with a list `keys`, of {MOST_KEYS} at most")
    found = [key for each in listed if isinstance(each, dict) and (key := read_jwk(each))]
    if not found:
        raise ValueError("holds no key for RS256 or ES256")
    return found


def read_jwk(jwk: dict[str, Any]) -> VerifyingKey | None:
    """Reads a key of a set, or None if it is not for us. Raises ValueError if it is a private one."""
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(jwk.get("kty")))
    meant = jwk.get("use", "sig") == "sig" and jwk.get("alg", algorithm) == algorithm
    if algorithm is None or not meant or not isinstance(jwk.get("kid"), str | None):
        return None
    if "d" in jwk:
        raise ValueError("holds a private key; give the public keys")
    try:
        return verifying(jwt.PyJWK(jwk, algorithm).key, jwk.get("kid"))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


class KnownKeys:
    """Keys at hand, as `source` gives them at that moment."""

    def __init__(self, source: Callable[[], Sequence[VerifyingKey]]) -> None:
        self._source = source

    async def find(self, algorithm: str, id: str | None) -> VerifyingKey:
        if key := select(self._source(), algorithm, id):
            return key
        raise Unauthenticated("The token is signed by a key or an algorithm that is not known here.")

    async def look(self) -> str:
        return "" if self._source() else "there are none"

    async def close(self) -> None:
        """Nothing is under way."""


class RemoteKeys:
    """Keys from an address: kept, asked for anew now and then, and when a token names one that is not there.

    Whatever tokens say, the address is asked once in `PAUSE` seconds at most, off the event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        download: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._download, self._clock = url, download or download_keys, clock
        self._keys: list[VerifyingKey] | None = None
        self._fetched = self._allowed = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, algorithm: str, id: str | None) -> VerifyingKey:
        age = self._clock() - self._fetched
        if age > KEPT:
            self._keys = None
        elif age > REFRESHED_AFTER:
            self._refresh()
        key = self._known(algorithm, id)
        if key is None and (fetching := self._refresh()):
            # Others wait for the same, and still do when this one goes away.
            await asyncio.shield(fetching)
            key = self._known(algorithm, id)
        if key is not None:
            return key
        if self._keys is None:
            raise Unavailable("The keys that verify tokens cannot be fetched now. Try again shortly.")
        raise Unauthenticated("The token is signed by a key or an algorithm that is not known here.")

    def _known(self, algorithm: str, id: str | None) -> VerifyingKey | None:
        return select(self._keys, algorithm, id) if self._keys is not None else None

    def _refresh(self) -> asyncio.Task[None] | None:
        """Gives the attempt under way, or begins one if it is time for it."""
        if self._fetching is None and (now := self._clock()) >= self._allowed:
            self._allowed = now + PAUSE
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            self._keys = read_jwks(await asyncio.to_thread(self._download, self._url))
            self._fetched = self._clock()
        except FAULTS as error:
            log.warning("ECS_JWT_JWKS: the keys cannot be fetched: %s", reason(error))
        finally:
            self._fetching = None

    async def look(self) -> str:
        try:
            read_jwks(await asyncio.to_thread(self._download, self._url))
        except FAULTS as error:
            return f"their keys cannot be fetched: {reason(error)}"
        return ""

    async def close(self) -> None:
        if self._fetching:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)


# What an address may do instead of answering keys.
FAULTS = (OSError, ValueError, http.client.HTTPException)


def reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leads nowhere: the settings say where keys come from."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


def download_keys(url: str) -> bytes:
    """Reads what an address answers, within bounds of time and size. Raises OSError or ValueError."""
    opener = urllib.request.build_opener(NoRedirect)
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
    give_up, body = time.monotonic() + 2 * PATIENCE, bytearray()
    try:
        with opener.open(request, timeout=PATIENCE) as response:
            while chunk := response.read1(65_536):
                body += chunk
                if len(body) > LARGEST:
                    raise ValueError(f"more than {LARGEST} bytes")
                if time.monotonic() > give_up:
                    raise TimeoutError("it takes too long")
    except urllib.error.HTTPError as error:
        error.close()
        raise OSError(f"status {error.code}") from None
    return bytes(body)


def check_address(url: str) -> None:
    """Raises ValueError unless an address is fit for keys to come from: encrypted, or on this machine."""
    parts = urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ValueError("must be the path of a file, or an address that begins with https://, without a user")
