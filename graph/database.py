"""The connection to Neo4j: reads, writes and streams by name, each with a deadline, behind a circuit breaker."""

# The driver's own signatures take untyped keyword arguments.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from neo4j import (
    READ_ACCESS,
    WRITE_ACCESS,
    AsyncDriver,
    AsyncGraphDatabase,
    AsyncManagedTransaction,
    AsyncSession,
    Query,
    unit_of_work,
)
from neo4j.exceptions import Neo4jError, ServiceUnavailable, SessionExpired

from graph.bookmarks import Bookmarks, Shelf
from graph.breaker import PATIENCE, Breaker
from graph.errors import Unavailable, translated
from graph.parameters import unspoken

T = TypeVar("T")
Row = list[Any]
# Runs one statement of a transaction and gives its rows.
Run = Callable[[str, Mapping[str, Any]], Awaitable[list[Row]]]
Observer = Callable[[str, float, int], None]

# Seconds before a query is sent for the third time.
PAUSE = 0.1


async def collect(run: Run, text: str, **parameters: Any) -> list[Any]:
    """Runs a statement that returns a list in its only record: each record costs what hundreds of values do."""
    ((found,),) = await run(text, parameters)
    return found


@dataclass(frozen=True, kw_only=True)
class Pool:
    """How connections are pooled; times in seconds.

    Those idle for `liveness_after` are checked before use, those older than `lifetime` replaced.
    """

    size: int = 50
    acquisition_timeout: float = 10.0
    lifetime: float = 3600.0
    liveness_after: float = 30.0


# How many numbers an embedding has unless it is said otherwise, as many common models make them.
DIMENSION = 1536


