"""Watches over a server and starts it again when it ends by itself, or cannot go on."""

import logging
import threading
import time
from collections.abc import Callable

from graph.embedded.errors import EmbeddedError
from graph.embedded.process import Process

log = logging.getLogger("ecs.embedded")

LOOK = 0.2
ASK = 2.0
# Seconds before it is started again: at once at first, then twice as long each time, unless it ran for a while.
SHORTEST = 0.5
LONGEST = 30.0
STEADY = 60.0
STOPPED_WITHIN = 2.0


def never() -> bool:
    return False


class Supervisor:
    """Keeps one server running until `stop`.

    `is_stuck` says whether only a new start helps a server that runs; `lacks_space` that a start would be in vain.
    """

    def __init__(
        self,
        name: str,
        process: Process,
        start: Callable[[], Process],
        *,
        is_stuck: Callable[[], bool] = never,
        lacks_space: Callable[[], bool] = never,
    ) -> None:
        self._name = name
        self._process = process
        self._start = start
        self._is_stuck = is_stuck
        self._lacks_space = lacks_space
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"embedded-{name}", daemon=True)
        self._thread.start()

    def stop(self) -> Process:
        """Watch no longer; gives the process that is the server now."""
        self._ended.set()
        self._thread.join(STOPPED_WITHIN)
        return self._process

    def _watch(self) -> None:
        pause, started, asked = 0.0, time.monotonic(), time.monotonic()
        while not self._ended.wait(LOOK):
            code, now = self._process.exit_code, time.monotonic()
            if code is None:
                if now - asked < ASK:
                    continue
                stuck = self._is_stuck()
                asked = time.monotonic()
                if not stuck:
                    continue
                # Asked to end, Neo4j would write once more what it could not write before: behind the half of it that
                # found room, which makes the log of transactions unreadable as soon as there is room again.
                self._process.kill()
            if now - started > STEADY:
                pause = 0.0
            what = "cannot go on" if code is None else f"ended with code {code}"
            log.warning("%s %s; it is started again in %g s.", self._name, what, pause)
            if self._ended.wait(pause) or not self._wait_for_space():
                return
            pause, started = min(max(2 * pause, SHORTEST), LONGEST), time.monotonic()
            self._restart()

    def _wait_for_space(self) -> bool:
        """Waits until there is room on the disk; says whether to go on."""
        if self._lacks_space():
            log.warning("%s waits for room on the disk.", self._name)
            while self._lacks_space():
                if self._ended.wait(ASK):
                    return False
        return not self._ended.is_set()

    def _restart(self) -> None:
        # What it had started may have outlived it.
        self._process.stop()
        try:
            self._process = self._start()
        except (EmbeddedError, OSError) as error:
            log.warning("%s could not be started: %s", self._name, error)
