"""Who is let in: what a request carries becomes a caller, and what the caller asks for is counted."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from starlette.types import Scope as Connection

from graph.errors import SocietyError, Unavailable
from resolvers.rates import RateLimiter, Verdict
from schema.document import Forbidden
from server.access import (
    MISSING,
    Caller,
    Scope,
    Unauthenticated,
    credential_in_headers,
    credential_in_payload,
)
from server.keys import ApiKeys
from server.refusals import RateLimited
from server.tokens import Tokens

# Where a request's admission is among what its connection holds.
ADMISSION = "ecs.admission"
# How often, in seconds, it is looked whether somebody who stays is still welcome.
LOOKED_EVERY = 30.0
# An operation takes a token for being asked for, and one for each so many objects that it asks for.
OBJECTS_PER_TOKEN = 1000
# Without authentication everybody may do everything.
ANYBODY = Caller("anybody", "", Scope.ADMIN)


@dataclass(slots=True)
class Admission:
    """What somebody was let in with. A socket has no caller before its connection_init."""

    control: "AccessControl"
    address: str
    caller: Caller | None = None
    credential: str | None = None
    verdict: Verdict | None = None

    @property
    def may_write(self) -> bool:
        return self.caller is not None and self.caller.scope >= Scope.WRITE

    @property
    def client(self) -> str:
        """Whose bucket is taken from: the caller's, or that of the address of one who is nobody in particular."""
        if self.caller is None or self.caller is ANYBODY:
            return self.address
        return f"{self.caller.kind} {self.caller.name}"

    async def charge(self, cost: float = 1.0) -> None:
        """Takes what is about to be done from the client's bucket. Raises RateLimited."""
        if self.control.limiter is not None:
            self.verdict = await self.control.limiter.take(self.client, cost)
            if not self.verdict.allowed:
                raise self.control.refuse(RateLimited(self.verdict))

    async def charge_for(self, cost: int) -> None:
        """Takes what an operation costs beyond being asked for. Raises RateLimited."""
        if more := cost // OBJECTS_PER_TOKEN:
            await self.charge(more)

    def demand(self, scope: Scope) -> None:
        """Raises Forbidden unless the caller has a scope."""
        held = self.caller.scope if self.caller else Scope.NONE
        if held < scope:
            has = f"it has {held.name.lower()}" if held else "it has none"
            raise self.control.refuse(Forbidden(f"This needs the scope {scope.name.lower()}; {has}."))

    async def lapse(self) -> Unauthenticated:
        """Waits until the credential no longer holds, and gives the reason: it expired, or was withdrawn."""
        while True:
            await asyncio.sleep(self._pause())
            try:
                caller = await self.control.identify(self.credential)
            except Unauthenticated as error:
                return error
            except Unavailable:
                if self.caller and self.caller.expires is not None and self.control.clock() >= self.caller.expires:
                    return Unauthenticated("The token has expired.")
                continue
            if self.caller is None or caller.scope < self.caller.scope:
                return Unauthenticated("The caller's scopes have changed. Connect again.")
            self.caller = caller

    def _pause(self) -> float:
        expires = self.caller.expires if self.caller else None
        left = LOOKED_EVERY if expires is None else expires - self.control.clock()
        return min(max(left, 0.0) + 0.01, LOOKED_EVERY)


class AccessControl:
    """Admits requests and sockets. `clock` gives seconds since 1970.

    `needs` is what each path needs; those that it does not list need to read.
    """

    def __init__(
        self,
        *,
        keys: ApiKeys | None = None,
        tokens: Tokens | None = None,
        limiter: RateLimiter | None = None,
        needs: Mapping[str, Scope] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys, self.tokens, self.limiter, self.needs = keys, tokens, limiter, needs or {}
        self.clock = clock
        # How many were refused, by the code of the error.
        self.refused: Counter[str] = Counter()

    @property
    def authenticates(self) -> bool:
        return self.keys is not None or self.tokens is not None

    def is_token(self, credential: str) -> bool:
        """Tells tokens from keys: these hold no dots unless there are no tokens here."""
        return self.tokens is not None and (self.keys is None or credential.count(".") == 2)

    async def identify(self, credential: str | None) -> Caller:
        """Gives whose credential it is. Raises Unauthenticated; Unavailable when nobody can know now."""
        if not self.authenticates:
            return ANYBODY
        if credential is None:
            raise Unauthenticated(MISSING, tried=False)
        if self.tokens is not None and self.is_token(credential):
            return await self.tokens.identify(credential)
        if self.keys is not None:
            return self.keys.identify(credential, self.clock())
        raise Unauthenticated(MISSING)

    async def admit(self, connection: Connection) -> Admission:
        """Admits a request, or a socket that is to say later who it is.

        Raises Unauthenticated, Forbidden, RateLimited, and Unavailable when nobody can know who it is now.
        """
        admission = Admission(self, address_of(connection))
        try:
            if self.authenticates:
                admission.credential = credential_in_headers(connection["headers"])
            if admission.credential is not None or connection["type"] == "http" or not self.authenticates:
                admission.caller = await self.identify(admission.credential)
        except Unauthenticated as error:
            # Guesses are counted as well.
            await admission.charge()
            raise self.refuse(error) from None
        await admission.charge()
        if admission.caller is not None:
            admission.demand(self.needs.get(connection["path"], Scope.READ))
        return admission

    async def admit_socket(self, connection: Connection, payload: dict[str, Any] | None) -> Admission:
        """Admits a socket by the payload of its connection_init, or else by its handshake. Raises as `admit` does."""
        admission: Admission = connection[ADMISSION]
        try:
            credential = credential_in_payload(payload) if self.authenticates else None
            if credential is not None or admission.caller is None:
                caller = await self.identify(credential)
                admission = Admission(self, admission.address, caller, credential)
        except Unauthenticated as error:
            raise self.refuse(error) from None
        admission.demand(Scope.READ)
        return admission

    def refuse(self, error: SocietyError) -> SocietyError:
        """Counts a refusal."""
        self.refused[error.code] += 1
        return error

    async def close(self) -> None:
        if self.tokens is not None:
            await self.tokens.close()
        if self.limiter is not None:
            await self.limiter.close()


def address_of(connection: Connection) -> str:
    """Names the host that a connection comes from; an IPv6 network of 64 bits, which one host may own, is one."""
    host = (connection.get("client") or ("unknown", 0))[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return f"address {host}"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return f"address {mapped or ip_network((address, 64), strict=False)}"
    return f"address {address}"
