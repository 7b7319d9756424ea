"""Neo4j and Valkey started beside this process, for those who have no servers of their own.

with EmbeddedServers.start(data_dir, cache_dir=cache, progress=print) as servers:
    servers.addresses.database_url, servers.password
"""

import atexit
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from graph.embedded import neo4j
from graph.embedded.aot import AotCache, Training
from graph.embedded.errors import EmbeddedError, unusable
from graph.embedded.jars import Progress, fetch_distribution
from graph.embedded.java import find_java, jvm_options
from graph.embedded.memory import MIB, Memory, size_memory
from graph.embedded.neo4j import USER, Home, await_ready
from graph.embedded.ownership import Addresses, AlreadyRunning, Ownership, find_running, write_secret
from graph.embedded.ports import HOST, choose_port
from graph.embedded.process import PATIENCE, Process, end_orphan
from graph.embedded.supervisor import Supervisor, never
from graph.embedded.valkey import find_valkey, start_valkey

__all__ = ["Addresses", "AlreadyRunning", "EmbeddedError", "EmbeddedServers", "find_running"]

LEAST_SPACE = 64 * MIB


class EmbeddedServers:
    """The running servers of one data directory, owned by this process until `stop`."""

    def __init__(self, data_dir: Path, ownership: Ownership) -> None:
        self._data_dir = data_dir
        self._ownership = ownership
        self._processes: list[Process] = []
        self._supervisors: list[Supervisor] = []
        # By name, each server's latest process, and what starts it again as it was started.
        self._latest: dict[str, tuple[Process, Callable[[], Process]]] = {}
        self._home = Home(data_dir / "neo4j")
        self._aot: AotCache
        self._training: Training | None = None
        self.addresses: Addresses
        self.password = ""

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        cache_dir: Path,
        progress: Progress,
        memory_limit: int | None = None,
        heap_bytes: int | None = None,
        page_cache_bytes: int | None = None,
        bolt_port: int = 0,
        valkey_port: int = 0,
        train_aot: bool = False,
    ) -> "EmbeddedServers":
        """Start both servers and wait until they answer; a failure leaves nothing running.

        `cache_dir` holds what all data directories share. `memory_limit` stands in for the machine's
        memory, of which `size_memory` gives each part its share unless it is given here. Port 0 is
        the last one used if free, else any. `progress` gets a line for each step. `train_aot` makes
        later starts faster, by work of the lowest priority in the background of this one.
        Raises AlreadyRunning with the owner's addresses, else EmbeddedError.
        """
        # What is not installed is said before anything is made or fetched.
        find_java()
        data_dir, cache_dir = data_dir.expanduser().absolute(), cache_dir.expanduser().absolute()
        memory = size_memory(memory_limit, heap=heap_bytes, page_cache=page_cache_bytes)
        servers = cls(data_dir, Ownership.take(data_dir))
        atexit.register(servers.stop)
        try:
            servers._prepare()
            servers._start_all(cache_dir, memory, progress, bolt_port, valkey_port)
            if train_aot:
                servers._training = Training(servers._aot)
        except OSError as error:
            servers.stop()
            raise unusable(data_dir, error) from error
        except BaseException:
            servers.stop()
            raise
        return servers

    def _prepare(self) -> None:
        _check_space(self._data_dir)
        end_orphan(self._home.path)
        end_orphan(self._data_dir / "valkey")
        self.password = self._read_password()

    def _start_all(self, cache_dir: Path, memory: Memory, progress: Progress, bolt_port: int, valkey_port: int) -> None:
        bolt_port = choose_port(self._data_dir, "Neo4j", bolt_port)
        neo4j = self._launch_neo4j(cache_dir, memory, progress, bolt_port)
        # Valkey starts within Neo4j's seconds.
        redis_url = self._start_valkey(memory, valkey_port, progress)
        try:
            await_ready(neo4j, self._home, port=bolt_port, password=self.password)
            self._aot.discard_if_refused(self._home)
        except EmbeddedError:
            # Java goes on without most cache files that don't fit, but gives up over some.
            if not self._aot.discard_if_refused(self._home):
                raise
            neo4j = self._launch_neo4j(cache_dir, memory, progress, bolt_port)
            await_ready(neo4j, self._home, port=bolt_port, password=self.password)
        self.addresses = Addresses(
            database_url=f"bolt://{HOST}:{bolt_port}",
            database_user=USER,
            password_file=self._data_dir / "password",
            redis_url=redis_url,
            pid=os.getpid(),
        )
        self.publish()
        progress(f"Ready: Neo4j at {self.addresses.database_url}")

    def _launch_neo4j(self, cache_dir: Path, memory: Memory, progress: Progress, port: int) -> Process:
        progress("Checking Neo4j's files")
        distribution = fetch_distribution(cache_dir, progress)
        self._aot = AotCache(cache_dir, distribution)
        progress("Starting Neo4j")
        self._home.prepare(distribution=distribution, port=port, memory=memory, password=self.password)
        return self._begin("Neo4j", lambda: self._home.launch([*jvm_options(memory.heap), *self._aot.options()]))

    def _begin(self, name: str, start: Callable[[], Process]) -> Process:
        process = start()
        self._latest[name] = process, start
        self._processes.append(process)
        return process

    def _start_valkey(self, memory: Memory, port: int, progress: Progress) -> str | None:
        binary = find_valkey()
        if binary is None:
            progress("Going on without Valkey: there is none for this platform")
            return None
        progress("Starting Valkey")
        port = choose_port(self._data_dir, "Valkey", port)
        home = self._data_dir / "valkey"
        self._begin(
            "Valkey",
            lambda: start_valkey(binary, home, port=port, password=self.password, maxmemory=memory.valkey),
        )
        return f"redis://{HOST}:{port}/0"

    def _read_password(self) -> str:
        file = self._data_dir / "password"
        if file.exists():
            password = file.read_text("utf-8").strip()
            # It goes into a URL and a configuration file as it is.
            if not re.fullmatch(r"[\w-]{8,}", password, re.ASCII):
                raise EmbeddedError(
                    f"{file} holds no password: it needs at least 8 letters, digits, - or _. "
                    "Restore that file, or choose another data directory."
                )
            return password
        if not self._home.is_new:
            raise EmbeddedError(
                f"{file} is missing, and the database beside it opens with nothing else: "
                "restore that file, or choose another data directory."
            )
        password = secrets.token_urlsafe(24)
        write_secret(file, password)
        return password

    def supervise(self) -> None:
        """From now on, start again what ends by itself, at the same address."""
        port = urlsplit(self.addresses.database_url).port or 0
        for name, (process, start) in self._latest.items():
            is_stuck = partial(neo4j.is_stuck, port, self.password) if name == "Neo4j" else never
            self._supervisors.append(
                Supervisor(name, process, start, is_stuck=is_stuck, lacks_space=partial(_lacks_space, self._data_dir))
            )

    def publish(self, *, api_url: str | None = None) -> None:
        """Tell other processes where the servers are, and the API once it listens."""
        self.addresses = replace(self.addresses, api_url=api_url)
        self._ownership.publish(self.addresses)

    @property
    def redis_url(self) -> str | None:
        """The Redis URL with the password in it."""
        return self.addresses.redis_url_with(self.password)

    def stop(self) -> None:
        """Stop the servers and let the data directory go; at most 10 s; a second call does nothing."""
        atexit.unregister(self.stop)
        if self._training:
            self._training.stop()
        deadline = time.monotonic() + PATIENCE
        # What they have started since is to be stopped as well.
        self._processes += [each.stop() for each in self._supervisors]
        self._supervisors.clear()
        for process in self._processes:
            process.terminate()
        while self._processes:
            self._processes.pop().stop(max(0.0, deadline - time.monotonic()))
        self._ownership.release()

    def __enter__(self) -> "EmbeddedServers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _check_space(data_dir: Path) -> None:
    if _lacks_space(data_dir):
        free = shutil.disk_usage(data_dir).free
        raise EmbeddedError(
            f"{data_dir} has {free // MIB} MiB of free space and Neo4j needs {LEAST_SPACE // MIB}: "
            "make room there, or choose another data directory."
        )


def _lacks_space(data_dir: Path) -> bool:
    # On a full disk Neo4j hangs half started instead of failing.
    return shutil.disk_usage(data_dir).free < LEAST_SPACE
