"""What a worker is made of: its connections, and what reads and writes through them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from graph.bookmarks import Shelf
from graph.database import Database, Observer, Pool
from graph.embedding import Embeddings, LocalModel
from graph.reads import Shape, fetch
from graph.writes.requests import keep_expiring
from graph.writes.touch import TouchShape
from resolvers import valkey
from resolvers.analytics import Analytics, Limits, reading
from resolvers.bookmarks import RedisShelf
from resolvers.caching import Caching
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.meanings import PATIENCE, Meanings, MeaningShape
from resolvers.touches import Touches
from resolvers.writes import Writes
from server.memory import MemoryMonitor, measure
from server.settings import Settings, reveal
from server.telemetry import Check, Telemetry


class Worker:
    """All of it, as the settings say; nothing is sent before it runs."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.name = telemetry.metrics.worker
        self.redis = valkey.connect(reveal(settings.redis_url)) if settings.redis_url else None
        self._shelf = RedisShelf(self.redis) if self.redis is not None else None
        self.database = connect_database(settings, observe=telemetry.query, shelf=self._shelf)
        self._deadline = settings.deadline
        self._analytics = make_analytics(settings, self.database)
        self.meanings = make_meanings(settings)
        self._coalescer = Coalescer(reading(telemetry.linked(self._read), self._analytics))
        self.caching: Caching | None = None
        if self.redis is not None and settings.cache:
            self.caching = Caching(self.database, self.redis, self._coalescer)
        self.events = EventLog(self.redis, observe=telemetry.metrics.event_lag.add)
        self.writes = Writes(
            self.database,
            self.events.publish,
            max_agents=settings.max_agents,
            deadline=settings.deadline,
            transact=self.caching.transact if self.caching else None,
            observe=telemetry.metrics.groups.add,
            embed=self.meanings.of_passages if settings.embeddings is Embeddings.LOCAL else None,
        )
        self._touches = Touches(self.writes)
        # What asks the servers behind it whether they answer.
        self.checks: dict[str, Check] = {"database": self._database_answers}
        if self.redis is not None:
            self.checks["redis"] = self._redis_answers
        relieve = [self.caching.cache.near.shrink] if self.caching else []
        usage = measure(settings.memory_limit, settings.processes)
        self.memory = MemoryMonitor(usage, self.meanings.forget, *relieve)

    def make_context(self) -> Context:
        """Makes what one request is given."""
        moment = self.caching.cache.begin() if self.caching else None
        watched = self._telemetry.watch(moment or self._coalescer)
        return Context(Loaders(watched), self.writes, self.events, moment, watched=watched)

    async def _read(self, shape: Shape, keys: list[Any]) -> list[Any]:
        if isinstance(shape, TouchShape):
            return self._touches.note(keys)
        if isinstance(shape, MeaningShape):
            return await self.meanings.answer(keys)
        self._telemetry.metrics.batch(shape.lane, len(keys))
        return await fetch(self.database, shape, keys, self._deadline)

    async def _database_answers(self) -> bool:
        return bool(await self.database.read("ping", "RETURN 1", deadline=2.0))

    async def _redis_answers(self) -> bool:
        return self.redis is not None and await valkey.answers(self.redis)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Opens the connections, and closes them after what is still written."""
        async with self.database:
            watching = keep_expiring(self.database), self.memory.watch(), self._telemetry.beat(self.checks)
            tasks = [asyncio.create_task(each) for each in (*watching, self.meanings.start())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._close()

    async def _close(self) -> None:
        await self._touches.close()
        await self.writes.close()
        await self.events.close()
        if self.caching:
            await self.caching.close()
        await self._coalescer.close()
        await self.meanings.close()
        await self._analytics.close()
        if self._shelf is not None:
            await self._shelf.close()
        if self.redis is not None:
            await self.redis.aclose()


def make_meanings(settings: Settings) -> Meanings:
    """Makes what computes embeddings, if the settings say so; nothing is started yet."""
    model = LocalModel() if settings.embeddings is Embeddings.LOCAL else None
    # The rest of the time that a request has is for the database.
    return Meanings(model, patience=min(PATIENCE, settings.deadline / 3))


def make_analytics(settings: Settings, database: Database) -> Analytics:
    """Makes what analyses the network, as the settings say; nothing is started yet."""
    limits = Limits(
        max_age=settings.analytics_max_age,
        deadline=settings.analytics_deadline,
        max_relationships=settings.analytics_max_relationships,
    )
    return Analytics(database, choice=settings.analytics, limits=limits)


def connect_database(settings: Settings, *, observe: Observer | None = None, shelf: Shelf | None = None) -> Database:
    """Prepares the connection to the database that the settings name."""
    url, user, password = settings.database_login()
    pool = Pool(
        size=settings.pool_size,
        acquisition_timeout=settings.pool_acquisition_timeout,
        lifetime=settings.pool_lifetime,
        liveness_after=settings.pool_liveness_after,
    )
    return Database.connect(
        url,
        user=user,
        password=password,
        pool=pool,
        dimension=settings.embedding_dimension,
        observe=observe,
        shelf=shelf,
        # What is read from a follower may be older than the version that the cache would keep it under.
        leads=settings.cache,
    )
