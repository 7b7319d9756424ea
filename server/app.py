"""The application: which address is answered by what, and what every request passes on its way."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, WebSocketRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from graph.database import Observer
from resolvers.documents import Documents
from schema.limits import Limits as OperationLimits
from schema.root import Schema, build_schema
from server import metrics as sources
from server.access import Scope
from server.admission import AccessControl
from server.authentication import make_access_control, read_proxies
from server.browsers import Hosts, allow_origins, read_hosts
from server.exchange import Exchanges
from server.gate import Gate, Shedding
from server.graphiql import explorer_page, mount_assets
from server.graphql import GraphQLEndpoint, Shortcut
from server.guard import Guard
from server.health import Health
from server.metrics import Metrics, Source
from server.openapi import openapi
from server.requests import PATH
from server.responses import COMPRESSED_FROM, COMPRESSION
from server.rest import AgentMemories, refuse_address
from server.scrape import Shared
from server.settings import Settings, load_documents, load_settings, read_origins
from server.telemetry import Telemetry
from server.tracing import Tracing, start_tracing
from server.websocket import GraphQLSocketEndpoint, admit_all
from server.worker import Worker

# GraphQL compresses by itself: what any layer does to its answers costs as much as making them.
COMPRESSED = [Middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION)]


def create_app(
    settings: Settings | None = None, *, observe: Observer | None = None, tracing: Tracing | None = None
) -> Starlette:
    """Makes the application of a database that is up; its lifespan opens and closes the connections."""
    settings = settings or load_settings()
    logging.getLogger("ecs").setLevel(settings.log_level.upper())
    telemetry = make_telemetry(settings, observe, tracing)
    worker = Worker(settings, telemetry)
    control = make_access_control(settings, worker.redis, needs={"/metrics": Scope.ADMIN})
    gate = Gate(most_running=settings.max_running, most_waiting=settings.max_waiting, most_streams=settings.max_streams)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with worker.running():
            try:
                yield
            finally:
                if control:
                    await control.close()
                await telemetry.close()

    schema = build_schema(make_limits(settings), introspection=settings.introspection)
    origins = read_origins(settings.cors_origins)
    documents = Documents(worker.redis, load_documents(settings.trusted_documents))
    schema.observer = telemetry
    context, deadline = worker.make_context, settings.deadline
    graphql = GraphQLEndpoint(
        schema,
        context,
        deadline=deadline,
        documents=documents,
        turn=gate.turn,
        largest_body=settings.max_body,
        graphiql=settings.graphiql,
        precise=settings.status_codes == "precise",
    )
    authorize = control.admit_socket if control else admit_all
    sockets = GraphQLSocketEndpoint(
        schema,
        context,
        deadline=deadline,
        documents=documents,
        authorize=authorize,
        origins=origins,
        turn=gate.turn,
        largest_body=settings.max_body,
    )
    health = Health(
        worker.checks["database"],
        worker.checks.get("redis"),
        worker.memory.report,
        lambda: worker.database.breaker.is_open,
    )
    memories = AgentMemories(context, deadline=deadline)
    telemetry.metrics.sources += find_sources(settings, worker, schema, gate, control)
    app = Starlette(
        lifespan=lifespan,
        exception_handlers={404: refuse_address, 405: refuse_address},
        middleware=[*layers(settings, telemetry.metrics, gate, control, origins), Middleware(Shortcut, graphql)],
        routes=[
            Route(PATH, graphql, methods=["GET", "POST"]),
            WebSocketRoute(PATH, sockets.serve),
            Route("/agents/{key:path}/memories", memories.answer, methods=["GET"], middleware=COMPRESSED),
            Route("/openapi.json", openapi, methods=["GET"], middleware=COMPRESSED),
            Route("/explorer", explorer_page, methods=["GET"], middleware=COMPRESSED),
            *([] if settings.metrics_port else [Route("/metrics", telemetry.shared.answer, middleware=COMPRESSED)]),
            Route("/health", health.report),
            Route("/health/live", health.live),
            Route("/health/ready", health.ready),
            mount_assets(middleware=COMPRESSED),
        ],
    )
    app.state.worker = worker
    return app


def make_limits(settings: Settings) -> OperationLimits:
    """Reads from the settings how much an operation may ask for."""
    return OperationLimits(
        cost=settings.max_cost,
        depth=settings.max_depth,
        fields=settings.max_fields,
        aliases=settings.max_aliases,
        root_fields=settings.max_root_fields,
        directives=settings.max_directives,
        tokens=settings.max_tokens,
    )


def layers(
    settings: Settings, metrics: Metrics, gate: Gate, control: AccessControl | None, origins: list[str]
) -> list[Middleware]:
    """What every request passes, the outermost first: turning away must cost next to nothing, but be told."""
    proxies = read_proxies(settings)
    hosts = read_hosts(settings.allowed_hosts, settings.host, authenticates=settings.authenticates)
    return [
        Middleware(Exchanges, metrics, tells=settings.tells_requests),
        *allow_origins(origins),
        Middleware(Shedding, gate=gate),
        *([Middleware(Hosts, hosts)] if hosts else []),
        *([Middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)] if proxies else []),
        *([Middleware(Guard, control)] if control else []),
    ]


def make_telemetry(settings: Settings, observe: Observer | None, tracing: Tracing | None) -> Telemetry:
    """Makes what counts, logs and traces, as the settings say."""
    metrics = Metrics()
    tracing = tracing or (start_tracing() if settings.tracing else None)
    shared = Shared(metrics, settings.metrics_dir)
    return Telemetry(metrics, shared, slow=settings.slow_operation, tracing=tracing, observe=observe)


def find_sources(
    settings: Settings, worker: Worker, schema: Schema, gate: Gate, control: AccessControl | None
) -> Iterator[Source]:
    """What is counted elsewhere and told with the rest."""
    yield sources.strain_source(gate, worker.database.breaker)
    yield sources.events_source(worker.events)
    yield sources.meanings_source(worker.meanings)
    yield sources.pool_source(worker.database, settings.pool_size, worker.name)
    yield sources.memory_source(worker.memory.report, worker.name)
    if worker.caching:
        yield sources.cache_source(worker.caching.cache)
    if schema.planner:
        yield sources.fallbacks_source(schema.planner.fallbacks)
    if control:
        yield sources.refusals_source(control.refused)
