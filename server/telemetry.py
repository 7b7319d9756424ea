"""What is told of each operation and each query: counted, and logged when it was slow."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any

from graph.database import Observer
from graph.errors import SocietyError
from resolvers.context import Context
from resolvers.loaders import Source
from resolvers.watched import Watched
from schema.answer import Answer
from schema.document import REMEMBERED, parse_document, select_operation
from schema.execution import Operation
from server.exchange import current
from server.metrics import Metrics
from server.scrape import PERIOD, Shared
from server.tracing import Began, Read, Tracing

log = logging.getLogger("ecs.slow")

ANONYMOUS = "anonymous"
INVALID = "invalid"
# Beats between two looks at what the worker depends on.
CHECKED_EVERY = 10
DETAILS = 50

Check = Callable[[], Awaitable[bool]]


@lru_cache(maxsize=REMEMBERED)
def identify(document: str, name: str | None) -> tuple[str, str]:
    """Gives an operation's name and kind."""
    try:
        selected = select_operation(parse_document(document), name)
    except Exception:
        return INVALID, INVALID
    return selected.name.value if selected.name else ANONYMOUS, selected.operation.value


def codes_of(answer: Answer | None) -> list[str]:
    """Gives the codes of an answer's errors."""
    return [each["extensions"]["code"] for each in answer.errors] if answer else []


class Telemetry:
    """Observes operations and queries. `slow` is in seconds: what takes longer is logged with what it read."""

    def __init__(
        self,
        metrics: Metrics,
        shared: Shared,
        *,
        slow: float,
        tracing: Tracing | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.metrics = metrics
        self.shared = shared
        self._slow = slow
        self._tracing = tracing
        self._observe = observe

    def begin(self, operation: Operation) -> tuple[float, Began | None]:
        self.metrics.in_flight += 1
        began = self._tracing.begin(*identify(operation.document, operation.name)) if self._tracing else None
        return perf_counter(), began

    def end(
        self, began: tuple[float, Began | None], operation: Operation, context: Context, answer: Answer | None
    ) -> None:
        """Counts an operation; without an answer it was refused or the client is gone."""
        seconds = perf_counter() - began[0]
        metrics = self.metrics
        metrics.in_flight -= 1
        name, kind = identify(operation.document, operation.name)
        known = answer is not None and answer.executed
        metrics.operation(name, kind, known=known).add(seconds)
        codes = codes_of(answer)
        if codes:
            self._count(kind, codes)
        if exchange := current.get():
            exchange.operation, exchange.kind, exchange.codes = name, kind, codes or None
        if began[1]:
            began[1].end(codes)
        if seconds >= self._slow:
            self._tell(name, kind, seconds, began[0], context)

    def fail(self, operation: Operation, answer: Answer) -> None:
        """Counts what a subscription ended with."""
        self._count(identify(operation.document, operation.name)[1], codes_of(answer))

    def _count(self, kind: str, codes: list[str]) -> None:
        for code in codes:
            self.metrics.errors[code, kind] += 1

    def _tell(self, name: str, kind: str, seconds: float, started: float, context: Context) -> None:
        steps = [
            {"after": round(step.started - started, 4), "seconds": round(step.ended - step.started, 4)}
            | {"queries": step.asked}
            for step in (context.watched.steps() if context.watched else ())
        ]
        fields = {"operation": name, "kind": kind, "duration": round(seconds, 4), "plan": steps[:DETAILS]}
        log.warning("slow operation", extra={"fields": fields})

    def watch(self, source: Source) -> Watched:
        """Lets a request's source be watched."""
        return Watched(self._tracing.source(source) if self._tracing else source)

    def linked(self, read: Read) -> Read:
        """Lets a query that answers several requests be linked to all of them."""
        return self._tracing.read(read) if self._tracing else read

    def query(self, name: str, seconds: float, rows: int) -> None:
        """Observes a query that the database answered."""
        self.metrics.query(name, seconds)
        if self._tracing:
            self._tracing.query(name, seconds, rows)
        if self._observe:
            self._observe(name, seconds, rows)
        if seconds >= self._slow:
            fields = {"query": name, "duration": round(seconds, 4), "rows": rows}
            log.warning("slow query", extra={"fields": fields})

    async def beat(self, checks: Mapping[str, Check]) -> None:
        """Shows what was counted and looks at what the worker depends on, for as long as it is not cancelled."""
        while True:
            for name, check in checks.items():
                self.metrics.dependencies[name] = await finish(holds(check))
            for _ in range(CHECKED_EVERY):
                self.shared.write()
                await asyncio.sleep(PERIOD)

    async def close(self) -> None:
        """Sends what was not sent yet."""
        if self._tracing:
            await asyncio.to_thread(self._tracing.close)


async def finish(looking: Coroutine[Any, Any, bool]) -> bool:
    """Waits for an answer even when cancelled: the driver never closes a connection that it was to make just then."""
    task = asyncio.ensure_future(looking)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait((task,))


async def holds(check: Check) -> bool:
    try:
        return await check()
    except (SocietyError, OSError):
        return False
