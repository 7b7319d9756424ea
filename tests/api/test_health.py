"""The shape of the health report, and what makes it worse than healthy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import Request

from server.health import Health, MemoryReport
from server.memory import Usage


async def test_the_report_of_a_healthy_service(edge: httpx.AsyncClient):
    response = await edge.get("/health")
    report = response.json()
    assert response.headers["content-type"] == "application/json"
    assert report.keys() == {"status", "timestamp", "components"}
    timestamp = datetime.fromisoformat(report["timestamp"])
    assert abs(datetime.now(UTC) - timestamp) < timedelta(seconds=10)
    components = report["components"]
    assert components.keys() == {"database", "redis", "memory"}
    for name in ("database", "redis"):
        assert components[name].keys() - {"circuit"} == {"status", "latency_ms"}
        assert components[name]["status"] == "healthy"
        assert 0 < components[name]["latency_ms"] < 2000
    assert components["database"]["circuit"] == "closed"
    assert components["memory"].keys() == {"status", "usage_percent", "process_bytes"}
    assert 0 < components["memory"]["usage_percent"] <= 100
    assert components["memory"]["process_bytes"] > 10_000_000


async def test_ready_and_live(edge: httpx.AsyncClient):
    ready, live = await edge.get("/health/ready"), await edge.get("/health/live")
    assert ready.json() == {"status": "ready", "components": {"database": "healthy", "redis": "healthy"}}
    assert live.json() == {"status": "alive"}
    assert ready.status_code == live.status_code == 200


async def answers() -> bool:
    return True


async def refuses() -> bool:
    return False


async def breaks() -> bool:
    raise RuntimeError("bolt://neo4j:hush@database")


async def report(health: Health) -> tuple[int, dict[str, Any]]:
    response = await health.report(Request({"type": "http"}))
    assert b"hush" not in response.body
    return response.status_code, orjson.loads(response.body)


def reports(share: float, *, scarce: bool) -> MemoryReport:
    return lambda: (Usage(process=50_000_000, share=share), scarce)


@pytest.mark.parametrize(("scarce", "memory", "status"), [(False, "healthy", "healthy"), (True, "warning", "degraded")])
async def test_scarce_memory_is_told_and_requests_still_served(scarce: bool, memory: str, status: str):
    code, found = await report(Health(answers, answers, reports(0.789, scarce=scarce)))
    assert (code, found["status"]) == (200, status)
    assert found["components"]["memory"] == {"status": memory, "usage_percent": 78.9, "process_bytes": 50_000_000}


@pytest.mark.parametrize("database", [refuses, breaks])
@pytest.mark.parametrize("redis", [answers, refuses, None])
async def test_nothing_makes_up_for_the_database(database: Any, redis: Any):
    health = Health(database, redis, reports(0.1, scarce=False))
    code, found = await report(health)
    assert (code, found["status"], found["components"]["database"]["status"]) == (503, "unhealthy", "unhealthy")
    assert (await health.ready(Request({"type": "http"}))).status_code == 503


@pytest.mark.parametrize(("redis", "state"), [(refuses, "unhealthy"), (breaks, "unhealthy"), (None, "absent")])
async def test_without_redis_it_is_degraded(redis: Any, state: str):
    code, found = await report(Health(answers, redis, reports(0.1, scarce=False)))
    assert (code, found["status"], found["components"]["redis"]["status"]) == (200, "degraded", state)
