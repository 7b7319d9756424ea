"""When a server that a test has started answers."""

import subprocess
import time
from pathlib import Path

import httpx
import pytest

PATIENCE = 90


def wait_until_ready(process: subprocess.Popen[str], url: str, log: Path) -> None:
    """Waits until a server is ready; fails with what it logged when it ends before, or never is."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"it ended with {process.returncode}: {log.read_text()}")
        try:
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"it never became ready: {log.read_text()}")
