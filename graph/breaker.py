"""A circuit breaker: while the database does not answer, nobody waits for it.

Whether it answers is found out by asking it something small, when a connection failed or when nothing was answered
for a while. As long as that fails the circuit is open: what waits is told at once, and so is who comes. It is asked
again and again, and with its first answer the circuit closes.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from neo4j.exceptions import (
    AuthError,
    ConnectionAcquisitionTimeoutError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
)

from graph.errors import Unavailable

log = logging.getLogger("ecs.database")

# Seconds without any answer, although there are questions, after which the database is asked.
SILENCE = 1.0
# Seconds that it may take to answer, and between one attempt and the next.
PATIENCE = 3.0
PAUSE = 0.5

UNREACHED = (ServiceUnavailable, SessionExpired, ConnectionAcquisitionTimeoutError, OSError)
OPEN = "The database cannot be reached. Try again shortly."

Ask = Callable[[], Awaitable[object]]


class Breaker:
    """The circuit to one database. `ask` asks it something small and raises if it does not answer."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: set[asyncio.Timeout] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        # When the last answer came, or the first question since there were none, on the event loop's clock.
        self._heard = float("-inf")
        self.is_open = False
        # How often it opened, and how many questions it refused or cut short.
        self.opened = 0
        self.refused = 0

    @asynccontextmanager
    async def guard(self, seconds: float | None) -> AsyncGenerator[None]:
        """Lets a question wait for so many seconds. Raises Unavailable while the circuit is open, or when it opens."""
        self.check()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds) as timeout:
                if not self._waiting:
                    self._heard = loop.time()
                self._waiting.add(timeout)
                if self._timer is None:
                    self._timer = loop.call_later(SILENCE, self._look)
                try:
                    yield
                finally:
                    self._waiting.discard(timeout)
        except TimeoutError as error:
            if self.is_open:
                self.refused += 1
                raise Unavailable(OPEN) from error
            raise
        except UNREACHED:
            self.suspect()
            raise
        except Neo4jError:
            self._heard = loop.time()
            raise
        self._heard = loop.time()

    def check(self) -> None:
        """Raises Unavailable while the circuit is open."""
        if self.is_open:
            self.refused += 1
            raise Unavailable(OPEN)

    def suspect(self) -> None:
        """Finds out whether the database answers, unless that is going on."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._find_out())

    def open(self) -> None:
        """Tells all who wait, and all who come."""
        self.is_open = True
        self.opened += 1
        now = asyncio.get_running_loop().time()
        for timeout in self._waiting:
            if not timeout.expired():
                timeout.reschedule(now)

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        silent = loop.time() - self._heard
        if silent >= SILENCE:
            self.suspect()
        self._timer = loop.call_later(max(0.1, SILENCE - silent), self._look)

    async def _find_out(self) -> None:
        try:
            while True:
                if await self._answers():
                    return
                await asyncio.sleep(PAUSE)
        finally:
            self._asking = None

    async def _answers(self) -> bool:
        """Asks once, and opens or closes the circuit; says whether there is nothing more to find out."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._ask()
        except AuthError:
            # It answers; that it refuses is for those who ask to hear.
            pass
        except (Neo4jError, DriverError, OSError) as error:
            if self.is_open:
                return False
            if self._heard > started:
                return True
            log.warning("The database does not answer: requests fail until it does (%s).", type(error).__name__)
            self.open()
            return False
        self._heard = loop.time()
        if self.is_open:
            log.warning("The database answers again.")
            self.is_open = False
        return True

    async def close(self) -> None:
        """Ends what runs in the background."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
