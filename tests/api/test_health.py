"""The shape of the health report, and what makes it worse than healthy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import Request

from server.health import Health


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
        assert components[name].keys() == {"status", "latency_ms"}
        assert components[name]["status"] == "healthy"
        assert 0 < components[name]["latency_ms"] < 2000
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


@pytest.mark.parametrize(
    ("used", "memory", "status"),
    [
        (0.0, "healthy", "healthy"),
        (89.9, "healthy", "healthy"),
        (90.0, "warning", "degraded"),
        (100.0, "warning", "degraded"),
    ],
)
async def test_memory_warns_from_90_percent_and_is_still_served(used: float, memory: str, status: str):
    code, found = await report(Health(answers, answers, memory_used=lambda: used))
    assert (code, found["status"]) == (200, status)
    assert (found["components"]["memory"]["status"], found["components"]["memory"]["usage_percent"]) == (memory, used)


@pytest.mark.parametrize("database", [refuses, breaks])
@pytest.mark.parametrize("redis", [answers, refuses, None])
async def test_nothing_makes_up_for_the_database(database: Any, redis: Any):
    health = Health(database, redis, memory_used=lambda: 10.0)
    code, found = await report(health)
    assert (code, found["status"], found["components"]["database"]["status"]) == (503, "unhealthy", "unhealthy")
    assert (await health.ready(Request({"type": "http"}))).status_code == 503


@pytest.mark.parametrize(("redis", "state"), [(refuses, "unhealthy"), (breaks, "unhealthy"), (None, "absent")])
async def test_without_redis_it_is_degraded(redis: Any, state: str):
    code, found = await report(Health(answers, redis, memory_used=lambda: 10.0))
    assert (code, found["status"], found["components"]["redis"]["status"]) == (200, "degraded", state)
