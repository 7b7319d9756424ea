"""Health: whether the process lives, whether it can serve, and how its parts are."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from server.memory import Usage

PATIENCE = 2.0

Check = Callable[[], Awaitable[bool]]
# How much memory is in use, and whether that is too much.
MemoryReport = Callable[[], tuple[Usage, bool]]


class Health:
    """Answers the health routes. A check says whether its part answers; None stands for a part not configured.

    `is_open` says whether the circuit to the database is.
    """

    def __init__(
        self, database: Check, redis: Check | None, memory: MemoryReport, is_open: Callable[[], bool] | None = None
    ) -> None:
        self._database = database
        self._is_open = is_open
        self._redis = redis
        self._memory = memory

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
        components = await self._components() | {"memory": memory(*self._memory())}
        status = overall(components)
        body = {"status": status, "timestamp": datetime.now(UTC).isoformat(), "components": components}
        return JSONResponse(body, 503 if status == "unhealthy" else 200)

    async def _components(self) -> dict[str, dict[str, Any]]:
        database, redis = await asyncio.gather(probe(self._database), probe(self._redis))
        if self._is_open:
            database["circuit"] = "open" if self._is_open() else "closed"
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


def memory(usage: Usage, scarce: bool) -> dict[str, Any]:
    """Writes how much of what this process may use is in use (percent), and what it holds (bytes)."""
    status = "warning" if scarce else "healthy"
    return {"status": status, "usage_percent": round(usage.share * 100, 1), "process_bytes": usage.process}


def overall(components: dict[str, dict[str, Any]]) -> str:
    """Judges the whole: unhealthy without the database, degraded without Redis or with little memory left.

    Degraded requests are answered, only slower, so that no balancer should turn away from it.
    """
    if components["database"]["status"] != "healthy":
        return "unhealthy"
    return "healthy" if all(each["status"] == "healthy" for each in components.values()) else "degraded"
