"""GraphQL over server-sent events: one operation a connection, its answers as events of a stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Send

from graph.errors import BadInput
from schema.answer import Answer
from schema.execution import failure
from server.admission import Admission

EVENT_STREAM = "text/event-stream"

# Proxies end connections on which nothing was sent for a while, often for a minute.
KEEP_ALIVE_AFTER = 12.0
KEEP_ALIVE = b":\n\n"
COMPLETE = b"event: complete\ndata: \n\n"

HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Accept",
    # nginx would otherwise hold events back until its buffer is full.
    "X-Accel-Buffering": "no",
}


class EventStream(StreamingResponse):
    """Answers as events, the source closed as soon as the client is gone or has not read for `patience` seconds."""

    def __init__(
        self, answers: AsyncGenerator[Answer], *, keep_alive_after: float = KEEP_ALIVE_AFTER, patience: float = 30.0
    ) -> None:
        self._events = write_events(answers, keep_alive_after)
        self._patience = patience
        super().__init__(self._events, 200, HEADERS, EVENT_STREAM)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._events):
            async for event in self._events:
                try:
                    async with asyncio.timeout(self._patience):
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                except TimeoutError:
                    # The client cannot be told why, because it does not read.
                    return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def write_events(answers: AsyncGenerator[Answer], keep_alive_after: float) -> AsyncGenerator[bytes]:
    """Writes answers as events, and a comment whenever there was none for a while."""
    yield KEEP_ALIVE
    async with aclosing(answers), aclosing(with_pauses(answers, keep_alive_after)) as found:
        async for answer in found:
            yield write_event(answer) if answer else KEEP_ALIVE
    yield COMPLETE


async def until_lapsed(answers: AsyncGenerator[Answer], admission: Admission) -> AsyncGenerator[Answer]:
    """Yields answers for as long as the client's credential holds, then the reason why there are no more."""
    lapse = asyncio.ensure_future(admission.lapse())
    async with aclosing(answers):
        try:
            while True:
                waiting = asyncio.ensure_future(anext(answers, None))
                try:
                    await asyncio.wait((waiting, lapse), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await end(waiting)
                if lapse.done():
                    yield failure(lapse.result())
                    return
                if (answer := waiting.result()) is None:
                    return
                yield answer
        finally:
            lapse.cancel()


async def with_pauses(answers: AsyncIterator[Answer], seconds: float) -> AsyncGenerator[Answer | None]:
    """Yields answers, and None for each span of so many seconds without one."""
    while True:
        waiting = asyncio.ensure_future(anext(answers, None))
        try:
            while not waiting.done():
                done, _ = await asyncio.wait((waiting,), timeout=seconds)
                if not done:
                    yield None
        finally:
            await end(waiting)
        if (answer := waiting.result()) is None:
            return
        yield answer


async def end(task: asyncio.Future[Answer | None]) -> None:
    """Cancels a task unless it is done, and waits until it has cleaned up."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))


def write_event(answer: Answer) -> bytes:
    try:
        data = answer.json
    except BadInput as error:
        data = failure(error).json
    return b"event: next\ndata: " + data + b"\n\n"
