"""The load generator: a Go program that sends requests when they are due, whether or not the server keeps up."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from deploy.load.operations import OPERATIONS, Operation

SOURCE = Path(__file__).with_name("generator")
BUILDING_SECONDS = 300
# More are not written down: the generator then begins with the first again.
MOST_REQUESTS = 500_000
OK = "ok"


class GeneratorError(Exception):
    """No load could be made; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """How requests arrive: in all, in a second, over how many connections; how many seconds an answer may take."""

    requests: int
    rate: float
    connections: int = 512
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request. Times are in seconds: since the start, and since the request was due."""

    operation: Operation
    due: float
    sent_late: float
    latency: float
    code: str
    message: str


def missing() -> str | None:
    """Says what the generator needs and this machine lacks."""
    if shutil.which("go"):
        return None
    return "Go, which the load generator is built with, is missing: install it (Debian, Ubuntu: apt-get install golang)"


def build(folder: Path) -> Path:
    """Builds the generator; Go keeps what it has compiled before. Raises GeneratorError."""
    if fault := missing():
        raise GeneratorError(fault)
    program = folder / "generator"
    # Nothing but Go's standard library is needed, so nothing is fetched.
    command = ["go", "build", "-buildvcs=false", "-o", str(program), "."]
    try:
        subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=BUILDING_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise GeneratorError(f"Go took more than {BUILDING_SECONDS} s to build the load generator") from None
    except subprocess.CalledProcessError as error:
        raise GeneratorError(f"Go could not build the load generator: {error.stderr.strip()[-500:]}") from None
    return program


def write_plan(file: Path, url: str, arrivals: Arrivals, requests: Iterable[tuple[Operation, dict[str, Any]]]) -> None:
    """Writes down what is sent, so that nothing has to be drawn while it is."""
    operations = [{"name": each.name, "document": " ".join(each.document.split())} for each in OPERATIONS]
    head = {
        "url": url, "rate": arrivals.rate, "requests": arrivals.requests, "connections": arrivals.connections,
        "timeout": arrivals.timeout, "operations": operations,
    }  # fmt: skip
    with file.open("wb") as out:
        out.write(orjson.dumps(head) + b"\n")
        for operation, variables in islice(requests, min(arrivals.requests, MOST_REQUESTS)):
            out.write(b"%d %b\n" % (OPERATIONS.index(operation), orjson.dumps(variables)))


@contextmanager
def generating(
    url: str, arrivals: Arrivals, requests: Iterable[tuple[Operation, dict[str, Any]]]
) -> Iterator[Iterator[Answer]]:
    """Sends requests and yields an iterator of the answers as they come. It raises GeneratorError."""
    with tempfile.TemporaryDirectory(prefix="ecs-load-") as name:
        folder = Path(name)
        program = build(folder)
        write_plan(folder / "plan", url, arrivals, requests)
        # One thread of its own leaves the rest of the machine to the servers.
        environment = os.environ | {"GOMAXPROCS": "1"}
        command = [program, folder / "plan"]
        with (
            (folder / "errors").open("wb") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process,
        ):
            try:
                yield answers(process, folder / "errors")
            finally:
                process.kill()


def answers(process: "subprocess.Popen[bytes]", errors: Path) -> Iterator[Answer]:
    for line in process.stdout or ():
        yield read(line.decode().rstrip("\n").split("\t"))
    if process.wait():
        raise GeneratorError(f"The load generator failed: {errors.read_text('utf-8', 'replace').strip()[-500:]}")


def read(fields: Sequence[str]) -> Answer:
    number, due, sent_late, latency, code, message = fields
    return Answer(OPERATIONS[int(number)], int(due) / 1e6, int(sent_late) / 1e6, int(latency) / 1e6, code, message)
