"""The composition root: everything that a worker needs is made here and closed here."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, WebSocketRoute

from graph.database import Database, Observer, Pool
from graph.reads import Shape, fetch
from graph.writes.requests import keep_expiring
from graph.writes.touch import TouchShape
from resolvers import valkey
from resolvers.analytics import Analytics, Limits, reading
from resolvers.caching import Caching
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.documents import Documents
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.touches import Touches
from resolvers.writes import Writes
from schema.root import build_schema
from server.graphiql import explorer_page, mount_assets
from server.graphql import GraphQLEndpoint
from server.health import Health
from server.memory import MemoryMonitor, measure
from server.metrics import CacheCollector, Metrics, PlannerCollector
from server.rest import AgentMemories
from server.settings import Settings, load_documents, load_settings, reveal
from server.websocket import GraphQLSocketEndpoint

COMPRESSED_FROM = 1000
# Half the time of the highest level, for answers that are 3 % larger.
COMPRESSION = 5


def create_app(settings: Settings | None = None, *, observe: Observer | None = None) -> Starlette:
    """Makes the application of a database that is up; its lifespan opens and closes the connections."""
    settings = settings or load_settings()
    logging.getLogger("ecs").setLevel(settings.log_level.upper())
    database = connect_database(settings, observe=observe)
    redis = valkey.connect(reveal(settings.redis_url)) if settings.redis_url else None

    async def read(shape: Shape, keys: list[Any]) -> list[Any]:
        if isinstance(shape, TouchShape):
            return touches.note(keys)
        return await fetch(database, shape, keys, settings.deadline)

    analytics = make_analytics(settings, database)
    coalescer = Coalescer(reading(read, analytics))
    caching = Caching(database, redis, coalescer) if redis is not None and settings.caches else None

    events = EventLog(redis)
    writes = Writes(
        database,
        events.publish,
        max_agents=settings.max_agents,
        deadline=settings.deadline,
        transact=caching.transact if caching else None,
    )
    touches = Touches(writes)

    def make_context() -> Context:
        return Context(Loaders(caching.cache if caching else coalescer), writes, events)

    relieve = [caching.cache.near.shrink] if caching else []
    memory = MemoryMonitor(measure(settings.memory_limit, settings.processes), *relieve)

    async def database_answers() -> bool:
        return bool(await database.read("ping", "RETURN 1", deadline=2.0))

    async def redis_answers() -> bool:
        return redis is not None and await valkey.answers(redis)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with database:
            tasks = [asyncio.create_task(each) for each in (keep_expiring(database), memory.watch())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await touches.close()
                await writes.close()
                await events.close()
                if caching:
                    await caching.close()
                await coalescer.close()
                await analytics.close()
                if redis is not None:
                    await redis.aclose()

    health = Health(database_answers, redis_answers if redis else None, memory.report)
    schema, documents = build_schema(), Documents(redis, load_documents(settings.trusted_documents))
    graphql = GraphQLEndpoint(schema, make_context, deadline=settings.deadline, documents=documents)
    sockets = GraphQLSocketEndpoint(schema, make_context, deadline=settings.deadline, documents=documents)
    collectors = [CacheCollector(caching.cache)] if caching else []
    metrics = Metrics(*collectors, *([PlannerCollector(schema.planner)] if schema.planner else []))
    app = Starlette(
        lifespan=lifespan,
        middleware=[Middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION)],
        routes=[
            Route("/graphql", graphql.answer, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", sockets.serve),
            Route(
                "/agents/{key:path}/memories",
                AgentMemories(make_context, deadline=settings.deadline).answer,
                methods=["GET"],
            ),
            Route("/explorer", explorer_page, methods=["GET"]),
            Route("/metrics", metrics.answer),
            Route("/health", health.report),
            Route("/health/live", health.live),
            Route("/health/ready", health.ready),
            mount_assets(),
        ],
    )
    app.state.events = events
    return app


def make_analytics(settings: Settings, database: Database) -> Analytics:
    """Makes what analyses the network, as the settings say; nothing is started yet."""
    limits = Limits(
        max_age=settings.analytics_max_age,
        deadline=settings.analytics_deadline,
        max_relationships=settings.analytics_max_relationships,
    )
    return Analytics(database, choice=settings.analytics, limits=limits)


def connect_database(settings: Settings, *, observe: Observer | None = None) -> Database:
    """Prepares the connection to the database that the settings name."""
    url, user, password = settings.database_login()
    pool = Pool(
        size=settings.pool_size,
        acquisition_timeout=settings.pool_acquisition_timeout,
        lifetime=settings.pool_lifetime,
        liveness_after=settings.pool_liveness_after,
    )
    return Database.connect(
        url, user=user, password=password, pool=pool, dimension=settings.embedding_dimension, observe=observe
    )
