"""Health: whether the process lives, whether it can serve, and how its parts are."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psutil
from starlette.requests import Request
from starlette.responses import JSONResponse

PATIENCE = 2.0
MEMORY_WARNING = 90.0

Check = Callable[[], Awaitable[bool]]


def memory_used() -> float:
    """Reads how much of the machine's memory is in use, in percent."""
    return psutil.virtual_memory().percent


class Health:
    """Answers the health routes. A check says whether its part answers; None stands for a part not configured.

    `memory_used` reads how much memory is in use, in percent.
    """

    def __init__(self, database: Check, redis: Check | None, *, memory_used: Callable[[], float] = memory_used) -> None:
        self._database = database
        self._redis = redis
        self._memory_used = memory_used

    async def live(self, _: Request) -> JSONResponse:
        """The process runs; nothing else is asked."""
        return JSONResponse({"status": "alive"})

    async def ready(self, _: Request) -> JSONResponse:
        """Requests can be served: the database answers. Without Redis they are served slower: degraded."""
        components = await self._components()
        status = overall(components)
        state = {"healthy": "ready", "unhealthy": "unavailable"}.get(status, status)
        body = {"status": state, "components": {name: each["status"] for name, each in components.items()}}
        return JSONResponse(body, 503 if status == "unhealthy" else 200)

    async def report(self, _: Request) -> JSONResponse:
        """Everything, for people and dashboards."""
        components = await self._components() | {"memory": memory(self._memory_used())}
        status = overall(components)
        body = {"status": status, "timestamp": datetime.now(UTC).isoformat(), "components": components}
        return JSONResponse(body, 503 if status == "unhealthy" else 200)

    async def _components(self) -> dict[str, dict[str, Any]]:
        database, redis = await asyncio.gather(probe(self._database), probe(self._redis))
        return {"database": database, "redis": redis}


async def probe(check: Check | None) -> dict[str, Any]:
    """Asks a part; why it does not answer stays in the log of whoever uses it."""
    if check is None:
        return {"status": "absent"}
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            answers = await check()
    except Exception:
        answers = False
    latency = round((time.perf_counter() - started) * 1000, 1)
    return {"status": "healthy" if answers else "unhealthy", "latency_ms": latency}


def memory(used: float) -> dict[str, Any]:
    """Judges how much of the machine's memory is in use (percent), and adds what this process holds (bytes)."""
    status = "warning" if used >= MEMORY_WARNING else "healthy"
    return {"status": status, "usage_percent": used, "process_bytes": psutil.Process().memory_info().rss}


def overall(components: dict[str, dict[str, Any]]) -> str:
    """Judges the whole: unhealthy without the database, degraded without Redis or with little memory left.

    Degraded requests are answered, only slower, so that no balancer should turn away from it.
    """
    if components["database"]["status"] != "healthy":
        return "unhealthy"
    return "healthy" if all(each["status"] == "healthy" for each in components.values()) else "degraded"
