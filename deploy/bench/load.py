"""The load generator: wrk, which costs the machine little and checks every answer."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson

SCRIPT = Path(__file__).with_name("load.lua")


class LoadError(Exception):
    """No load could be made; the message says why."""


@dataclass(frozen=True)
class Figures:
    """Answers in a second, latencies in milliseconds, and how many requests were not answered as they should."""

    answers: int
    rate: float
    p50: float
    p99: float
    failed: int
    first_failure: str = ""


def check_wrk() -> None:
    """Raises LoadError where wrk is missing."""
    if not shutil.which("wrk"):
        raise LoadError("wrk, the load generator, is missing: install it (Debian, Ubuntu: apt-get install wrk).")


def send_load(url: str, bodies: Path, *, connections: int, seconds: float) -> Figures:
    """Lets so many connections ask one after the other, each with a body drawn at random from a file's lines."""
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "60s", "-s", str(SCRIPT), url]
    environment = os.environ | {"BODIES": str(bodies)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=whole + 30, check=True)
        found = orjson.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise LoadError(f"wrk did not end within {whole + 30} s of asking {url}.") from None
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise LoadError(f"wrk could not ask {url}: {getattr(error, 'stderr', None) or error}") from None
    return Figures(
        answers=found["answers"],
        rate=found["answers"] / found["microseconds"] * 1e6,
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        failed=found["failed"] + found["lost"],
        first_failure=done.stderr.strip(),
    )
