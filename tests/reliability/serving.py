"""`ecs serve` as processes that a test may kill and stop, and what to know about them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from graph.embedded.ports import find_free_port
from tests.conftest import ROOT
from tests.server.test_serve import environment

COMMAND = [sys.executable, "-c", "from server.cli import app; app()", "serve"]
WORKER, NEO4J, VALKEY = "spawn_main", "Neo4j", "Valkey"


class Served:
    """A running server: its address, its log, and the processes behind it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, data_dir: Path, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log
        # Beside it may run another Neo4j, whose start Java learns.
        self.words = {NEO4J: f"--home-dir={data_dir / 'neo4j'} ", VALKEY: f"{data_dir / 'valkey'}", WORKER: WORKER}

    def find(self, what: str) -> list[psutil.Process]:
        """The processes of its family that are that, the oldest first."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        found = [each for each in family if self.words[what] in line_of(each)]
        return sorted(found, key=psutil.Process.create_time)

    async def until_ready(self, seconds: float = 90) -> None:
        give_up = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=10) as client:
            while time.monotonic() < give_up:
                if self.process.poll() is not None:
                    pytest.fail(f"it ended with {self.process.returncode}: {self.log.read_text()}")
                try:
                    if (await client.get(f"{self.url}/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        pytest.fail(f"it never became ready: {self.log.read_text()}")


def line_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@asynccontextmanager
async def served(data_dir: Path, *, log: Path | None = None, **settings: object) -> AsyncIterator[Served]:
    """A server that is ready; ended hard if the test did not end it."""
    port = find_free_port()
    log = log or data_dir.with_name(f"{data_dir.name}.log")
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            COMMAND, cwd=ROOT, env=environment(data_dir, port=port, **settings), stdout=output, stderr=output
        )
    try:
        found = Served(process, f"http://127.0.0.1:{port}", data_dir, log)
        await found.until_ready()
        yield found
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, 20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


async def stopped_for(seconds: float, process: psutil.Process) -> None:
    """Stops a process for a while."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(process.pid, signal.SIGCONT)