class Database:
    """A Neo4j server or cluster. Rows come as lists of values, in the order of the RETURN clause.

    `dimension` is how many numbers an embedding has there. With `bookmarks`, those of a cluster, reads go to followers
    unless `leads`, and see what was committed before they began.
    """

    def __init__(
        self,
        driver: AsyncDriver,
        asking: AsyncDriver,
        *,
        dimension: int = DIMENSION,
        observe: Observer | None = None,
        bookmarks: Bookmarks | None = None,
        leads: bool = False,
    ) -> None:
        self._driver = driver
        # Whether the database answers is asked on a connection that no query keeps busy.
        self._asking = asking
        self._bookmarks = bookmarks
        self._leads = leads
        self.dimension = dimension
        self.observe = observe
        self.breaker = Breaker(self._ask)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        user: str,
        password: str,
        pool: Pool | None = None,
        dimension: int = DIMENSION,
        observe: Observer | None = None,
        shelf: Shelf | None = None,
        leads: bool = False,
    ) -> Self:
        """Prepares the connection; nothing is sent before the first query.

        Of a cluster (neo4j://) `shelf` keeps the bookmarks that all its clients share, and `leads` sends every read
        to the leader.
        """
        pool = pool or Pool()
        common: dict[str, Any] = {
            "auth": (user, password),
            "connection_timeout": 5.0,
            "notifications_min_severity": "OFF",
            "telemetry_disabled": True,
            "user_agent": "ecs-memory-interaction",
        }
        with translated("connect"):
            driver = AsyncGraphDatabase.driver(
                url,
                max_connection_pool_size=pool.size,
                connection_acquisition_timeout=pool.acquisition_timeout,
                max_connection_lifetime=pool.lifetime,
                liveness_check_timeout=pool.liveness_after,
                **common,
            )
            asking = AsyncGraphDatabase.driver(
                url, max_connection_pool_size=1, connection_acquisition_timeout=PATIENCE, **common
            )
        cluster = url.startswith("neo4j")
        return cls(
            driver,
            asking,
            dimension=dimension,
            observe=observe,
            bookmarks=Bookmarks(shelf) if shelf and cluster else None,
            leads=leads and cluster,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.breaker.close()
        await self._driver.close()
        await self._asking.close()

    async def _ask(self) -> None:
        async with self._asking.session(default_access_mode=READ_ACCESS) as session:
            await (await session.run("RETURN 1")).consume()

    async def _session(self, mode: str, **options: Any) -> AsyncSession:
        """Opens a session that sees what was committed before, by whomever."""
        if self._leads:
            mode = WRITE_ACCESS
        if self._bookmarks is None:
            return self._driver.session(default_access_mode=mode, **options)
        if not await self._bookmarks.refresh():
            mode = WRITE_ACCESS
        return self._driver.session(default_access_mode=mode, bookmark_manager=self._bookmarks, **options)

    async def read(
        self, name: str, text: str, parameters: Mapping[str, Any] | None = None, *, deadline: float = 10.0
    ) -> list[Row]:
        """Runs one reading query; one that failed for reasons of the moment is sent again, twice at most.

        `deadline` is in seconds: Neo4j ends the query itself, and the wait ends with it.
        """
        return await self._run(name, text, parameters, READ_ACCESS, deadline, attempts=3)

    async def write(
        self, name: str, text: str, parameters: Mapping[str, Any] | None = None, *, deadline: float = 30.0
    ) -> list[Row]:
        """Runs one writing query in a transaction of its own, committed when this returns.

        It is sent once only; `transact` retries. The text may hold CALL {…} IN TRANSACTIONS.
        """
        return await self._run(name, text, parameters, WRITE_ACCESS, deadline, attempts=1)

    async def transact(self, name: str, *statements: tuple[str, Mapping[str, Any]]) -> list[list[Row]]:
        """Runs statements in one transaction and returns the rows of each; see `transaction`."""

        async def work(run: Run) -> list[list[Row]]:
            return [await run(text, parameters) for text, parameters in statements]

        return await self.transaction(name, work, deadline=None)

    async def transaction(self, name: str, work: Callable[[Run], Awaitable[T]], *, deadline: float | None = 30.0) -> T:
        """Runs what `work` does in one transaction, committed when this returns with work's result.

        It is run again as a whole when the server says that it may succeed, so it must change nothing else.
        `deadline` is in seconds, retries included; when it or a lost connection ends the wait for the commit,
        it is unknown whether that came about.
        """
        rows = 0

        @unit_of_work(metadata={"query": name}, timeout=deadline)
        async def attempt(tx: AsyncManagedTransaction) -> T:
            async def run(text: str, parameters: Mapping[str, Any]) -> list[Row]:
                nonlocal rows
                with unspoken(parameters) as given:
                    result = await tx.run(text, given)  # pyright: ignore[reportArgumentType]
                    values = await result.values()
                rows += len(values)
                return values

            return await work(run)

        started = time.perf_counter()
        with translated(name):
            async with (
                self.breaker.guard(deadline and deadline + 1.0),
                await self._session(WRITE_ACCESS) as session,
            ):
                # Its beginning travels with its first statement, as in the driver's own execute_query.
                with getattr(session, "_pipelined_begin", nullcontext()):
                    done = await session.execute_write(attempt)
        self._observed(name, started, rows)
        return done

    async def stream(
        self,
        name: str,
        text: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        fetch_size: int = 1000,
        deadline: float | None = None,
    ) -> AsyncIterator[Row]:
        """Yields the rows of a reading query as they come, holding no more than `fetch_size` of them.

        `deadline` is in seconds; without one there is no end to it.
        """
        started, rows = time.perf_counter(), 0
        self.breaker.check()
        with translated(name), unspoken(parameters) as given:
            async with await self._session(READ_ACCESS, fetch_size=fetch_size) as session:
                query = Query(text, timeout=deadline, metadata={"query": name})  # pyright: ignore[reportArgumentType]
                result = await session.run(query, given)
                async for record in result:
                    rows += 1
                    yield list(record.values())
        self._observed(name, started, rows)

    def connections(self) -> tuple[int, int]:
        """Tells how many connections are in use and how many idle."""
        # The driver tells nobody; without what it keeps there is nothing to tell.
        pool = getattr(self._driver, "_pool", None)
        addresses: Mapping[Any, Any] = getattr(pool, "connections", {})
        found = [getattr(each, "in_use", False) for held in list(addresses.values()) for each in list(held)]
        return sum(found), len(found) - sum(found)

    async def explain(self, text: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns Neo4j's plan for a query without running it."""
        with translated("explain"):
            async with self._driver.session(default_access_mode=READ_ACCESS) as session:
                result = await session.run("EXPLAIN " + text, dict(parameters or {}))  # pyright: ignore[reportArgumentType]
                summary = await result.consume()
        return dict(summary.plan or {})

    async def _run(
        self,
        name: str,
        text: str,
        parameters: Mapping[str, Any] | None,
        mode: str,
        deadline: float,
        *,
        attempts: int,
    ) -> list[Row]:
        started = time.perf_counter()
        # The server's own limit comes first, so that it is the one that speaks; ours is for a silent server.
        query = Query(text, timeout=deadline, metadata={"query": name})  # pyright: ignore[reportArgumentType]
        with translated(name):
            async with self.breaker.guard(deadline + 1.0):
                while True:
                    attempts -= 1
                    try:
                        with unspoken(parameters) as given:
                            async with await self._session(mode) as session:
                                result = await session.run(query, given)
                                rows = await result.values()
                        break
                    except (Neo4jError, ServiceUnavailable, SessionExpired) as error:
                        if attempts == 0 or not error.is_retryable():
                            raise
                    # A lost connection is one of a pool; what befalls the second time takes a moment to pass.
                    await asyncio.sleep(0 if attempts > 1 else PAUSE)
        self._observed(name, started, len(rows))
        return rows

    def _observed(self, name: str, started: float, rows: int) -> None:
        if self.observe:
            self.observe(name, time.perf_counter() - started, rows)

    async def wait_until_ready(self, seconds: float) -> None:
        """Waits until the database answers, or raises the last Unavailable after `seconds`."""
        give_up = time.monotonic() + seconds
        while True:
            try:
                await self.read("ping", "RETURN 1", deadline=2.0)
            except Unavailable:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.2)
            else:
                return
