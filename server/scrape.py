"""What all workers counted together, whichever of them is asked.

Each writes what it counted to a file of its own, once a second, in a directory that `ecs serve` makes and removes.
What a worker counted stays when it ends, so that counters never fall; its gauges go with it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

PERIOD = 1.0


class Shared:
    """This worker's place among those that count; without a directory it is alone."""

    def __init__(self, own: Collector, directory: Path | None) -> None:
        self._own = own
        self._directory = directory
        # A later process may get the same id.
        self._file = directory / f"{os.getpid()}-{time.time_ns()}.json" if directory else None

    def write(self) -> None:
        """Shows the others what was counted so far."""
        if self._file is None:
            return
        draft = self._file.with_suffix(".draft")
        # Without the directory, because the server is ending, there is nobody to show it to.
        with suppress(FileNotFoundError):
            draft.write_bytes(orjson.dumps([pack(family) for family in self._own.collect()]))
            draft.replace(self._file)

    async def answer(self, request: Request) -> Response:
        """Answers Prometheus."""
        self.write()
        own = Together(self._directory) if self._directory else self._own
        registry = CollectorRegistry()
        registry.register(own)
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": kind})


class Together(Collector):
    """The sums of what the files in a directory tell."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for path in sorted(self._directory.glob("*.json")):
            alive = psutil.pid_exists(int(path.name.partition("-")[0]))
            for name, text, kind, samples in read(path):
                if kind == "gauge" and not alive:
                    continue
                families.setdefault(name, Metric(name, text, kind))
                totals = sums.setdefault(name, {})
                for sample, labels, value in samples:
                    key = sample, tuple(labels.items())
                    totals[key] = totals.get(key, 0) + value
        for name, family in families.items():
            for (sample, labels), value in sums[name].items():
                family.add_sample(sample, dict(labels), value)
            yield family


def read(path: Path) -> Iterable[Any]:
    with suppress(OSError, ValueError):
        return orjson.loads(path.read_bytes())
    return ()


def pack(family: Metric) -> tuple[str, str, str, list[tuple[str, dict[str, str], float]]]:
    samples = [(each.name, each.labels, float(each.value)) for each in family.samples]
    return family.name, family.documentation, family.type, samples


@contextmanager
def shared_directory() -> Iterator[Path]:
    """A directory for as long as the server runs."""
    path = Path(tempfile.mkdtemp(prefix="ecs-metrics-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def served_apart(directory: Path, host: str, port: int) -> Iterator[None]:
    """Answers Prometheus on a port of its own. Raises OSError if that is taken."""
    registry = CollectorRegistry()
    registry.register(Together(directory))
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
