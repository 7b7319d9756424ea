"""How much memory a worker uses of what it may, and what is done before it is too much."""

import asyncio
import ctypes
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from graph.embedded.cgroup import read_grants

WARNED_FROM = 0.80
RELIEVED_BELOW = 0.75
PERIOD = 5.0

log = logging.getLogger("ecs.memory")


@dataclass(frozen=True)
class Usage:
    """Bytes that this process holds, and the share of what it may hold that is in use: 1 is all of it."""

    process: int
    share: float


Reading = Callable[[], Usage]


def measure(limit: int, workers: int) -> Reading:
    """Makes a reading against a limit for all workers together, in bytes, each of which takes an equal share of it.

    A container's limit counts where there is one: as if it were the limit when it is lower, and for everything in
    the container together.
    """
    process = psutil.Process()

    def read() -> Usage:
        grants = read_grants()
        own = process.memory_info().rss
        allowed = min([limit, *(grant.limit for grant in grants)]) / workers
        return Usage(own, max([own / allowed, *(grant.used / grant.limit for grant in grants)]))

    return read


def is_scarce(share: float, *, was_scarce: bool) -> bool:
    """Judges a share that is in use; what was scarce stays so until it is clearly better."""
    return share >= (RELIEVED_BELOW if was_scarce else WARNED_FROM)


def return_freed() -> None:
    """Gives freed memory back to the system, which glibc otherwise keeps while any of it is in use above."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


class MemoryMonitor:
    """Watches this process's memory; while it is scarce, each `relieve` is called to let go of what can be spared."""

    def __init__(self, read: Reading, *relieve: Callable[[], None]) -> None:
        self._read = read
        self._relieve = relieve
        self._scarce = False

    def report(self) -> tuple[Usage, bool]:
        """Gives how much is in use now, and whether that is too much."""
        usage = self._read()
        return usage, is_scarce(usage.share, was_scarce=self._scarce)

    def check(self) -> None:
        """Acts on how much is in use now."""
        usage, scarce = self.report()
        began, ended = scarce and not self._scarce, self._scarce and not scarce
        self._scarce = scarce
        if began:
            log.warning("memory is scarce: %s; letting go of what can be spared", say(usage))
        if ended:
            log.info("memory is no longer scarce: %s", say(usage))
        if usage.share < WARNED_FROM:
            return
        for relieve in self._relieve:
            relieve()
        if began:
            gc.collect()
        return_freed()

    async def watch(self, period: float = PERIOD) -> None:
        """Checks for as long as it is not cancelled; `period` is in seconds."""
        while True:
            await asyncio.sleep(period)
            try:
                self.check()
            except Exception:
                # The next check may go better, and requests go on either way.
                log.exception("memory could not be checked")


def say(usage: Usage) -> str:
    return f"{usage.share:.0%} of what may be used is in use, {usage.process / 1e6:,.0f} MB by this process"
