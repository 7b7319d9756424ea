"""The memory and CPU time of the processes behind a URL, while they work."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import TracebackType
from urllib.parse import urlsplit

import psutil

API, NEO4J, VALKEY, GENERATOR = "API", "Neo4j", "Valkey", "load generator"
SERVERS = (API, NEO4J, VALKEY)
ROLES = {"java": NEO4J, "valkey-server": VALKEY, "redis-server": VALKEY, "generator": GENERATOR}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PERIOD = 1.0

Find = Callable[[], Iterable[psutil.Process]]


def role_of(process: psutil.Process) -> str:
    """Tells a process by its program; whatever is nothing else is one of the API's workers."""
    return ROLES.get(process.name(), API)


def own_children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def family_behind(url: str) -> Find:
    """Finds who listens at a URL's port, with the processes they started; nobody, if it names another machine."""
    parts = urlsplit(url)
    port = parts.port if parts.hostname in LOOPBACK else None
    listeners = set[psutil.Process]()

    def find() -> set[psutil.Process]:
        # Looking through all connections, of which there are thousands, would slow down what is measured.
        if not listeners or not all(each.is_running() for each in listeners):
            listeners.clear()
            listeners.update(map(psutil.Process, listening_on(port)))
        return listeners.union(*(each.children(recursive=True) for each in listeners))

    return find


def listening_on(port: int | None) -> set[int]:
    """The ids of the processes that listen on a TCP port."""
    return {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid  # pyright: ignore[reportAttributeAccessIssue]
    }


class Watch:
    """Reads memory (bytes) and CPU time (seconds) of each role once a second, for as long as the block lasts."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._started = time.monotonic()
        self._first: dict[psutil.Process, float] = {}
        self._last: dict[psutil.Process, float] = {}
        self._roles: dict[psutil.Process, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[tuple[float, dict[str, int]]] = []

    def __enter__(self) -> "Watch":
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._started

    def _run(self) -> None:
        while True:
            self._sample()
            if self._over.wait(PERIOD):
                return

    def _sample(self) -> None:
        held: dict[str, int] = defaultdict(int)
        try:
            processes = list(self._find())
        except psutil.Error:
            return
        for process in processes:
            try:
                role = self._roles[process] = role_of(process)
                held[role] += process.memory_info().rss
                used = sum(process.cpu_times()[:2])
            except psutil.Error:
                # It has ended meanwhile, or is none of ours.
                continue
            self._first.setdefault(process, used)
            self._last[process] = used
        self.samples.append((time.monotonic() - self._started, dict(held)))

    def peak(self, *roles: str) -> int:
        """The most that roles held together at a moment; 0 if none of them was seen."""
        return max((sum(held.get(role, 0) for role in roles) for _, held in self.samples), default=0)

    def cpu(self, role: str) -> float:
        """The share of a core that a role used on average."""
        used = sum(self._last[each] - self._first[each] for each in self._last if self._roles[each] == role)
        return used / self.seconds
