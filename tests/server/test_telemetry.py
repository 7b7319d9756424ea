"""What is told of requests: counted, logged with their id, traced."""

import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graph.database import Database
from server.app import create_app
from server.exchange import open_exchange
from server.logs import JsonFormatter, is_of_note
from server.metrics import MOST_OPERATIONS, Metrics
from server.settings import Settings

CREATE = 'mutation Born { createAgents(input: {agents: [{key: "a", name: "A"}]}) { agents { id } } }'
READ = 'query Who { agent(key: "a") { name memories { totalCount } } }'
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Lines(logging.Handler):
    """What is logged, as the JSON that it is written as."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.texts) if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger("ecs").addHandler(handler)
    yield handler
    logging.getLogger("ecs").removeHandler(handler)


async def exchange(app: Any, *requests: dict[str, Any]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return [await client.request(**request) for request in requests]


def ask(query: str, headers: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
    json = {"query": query, "variables": variables}
    return {"method": "POST", "url": "/graphql", "json": json, "headers": headers or {}}


METRICS = {"method": "GET", "url": "/metrics"}


def samples(response: httpx.Response) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_requests_errors_queries_and_groups_are_counted(settings: Settings, database: Database):
    app = create_app(settings)
    *_, metrics = await exchange(app, ask(CREATE), ask(READ), ask("{ nonsense }"), ask("{"), METRICS)
    found = samples(metrics)
    assert found["ecs_operation_duration_seconds_count", "mutation", "Born"] == 1
    assert found["ecs_operation_duration_seconds_count", "query", "Who"] == 1
    assert found["ecs_errors_total", "GRAPHQL_VALIDATION_FAILED", "query"] == 1
    assert found["ecs_errors_total", "GRAPHQL_PARSE_FAILED", "invalid"] == 1
    assert found["ecs_query_duration_seconds_count", "write"] == 1
    assert found["ecs_write_group_size_sum",] == 1
    assert found["ecs_loader_batch_size_count", "Agent.key"] >= 1
    assert found["ecs_operations_in_flight",] == 0
    assert found["ecs_http_responses_total", "200"] >= 2
    assert found["ecs_workers",] == 1
    assert found["ecs_events_lost_total",] == 0


def test_clients_cannot_make_any_number_of_series():
    metrics = Metrics()
    for number in range(2 * MOST_OPERATIONS):
        metrics.operation(f"Name{number}", "query", known=True).add(0.1)
    metrics.operation("Unsound", "query", known=False).add(0.1)
    metrics.operation("L" * 1000, "query", known=True).add(0.1)
    assert len(metrics.operations) <= MOST_OPERATIONS + 1
    assert ("other", "query") in metrics.operations
    assert ("Unsound", "query") not in metrics.operations


async def test_a_request_is_logged_with_its_id_trace_and_outcome_and_no_values(
    settings: Settings, database: Database, lines: Lines
):
    app = create_app(settings.model_copy(update={"log_requests": True}))
    query = "query Find($key: String!) { agent(key: $key) { name } }"
    headers = {"X-Request-ID": "mine-1", "traceparent": TRACEPARENT}
    told, given = await exchange(app, ask(query, headers, key="s3cret"), ask("{ x }", {"X-Request-ID": "a b\x00"}))
    assert told.headers["x-request-id"] == "mine-1"
    first, second = lines.of("ecs.requests")
    assert second["request_id"] == given.headers["x-request-id"] != "a b\x00"
    assert (first["request_id"], first["trace_id"]) == ("mine-1", TRACE)
    assert (first["operation"], first["kind"], first["status"]) == ("Find", "query", 200)
    assert second["codes"] == ["GRAPHQL_VALIDATION_FAILED"]
    assert "s3cret" not in "".join(lines.texts)


async def test_the_id_of_a_masked_error_is_found_beside_the_request(
    settings: Settings, database: Database, lines: Lines
):
    await database.write("broken", "CREATE (:Agent {id: 'Agent:x', key: 'x', name: 'X', createdAt: 'never'})")
    headers = {"X-Request-ID": "mine-2"}
    (answer,) = await exchange(create_app(settings), ask('{ agent(key: "x") { createdAt } }', headers))
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    id = error["message"].rpartition(" ")[2].rstrip(".")
    (line,) = lines.of("ecs.errors")
    assert id in line["message"]
    assert line["request_id"] == "mine-2"


async def test_a_slow_operation_tells_what_it_read(settings: Settings, database: Database, lines: Lines):
    app = create_app(settings.model_copy(update={"slow_operation": 1e-9}))
    await exchange(app, ask(CREATE), ask(READ))
    told = [line for line in lines.of("ecs.slow") if line.get("operation") == "Who"]
    assert [list(step["queries"]) for step in told[0]["plan"]] == [["Agent.key"], ["REMEMBERS.count"]]
    assert "REMEMBERS.count" in {line.get("query") for line in lines.of("ecs.slow")}


@pytest.mark.parametrize(
    "header",
    ["", "00-0-0-00", f"ff{TRACEPARENT[2:]}", f"00-{'0' * 32}-b7ad6b7169203331-01", TRACEPARENT.upper()],
)
def test_a_trace_that_is_none_is_passed_over(header: str):
    assert open_exchange({b"traceparent": header.encode()}).traceparent is None


async def fail(error: Exception) -> None:
    raise error


async def test_an_attempt_to_connect_that_was_given_up_is_no_news(caplog: pytest.LogCaptureFixture):
    logger = logging.getLogger("asyncio")
    logger.addFilter(is_of_note)
    try:
        for error in (ConnectionRefusedError("given up"), ValueError("a mistake")):
            # Nobody asks for what became of it.
            asyncio.ensure_future(fail(error))  # noqa: RUF006
        await asyncio.sleep(0.01)
        gc.collect()
    finally:
        logger.removeFilter(is_of_note)
    assert [str(each.exc_info[1]) for each in caplog.records if each.exc_info] == ["a mistake"]
