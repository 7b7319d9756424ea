"""OpenTelemetry's spans, when the extra `otel` is installed and asked for: one an operation, one a query.

A query that answers several requests is a child of the first, linked to the others.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from graph.reads import Key, Shape
from resolvers.analytics import Read
from resolvers.loaders import Source
from server.exchange import current

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext, Tracer


MISSING = "ECS_TRACING: needs the extra otel, as in `pip install 'ecs-memory-interaction[otel]'`"
# As the OpenTelemetry specification says of untold services.
SERVICE = "ecs"


class TracingError(Exception):
    """Tracing that cannot be, in a line."""


class Began:
    """The span of an operation that is being executed."""

    def __init__(self, tracer: "Tracer", name: str, kind: str) -> None:
        from opentelemetry import context, trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        exchange = current.get()
        carrier = {"traceparent": exchange.parent.decode()} if exchange and exchange.parent else {}
        attributes = {"graphql.operation.name": name, "graphql.operation.type": kind}
        if exchange:
            attributes["ecs.request.id"] = exchange.id
        self._detach = context.detach
        self._span: Span = tracer.start_span(
            f"{kind} {name}",
            context=TraceContextTextMapPropagator().extract(carrier),
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
        )
        self._token = context.attach(trace.set_span_in_context(self._span))

    def end(self, codes: list[str]) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        if codes:
            self._span.set_attribute("error.type", codes[0])
            self._span.set_status(Status(StatusCode.ERROR, ", ".join(sorted(set(codes)))))
        self._span.end()
        self._detach(self._token)


class Traced:
    """A source that notes which request waits for which keys."""

    def __init__(self, source: Source, waiting: "dict[Key, list[SpanContext]]") -> None:
        self._source = source
        self._waiting = waiting

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        from opentelemetry import trace  # noqa: PLC0415

        asker = trace.get_current_span().get_span_context()
        noted: list[Key] = []
        for key in keys:
            # What cannot be hashed is refused by whoever reads it.
            with suppress(TypeError):
                self._waiting.setdefault(key, []).append(asker)
                noted.append(key)
        try:
            return await self._source.load_many(keys)
        finally:
            for key in noted:
                askers = self._waiting[key]
                askers.remove(asker)
                if not askers:
                    del self._waiting[key]


class Tracing:
    """Makes spans with a provider's tracer."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("ecs")
        self._waiting: dict[Key, list[SpanContext]] = {}
        self._askers: ContextVar[list[SpanContext]] = ContextVar("askers")

    def begin(self, name: str, kind: str) -> Began:
        return Began(self._tracer, name, kind)

    def source(self, source: Source) -> Source:
        """Lets the queries that a request waits for be linked to it."""
        return Traced(source, self._waiting)

    def read(self, read: Read) -> Read:
        """Lets a query know the requests that wait for it."""

        async def traced(shape: Shape, keys: list[Any]) -> list[Any]:
            found = {asker.span_id: asker for key in keys for asker in self._waiting.get(key, ())}
            token = self._askers.set(list(found.values()))
            try:
                return await read(shape, keys)
            finally:
                self._askers.reset(token)

        return traced

    def query(self, name: str, seconds: float, rows: int) -> None:
        """Makes the span of a query that has just been answered."""
        from opentelemetry import trace  # noqa: PLC0415

        askers = self._askers.get([])
        parent = trace.set_span_in_context(trace.NonRecordingSpan(askers[0])) if askers else None
        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            context=parent,
            kind=trace.SpanKind.CLIENT,
            attributes={
                "db.system.name": "neo4j",
                "db.query.summary": name,
                "db.response.returned_rows": rows,
            },
            links=[trace.Link(asker) for asker in askers[1:]],
            start_time=ended - int(seconds * 1e9),
        )
        span.end(ended)

    def close(self) -> None:
        """Sends what was not sent yet; takes no longer than the exporter's own limit."""
        self._provider.shutdown()


def start_tracing() -> Tracing:
    """Starts to send spans to where the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT …) say. Raises TracingError."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise TracingError(MISSING) from None
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
