"""The systems that are compared, each a process of its own over the same database."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import orjson
import psutil

from deploy.bench.load import LoadError
from deploy.bench.queries import Question, Variables, their_variables
from graph.embedded import tether
from graph.embedded.ports import find_free_port
from graph.embedded.servers import EmbeddedServers

PEERS = Path(__file__).parent / "peers"
NODE_PROJECT = PEERS / "neo4j_graphql"
ROOT = Path(__file__).parents[2]
STARTING_SECONDS = 60
INSTALLING_SECONDS = 300
SETTLING_SECONDS = 120
# Of one core.
IDLE_PERCENT = 10.0
PROJECT, CACHED = "this project", "this project with its cache"
STRAWBERRY, HANDWRITTEN, NEO4J_GRAPHQL = "Strawberry", "hand-written", "@neo4j/graphql"


@dataclass(frozen=True)
class System:
    """A system that runs: how it is reached and asked."""

    name: str
    url: str
    ids: dict[str, str]
    process: psutil.Process

    def body(self, question: Question, variables: Variables) -> bytes:
        """What is posted to ask a question; one line."""
        foreign = self.name == NEO4J_GRAPHQL
        document = question.theirs if foreign else question.document
        given = their_variables(question, variables, self.ids) if foreign else variables
        query = " ".join(document.split())
        return orjson.dumps({"query": query, "operationName": question.operation, "variables": given})

    def ask(self, question: Question, variables: Variables) -> Any:
        """Gives the answer's data. Raises LoadError for errors."""
        body = self.body(question, variables)
        headers = {"content-type": "application/json", "accept": "application/json"}
        try:
            with urlopen(Request(self.url, body, headers), timeout=30) as response:  # noqa: S310 — loopback
                answer = orjson.loads(response.read())
        except HTTPError as error:
            with error:
                detail = error.read().decode()[:300]
            raise LoadError(f"{self.name}, {question.name}: {error} {detail}") from None
        except (OSError, ValueError) as error:
            raise LoadError(f"{self.name}, {question.name}: {error}") from None
        if "errors" in answer:
            raise LoadError(f"{self.name}, {question.name}: {answer['errors'][0].get('message')}")
        return answer["data"]

    def settle(self) -> None:
        """Waits until the system is idle: what the load left unfinished must not be the next one's burden."""
        give_up = time.monotonic() + SETTLING_SECONDS
        self.process.cpu_percent()
        while time.monotonic() < give_up:
            time.sleep(0.2)
            if self.process.cpu_percent() < IDLE_PERCENT:
                return
        raise LoadError(f"{self.name} was still busy {SETTLING_SECONDS} s after the load had ended.")


def serve_project(port: int) -> list[str]:
    return [str(Path(sys.executable).with_name("ecs")), "serve"]


def serve_python(module: str) -> Callable[[int], list[str]]:
    app = f"deploy.bench.peers.{module}:create_app"
    return lambda port: [
        sys.executable, "-m", "uvicorn", "--factory", app, "--port", str(port), "--log-level", "warning",
        "--no-access-log",
    ]  # fmt: skip


def serve_node(port: int) -> list[str]:
    return ["node", str(NODE_PROJECT / "server.mjs")]


COMMANDS: dict[str, Callable[[int], list[str]]] = {
    PROJECT: serve_project,
    CACHED: serve_project,
    STRAWBERRY: serve_python("strawberry_peer"),
    HANDWRITTEN: serve_python("handwritten"),
    NEO4J_GRAPHQL: serve_node,
}


def install_node_project() -> str | None:
    """Installs what the Node peer needs; says why it cannot."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    installed, lock = NODE_PROJECT / "node_modules" / ".package-lock.json", NODE_PROJECT / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    try:
        subprocess.run(
            ["npm", "ci", "--silent"],
            cwd=NODE_PROJECT, capture_output=True, text=True, timeout=INSTALLING_SECONDS, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"npm took more than {INSTALLING_SECONDS} s"
    except subprocess.CalledProcessError as error:
        return f"npm failed: {(error.stderr or error.stdout).strip()[-300:]}"
    return None


def tied(command: list[str]) -> list[str]:
    """A command that dies with this process, however that ends."""
    program, *arguments = command
    tie = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), "0"]
    return [*tie, str(shutil.which(program)), *arguments]


@contextmanager
def running(names: Sequence[str], servers: EmbeddedServers, ids: dict[str, str], logs: Path) -> Iterator[list[System]]:
    """Runs systems over servers that are up, until the block ends."""
    with ExitStack() as stack:
        yield [stack.enter_context(run_system(name, servers, ids, logs)) for name in names]


@contextmanager
def run_system(name: str, servers: EmbeddedServers, ids: dict[str, str], logs: Path) -> Iterator[System]:
    """Runs one system. What it says goes to a file, whose end is told when it doesn't start."""
    port = find_free_port()
    settings = {
        "ECS_DATABASE_URL": servers.addresses.database_url,
        "ECS_DATABASE_PASSWORD": servers.password,
        "ECS_REDIS_URL": servers.redis_url,
        "ECS_PORT": str(port),
        "ECS_WORKERS": "1",
        "ECS_CACHE": str(name == CACHED),
        "PORT": str(port),
    }
    log = logs / f"{len(list(logs.glob('*.log')))}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied(COMMANDS[name](port)), env=os.environ | settings, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(name, process, port, log)
        yield System(name, f"http://127.0.0.1:{port}/graphql", ids, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(name: str, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Waits until a system takes requests. Raises LoadError if it ends or takes too long."""
    give_up = time.monotonic() + STARTING_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > give_up:
            said = log.read_text("utf-8", "replace").strip()[-500:]
            raise LoadError(f"{name} did not start: {said or 'it said nothing'}")
        try:
            urlopen(f"http://127.0.0.1:{port}/graphql", timeout=2).close()
        except HTTPError as error:
            # It answers, whatever it makes of an empty question.
            error.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
