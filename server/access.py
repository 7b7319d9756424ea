"""Who asks, and what they may: scopes, callers, and the credentials that requests carry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from graph.errors import SocietyError

LONGEST_CREDENTIAL = 8192


class Scope(IntEnum):
    """What a caller may do; each includes those before it."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


SCOPES = {scope.name.lower(): scope for scope in Scope if scope}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody known, by what `kind` of credential: key or token.

    `expires` is in seconds since 1970; from then on the credential is no longer taken.
    """

    kind: str
    name: str
    scope: Scope
    expires: float | None = None


class Unauthenticated(SocietyError):
    """Nobody is known by what the request carries. `tried` tells whether it carried anything."""

    code = "UNAUTHENTICATED"

    def __init__(self, fault: str, *path: str | int, tried: bool = True) -> None:
        super().__init__(fault, *path)
        self.tried = tried


MISSING = "Send an API key or a token, as in Authorization: Bearer …."


# What a credential is called in a payload.
NAMES = frozenset({"authorization", "x-api-key", "apikey"})


def highest(names: Iterable[str]) -> Scope:
    """Gives the highest of the scopes that are named; what is no scope of ours counts for nothing."""
    return max((SCOPES[name] for name in names if name in SCOPES), default=Scope.NONE)


def credential_in_headers(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Finds the credential among a request's headers. Raises Unauthenticated if it is none, or one of several."""
    found = [(name, value) for name, value in headers if name in {b"authorization", b"x-api-key"}]
    return choose([(name.decode("latin-1"), value.decode("latin-1")) for name, value in found])


def credential_in_payload(payload: Mapping[str, Any] | None) -> str | None:
    """Finds the credential in the payload of connection_init. Raises Unauthenticated if it is none.

    It stands under Authorization, X-API-Key or apiKey, in capitals or not.
    """
    found = [(name.lower(), value) for name, value in (payload or {}).items() if name.lower() in NAMES]
    if not all(isinstance(value, str) for _, value in found):
        raise Unauthenticated("The credential must be a string.")
    return choose(found)


def choose(found: list[tuple[str, str]]) -> str | None:
    """Reads the only credential among those found. Raises Unauthenticated."""
    if not found:
        return None
    if len(found) > 1:
        raise Unauthenticated("Send one credential, not several.")
    ((name, value),) = found
    credential = value.strip()
    if name == "authorization":
        scheme, _, credential = credential.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authorization: must be Bearer and an API key or a token.")
        credential = credential.strip()
    if (
        not credential
        or len(credential) > LONGEST_CREDENTIAL
        or not (credential.isascii() and credential.isprintable())
    ):
        raise Unauthenticated("The credential is neither an API key nor a token.")
    return credential
