"""Spans by OpenTelemetry's conventions, and where they lead."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from graph.database import Database
from server.app import create_app
from server.settings import Settings
from server.tracing import Tracing
from tests.server.test_telemetry import CREATE, READ, TRACE, TRACEPARENT, ask, exchange


def tracing_to(exporter: object) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))  # pyright: ignore[reportArgumentType]
    return Tracing(provider)


async def test_an_operation_and_its_queries_are_one_trace(settings: Settings, database: Database):
    exporter = InMemorySpanExporter()
    app = create_app(settings, tracing=tracing_to(exporter))
    await exchange(app, ask(CREATE), ask(READ, {"traceparent": TRACEPARENT}), ask("query Bad { nonsense }"))
    spans = exporter.get_finished_spans()
    (who,) = [span for span in spans if span.name == "query Who"]
    assert who.kind is SpanKind.SERVER
    assert who.attributes is not None
    assert who.attributes["graphql.operation.name"] == "Who"
    assert who.attributes["graphql.operation.type"] == "query"
    assert f"{who.context.trace_id:032x}" == TRACE
    assert who.parent is not None
    assert f"{who.parent.span_id:016x}" == "b7ad6b7169203331"
    (query,) = [span for span in spans if span.name == "REMEMBERS.count"]
    assert query.kind is SpanKind.CLIENT
    assert query.parent is not None
    assert query.parent.span_id == who.context.span_id
    assert query.attributes is not None
    assert query.attributes["db.system.name"] == "neo4j"
    assert query.attributes["db.query.summary"] == "REMEMBERS.count"
    (bad,) = [span for span in spans if span.name == "query Bad"]
    assert bad.status.status_code is StatusCode.ERROR


async def test_a_query_that_answers_several_requests_is_linked_to_all(settings: Settings, database: Database):
    exporter = InMemorySpanExporter()
    app = create_app(settings, tracing=tracing_to(exporter))
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        await client.request(**ask(CREATE))
        await asyncio.gather(*(client.request(**ask(READ)) for _ in range(20)))
    spans = exporter.get_finished_spans()
    asked = {span.context.span_id for span in spans if span.name == "query Who"}
    queries = [span for span in spans if span.name == "Agent.key" and span.links]
    assert len(asked) == 20
    assert queries
    for query in queries:
        assert query.parent is not None
        assert {query.parent.span_id, *(link.context.span_id for link in query.links)} <= asked


@contextmanager
def sink() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver of OTLP over HTTP, and what it got."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_spans_reach_a_receiver(settings: Settings, database: Database):
    with sink() as (url, bodies):
        await exchange(create_app(settings, tracing=tracing_to(OTLPSpanExporter(url))), ask(READ))
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    names = {
        span.name
        for each in requests
        for resource in each.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert "query Who" in names
