"""The time that a request has: as `asyncio.timeout_at`, but with one timer for all instead of one for each."""

import asyncio
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

NEVER = float("inf")


class Deadline:
    """Cancels the task that is within it `until` then, on the event loop's clock, and makes that a TimeoutError."""

    __slots__ = ("_alarm", "_cancelling", "_passed", "_task", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self._passed = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("A deadline is for a task.")
        self._task, self._cancelling = task, task.cancelling()
        alarm = alarms.get(loop)
        if alarm is None:
            alarm = alarms[loop] = Alarm()
        self._alarm = alarm
        alarm.add(self, loop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._alarm.remove(self)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def postpone(self, until: float) -> None:
        """Lets it pass later."""
        self.until = max(self.until, until)

    def strike(self) -> None:
        """Lets it pass now."""
        self._passed = True
        self._task.cancel()


class Alarm:
    """Rings when the first of an event loop's deadlines passes, or where one would have that is over."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._at = NEVER

    def add(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        self._open.add(deadline)
        if deadline.until < self._at:
            self._set(deadline.until, loop)

    def remove(self, deadline: Deadline) -> None:
        self._open.discard(deadline)

    def _set(self, at: float, loop: asyncio.AbstractEventLoop) -> None:
        self._at = at
        loop.call_at(at, self._ring, at)

    def _ring(self, at: float) -> None:
        if at != self._at:
            # It was set for an earlier time since, and has rung then.
            return
        loop = asyncio.get_running_loop()
        self._at = NEVER
        for deadline in [each for each in self._open if each.until <= loop.time()]:
            self._open.remove(deadline)
            deadline.strike()
        if self._open:
            self._set(min(each.until for each in self._open), loop)


alarms: WeakKeyDictionary[asyncio.AbstractEventLoop, Alarm] = WeakKeyDictionary()
