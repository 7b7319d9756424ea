"""Processes that compute, so that the API stays responsive: started when first needed, ended with the server.

They are spawned, because a fork would copy threads' locks and open connections. Each takes one task at a time; one
that takes too long is killed, with the task.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, TypeVar

from graph.errors import DeadlineExceeded, Unavailable

T = TypeVar("T")


def prepare() -> None:
    """Leaves signals from the terminal to the parent, and ends with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    threading.Thread(target=follow_parent, daemon=True).start()


def follow_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def too_long(seconds: float) -> DeadlineExceeded:
    """Says that an analysis was ended, and what may be done about it."""
    return DeadlineExceeded(
        f"This analysis took longer than {seconds:g} s and was ended. "
        "Ask for a cheaper one, or raise ECS_ANALYTICS_DEADLINE."
    )


class Worker:
    """One process, started at its first task."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=prepare)
        self._pid: int | None = None

    async def start(self) -> None:
        """Starts the process; raises BrokenProcessPool if it has ended since."""
        self._pid = await asyncio.wrap_future(self._pool.submit(os.getpid))

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.wrap_future(self._pool.submit(work, *arguments))

    def kill(self) -> None:
        """Ends the process at once, whatever it does."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self._pool.shutdown(wait=False, cancel_futures=True)


class Processes:
    """A few processes that take tasks in turn."""

    def __init__(self, most: int = 2) -> None:
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._free = asyncio.Semaphore(most)
        self._closed = False

    async def run(self, work: Callable[..., T], *arguments: Any, seconds: float) -> T:
        """Runs a function of a module in a process, within so many seconds of its own.

        Raises DeadlineExceeded when it took longer, and Unavailable when the process came to an end.
        """
        async with self._free:
            if self._closed:
                raise Unavailable("The server is stopping. Try again shortly.")
            worker = await self._take()
            sound = False
            try:
                async with asyncio.timeout(seconds):
                    done = await worker.run(work, *arguments)
                sound = True
            except TimeoutError:
                raise too_long(seconds) from None
            except BrokenProcessPool:
                raise Unavailable("The process that computed this analysis came to an end. Try again.") from None
            finally:
                self._busy.discard(worker)
                if sound and not self._closed:
                    self._idle.append(worker)
                else:
                    worker.kill()
            return done

    async def _take(self) -> Worker:
        """Takes an idle process that is still there, or starts one."""
        while True:
            known = bool(self._idle)
            worker = self._idle.pop() if known else Worker()
            self._busy.add(worker)
            try:
                await worker.start()
            except BaseException as error:
                self._busy.discard(worker)
                worker.kill()
                if not isinstance(error, BrokenProcessPool):
                    raise
                if not known:
                    raise Unavailable("No process can be started to compute this analysis.") from None
            else:
                return worker

    def close(self) -> None:
        """Ends all processes, and what they compute."""
        self._closed = True
        for worker in (*self._idle, *self._busy):
            worker.kill()
        self._idle.clear()
