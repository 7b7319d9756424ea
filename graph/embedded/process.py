"""A server process of our own: in its own session, dying with its owner, leaving no orphan."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue

import psutil

TETHER = Path(__file__).with_name("tether.py")
RECORD = "process.json"
# Short enough that a whole stop stays within 10 s.
PATIENCE = 8.0

Popen = subprocess.Popen[bytes]


class Process:
    """A running child, recorded in a file so that a later owner can end it if this one could not."""

    def __init__(self, popen: Popen, record: Path | None) -> None:
        self._popen = popen
        self._record = record

    @classmethod
    def spawn(
        cls,
        command: list[str],
        *,
        cwd: Path,
        output: Path,
        record: Path | None = None,
        niceness: int = 0,
    ) -> "Process":
        """Start `command` with its output in a file, in a clean environment."""
        line = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(niceness), *command]

        def popen() -> Popen:
            with output.open("wb") as sink:
                return subprocess.Popen(
                    line,
                    cwd=cwd,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C on the terminal reaches the owner alone, which then stops its servers.
                    start_new_session=True,
                )

        process = cls(_run_in_lasting_thread(popen), record)
        if record:
            _write_record(record, process.pid)
        return process

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The code the process left with, negative for a signal; None while it runs."""
        return self._popen.poll()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end; raises subprocess.TimeoutExpired after `seconds`."""
        return self._popen.wait(seconds)

    def terminate(self) -> None:
        """Ask the process to end."""
        self._popen.terminate()

    def kill(self) -> None:
        """End the process and all it started, without asking."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.wait(1)

    def stop(self, patience: float = PATIENCE) -> None:
        """End the process and all it started: politely, then after `patience` seconds for certain."""
        # Of one that ended long ago the number may be another's by now.
        if self.exit_code is None:
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.wait(patience)
            self.kill()
        if self._record and self.exit_code is not None:
            self._record.unlink(missing_ok=True)


def end_orphan(home: Path) -> None:
    """End the process that a dead owner started for this directory and recorded there, if it still runs.

    Its start time and command line are compared because its number may belong to another by now.
    """
    record = home / RECORD
    with suppress(FileNotFoundError, ValueError, psutil.Error):
        pid, created = json.loads(record.read_bytes())
        orphan = psutil.Process(pid)
        deadline = time.monotonic() + PATIENCE
        while abs(orphan.create_time() - created) < 1 and not _is_gone(orphan) and time.monotonic() < deadline:
            words = _command_line(orphan)
            if words and not any(str(home) in word for word in words):
                break
            if words:
                orphan.kill()
            time.sleep(0.02)
    record.unlink(missing_ok=True)


def _command_line(process: psutil.Process) -> list[str]:
    # One that is dying has none any more, but still its ports; one that was just made has none yet.
    try:
        return process.cmdline()
    except psutil.ZombieProcess:
        return []


def _is_gone(process: psutil.Process) -> bool:
    # Where nothing reaps orphans (a container without init) a zombie without threads is all that remains.
    try:
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


def _write_record(record: Path, pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        record.write_text(json.dumps([pid, psutil.Process(pid).create_time()]), "utf-8")


def _environment() -> dict[str, str]:
    # Only what a server needs: JAVA_TOOL_OPTIONS and the like must not change it, and the secrets
    # of this process are none of its business. Without a UTF-8 locale Java can't open paths with accents.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TZ") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _run_in_lasting_thread(start: Callable[[], Popen]) -> Popen:
    # Linux tells a child of its parent's death when the *thread* that forked it ends, so one thread
    # does all the forking and lives as long as this process (a pool's ends before atexit callbacks).
    future: Future[Popen] = Future()
    _lasting_thread().put((start, future))
    return future.result()


@cache
def _lasting_thread() -> SimpleQueue[tuple[Callable[[], Popen], Future[Popen]]]:
    queue: SimpleQueue[tuple[Callable[[], Popen], Future[Popen]]] = SimpleQueue()

    def serve() -> None:
        while True:
            start, future = queue.get()
            try:
                future.set_result(start())
            except Exception as error:
                future.set_exception(error)

    threading.Thread(target=serve, name="embedded-spawn", daemon=True).start()
    return queue
