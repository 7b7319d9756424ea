"""Lanes: what waits for one kind of query, and in which portions it is sent and answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from graph.errors import DeadlineExceeded, Unavailable
from graph.reads import Key, Shape, query_of
from resolvers.futures import all_done

Fetch = Callable[[Shape, list[Any]], Awaitable[list[Any]]]

# Errors that no key is at fault for: asking again without some of them would only repeat them.
OF_NO_KEY = (Unavailable, DeadlineExceeded)

# So many are sent together however long it takes: so few are slow for other reasons.
SMALL = 32
# Keys that are worth sending by themselves while the same query runs for others.
FEWEST = 12
# Twice as many keys are divided, even those of a single request.
MANY = 64
# Seconds after which fewer of them are sent as well, because the other one is slow.
PATIENCE = 0.03
# So many are answered in one turn of the event loop where it goes gradually.
ANSWERED_AT_ONCE = 8

STOPPED = "The server is stopping. Try again shortly."


class Waiting(dict[Key, asyncio.Future[Any]]):
    """The answers that are waited for, by their keys, and about how many requests there are that wait for them."""

    requests = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """What one query answers, and what its keys touch."""

    batch: dict[Key, asyncio.Future[Any]]
    touched: set[str]


class Lane:
    """The keys that wait for one kind of query, and the queries that run.

    With a `pace`, in seconds, what is sent together becomes smaller when it takes longer, so that a backlog is worked
    off instead of failing as a whole. A key whose answer nobody waits for any more is not sent.
    While a query runs, it is sent for others when they weigh `fewest`, or after a moment of patience. What twice as
    many requests ask for is divided.
    Of keys that touch the same, as `touches` names it, one query's are sent at a time, in the order of their arrival.
    If it goes `gradually`, what comes next is sent first and then a few are answered in each turn of the event loop, so
    that what is waited for elsewhere is heard in between.
    """

    def __init__(
        self,
        fetch: Fetch,
        in_flight: int,
        largest: int,
        *,
        weigh: Callable[[Any], int] | None = None,
        pace: float | None = None,
        fewest: int = FEWEST,
        touches: Callable[[Any], Collection[str]] | None = None,
        gradually: bool = False,
        closed: bool = False,
    ) -> None:
        self._fetch = fetch
        self._in_flight = in_flight
        self._largest = largest
        self._weigh = weigh
        self._pace = pace
        self._limit = largest
        self._fewest = fewest
        self._touches = touches
        self._at_once = ANSWERED_AT_ONCE if gradually else None
        self._touched: set[str] = set()
        self._waiting: dict[Shape, Waiting] = {}
        self._scheduled = False
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = closed
        # The queries that the database works on, and with them those whose answers are being given.
        self._running: dict[asyncio.Task[None], Shape] = {}
        self._tasks: dict[asyncio.Task[None], Sent] = {}

    def add(self, key: Key) -> asyncio.Future[Any]:
        """Lets a key wait for the next query; the future is everybody's who asks for it."""
        (answer,) = self.add_all((key,))
        return answer

    def add_all(self, keys: Sequence[Key]) -> list[asyncio.Future[Any]]:
        """Lets keys of one request and one query wait for the next."""
        loop = asyncio.get_running_loop()
        query = query_of(keys[0].shape)
        waiting = self._waiting.get(query)
        if waiting is None:
            waiting = self._waiting[query] = Waiting()
        waiting.requests += 1
        answers: list[asyncio.Future[Any]] = []
        for key in keys:
            answer = waiting.get(key)
            if answer is None:
                answer = waiting[key] = loop.create_future()
            answers.append(answer)
        if not self._scheduled and self._has_room():
            if query not in self._running.values() or self._is_more(waiting, keys):
                self._scheduled = True
                loop.call_soon(self._send)
            else:
                self._have_patience()
        return answers

    async def load(self, key: Key) -> Any:
        """Answers a key. Raises what befell it."""
        answer = self.add(key)
        await all_done((answer,))
        return answer.result()

    async def close(self) -> None:
        self._closed = True
        if self._alarm:
            self._alarm.cancel()
        self._send()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _have_patience(self) -> None:
        """Sees to it that what may be sent, but is too little, does not wait for long."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(PATIENCE, self._hurry)

    def _hurry(self) -> None:
        self._alarm = None
        self._send(hurried=True)

    def _send(self, *, hurried: bool = False) -> None:
        self._scheduled = False
        if self._closed:
            for batch in self._waiting.values():
                fail(batch, Unavailable(STOPPED))
            self._waiting.clear()
        while self._has_room() and (chosen := self._choose(1 if hurried else self._fewest)):
            self._start(*chosen)
        if self._waiting and self._has_room():
            self._have_patience()

    def _has_room(self) -> bool:
        return len(self._running) < self._in_flight

    def _is_more(self, waiting: Waiting, keys: Sequence[Key]) -> bool:
        """Whether these make it so much more that what may not be sent yet is looked at again."""
        weight = self._weight(waiting)
        return weight // self._fewest > (weight - self._weight(keys)) // self._fewest

    def _choose(self, fewest: int) -> tuple[Shape, dict[Key, asyncio.Future[Any]]] | None:
        """Takes what is to be sent next out of what waits, of the query whose turn it is."""
        for query, waiting in list(self._waiting.items()):
            for key in [key for key, answer in waiting.items() if answer.done()]:
                del waiting[key]
            size = len(waiting)
            enough = query not in self._running.values() or self._weight(waiting) >= fewest
            batch = self._take(waiting) if enough else {}
            # What is left goes behind what waits for other queries.
            del self._waiting[query]
            if waiting:
                waiting.requests = -(-waiting.requests * len(waiting) // size)
                self._waiting[query] = waiting
            if batch:
                return query, batch
        return None

    def _take(self, waiting: Waiting) -> dict[Key, asyncio.Future[Any]]:
        """Takes what comes first of what may be sent now: all or half of it, but always something."""
        parts = min(2, self._in_flight, max(waiting.requests // self._fewest, len(waiting) // MANY)) or 1
        most = min(self._limit, -(-self._weight(waiting) // parts))
        taken = self._first(waiting, most) if self._weigh or self._touches else islice(waiting, most)
        return {key: waiting.pop(key) for key in list(taken)}

    def _weight(self, keys: Collection[Key]) -> int:
        return sum(map(self._weigh, keys)) if self._weigh else len(keys)

    def _touched_by(self, keys: Iterable[Key]) -> set[str]:
        return set(chain.from_iterable(map(self._touches, keys))) if self._touches else set()

    def _first(self, waiting: Waiting, most: int) -> Iterator[Key]:
        """Gives the keys that come first, but for those that touch what others do, up to that weight."""
        size = 0
        touched = self._touched.copy()
        for key in waiting:
            own = self._touched_by((key,))
            if not touched.isdisjoint(own):
                # Those that come later and touch the same are not to overtake it.
                touched.update(own)
                continue
            weight = self._weight((key,))
            if size and size + weight > most:
                break
            size += weight
            yield key

    def _start(self, query: Shape, batch: dict[Key, asyncio.Future[Any]]) -> None:
        touched = self._touched_by(batch)
        self._touched |= touched
        task = asyncio.create_task(self._answer(batch))
        self._running[task] = query
        self._tasks[task] = Sent(batch, touched)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        # Whoever has no answer by now would wait for ever.
        fail(self._tasks[task].batch, Unavailable(STOPPED))
        self._make_room(task)
        del self._tasks[task]

    def _make_room(self, task: asyncio.Task[None]) -> None:
        """Sends what comes next, as soon as the database has answered."""
        if task in self._running:
            del self._running[task]
            self._touched -= self._tasks[task].touched
            self._send()

    def _keep_pace(self, size: int, took: float) -> None:
        if self._pace is None:
            return
        if took > self._pace:
            if size > SMALL:
                self._limit = min(self._limit, max(SMALL, size // 2))
        elif 2 * size >= self._limit:
            self._limit = min(self._largest, 2 * self._limit)

    async def _answer(self, batch: dict[Key, asyncio.Future[Any]]) -> None:
        parts = [batch]
        while parts:
            part = parts.pop(0)
            started = time.monotonic()
            try:
                keys = list(part)
                values = await self._fetch(keys[0].shape, keys)
                if len(values) != len(part):
                    raise ValueError(f"{len(part)} keys were answered with {len(values)} values.")
            except Exception as error:
                values = None
                if len(part) == 1 or isinstance(error, OF_NO_KEY):
                    fail(part, error)
                else:
                    # In order: of what is written, each may build on what comes before.
                    parts[:0] = halves(part)
            self._keep_pace(self._weight(part), time.monotonic() - started)
            if self._at_once and not parts and (task := asyncio.current_task()):
                self._make_room(task)
            if values is not None:
                # Nothing here may fail: what was written would be written again.
                await succeed(part, values, self._at_once or len(values))


async def succeed(batch: dict[Key, asyncio.Future[Any]], values: Sequence[Any], at_once: int) -> None:
    """Answers so many at a time; if it is cancelled, the rest at once."""
    rest = zip(batch.values(), values, strict=True)
    try:
        for number, (answer, value) in enumerate(rest, start=1):
            give(answer, value)
            if number % at_once == 0 and number < len(values):
                await asyncio.sleep(0)
    finally:
        for answer, value in rest:
            give(answer, value)


def give(answer: asyncio.Future[Any], value: Any) -> None:
    # Whoever asked may have given up, and the future with it.
    if not answer.done():
        answer.set_result(value)


def halves(batch: dict[Key, asyncio.Future[Any]]) -> tuple[dict[Key, asyncio.Future[Any]], ...]:
    items = list(batch.items())
    middle = len(items) // 2
    return dict(items[:middle]), dict(items[middle:])


def fail(batch: dict[Key, asyncio.Future[Any]], error: Exception) -> None:
    for answer in batch.values():
        if not answer.done():
            answer.set_exception(error)
            # Whoever asked may be gone; an answer that nobody fetches is no fault.
            answer.exception()
