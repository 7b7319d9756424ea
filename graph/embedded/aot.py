"""Java's ahead-of-time cache, which about halves Neo4j's start; made once, beside a running server."""

import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from graph.embedded.errors import EmbeddedError
from graph.embedded.jars import Distribution
from graph.embedded.java import find_java, jvm_options
from graph.embedded.memory import GIB, MIB, Memory, machine_memory
from graph.embedded.neo4j import Home, await_ready
from graph.embedded.ports import find_free_port
from graph.embedded.process import Process

log = logging.getLogger(__name__)

DELAY = 20.0  # seconds; a short command ends before, a server has answered its first requests
ASSEMBLY_TIMEOUT = 600.0  # seconds; measured 18 on an idle machine
NEEDED_MEMORY = 3 * GIB  # 1.5 were seen in use
KEPT_UNUSED = 30 * 24 * 3600  # seconds
SCRATCH_MEMORY = Memory(heap=512 * MIB, page_cache=64 * MIB, valkey=0)


class AotCache:
    """The cache file that fits these jars in this place, on this Java."""

    def __init__(self, cache_dir: Path, distribution: Distribution) -> None:
        self.folder = cache_dir / "aot"
        self.distribution = distribution
        # The heap's size is left out: a cache made with another one was seen to serve as well.
        key = hashlib.sha256(f"{find_java()} {jvm_options(0)} {distribution.root}".encode())
        for jar in distribution.jars:
            key.update(jar.sha256.encode())
        self.file = self.folder / f"{key.hexdigest()[:16]}.aot"

    def options(self) -> list[str]:
        """List the options that use the cache, if there is one.

        Java goes on without a file that doesn't fit; it must be told to notice a damaged one.
        """
        if not self.file.exists():
            return []
        with suppress(PermissionError):
            os.utime(self.file)
        return [f"-XX:AOTCache={self.file}", "-XX:+VerifySharedSpaces"]

    def discard_if_refused(self, home: Home) -> bool:
        """Remove the cache if Java wouldn't have it, so that it is made anew; tell whether it was so."""
        with suppress(OSError):
            if self.file.exists() and "[error  ][aot" in home.console.read_text("utf-8", errors="replace"):
                self.file.unlink()
                return True
        return False


class Training:
    """A scratch Neo4j started and stopped in the background, whose start Java remembers."""

    def __init__(self, aot: AotCache, *, delay: float = DELAY) -> None:
        self._aot = aot
        self._delay = delay
        self._stopped = threading.Event()
        self._process: Process | None = None
        self._thread = threading.Thread(target=self._run, name="embedded-aot", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give the training up, if it is still going on."""
        self._stopped.set()
        deadline = time.monotonic() + 1
        while self._thread.is_alive() and time.monotonic() < deadline:
            if self._process:
                self._process.stop(patience=0)
            self._thread.join(0.05)

    def _run(self) -> None:
        if self._aot.file.exists() or self._stopped.wait(self._delay):
            return
        if min(machine_memory() - GIB, psutil.virtual_memory().available) < NEEDED_MEMORY:
            return
        folder = self._aot.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _clear(folder)
                try:
                    self._train(folder / "training")
                finally:
                    _clear(folder)
        except BlockingIOError:
            return  # another process trains
        except (OSError, EmbeddedError, subprocess.TimeoutExpired) as error:
            if not self._stopped.is_set():
                log.info("Neo4j's start was not made faster: %s", error)

    def _train(self, scratch: Path) -> None:
        home, port, password = Home(scratch / "neo4j"), find_free_port(), secrets.token_urlsafe()
        made = scratch / "made.aot"
        home.prepare(distribution=self._aot.distribution, port=port, memory=SCRATCH_MEMORY, password=password)
        options = [*jvm_options(SCRATCH_MEMORY.heap), f"-XX:AOTCacheOutput={made}"]
        self._process = home.launch(options, niceness=19)
        try:
            await_ready(self._process, home, port=port, password=password)
            self._process.terminate()
            self._process.wait(ASSEMBLY_TIMEOUT)
        finally:
            self._process.stop(patience=0)
        if not self._stopped.is_set():
            made.replace(self._aot.file)


def _clear(folder: Path) -> None:
    shutil.rmtree(folder / "training", ignore_errors=True)
    for file in folder.glob("*.aot"):
        if time.time() - file.stat().st_mtime > KEPT_UNUSED:
            file.unlink()
