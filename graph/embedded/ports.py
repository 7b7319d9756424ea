"""Loopback ports for the embedded servers: the one asked for, the last one used, or a free one."""

import json
import socket
from pathlib import Path

import psutil

from graph.embedded.errors import EmbeddedError

HOST = "127.0.0.1"


def choose_port(data_dir: Path, server: str, wanted: int = 0) -> int:
    """Choose the port for `server` and remember it in the data directory.

    A wanted port that is taken raises EmbeddedError; 0 means the last one if it is free, else any.
    """
    file = data_dir / "ports.json"
    try:
        known: dict[str, int] = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        known = {}
    if wanted and not is_free(wanted):
        raise EmbeddedError(
            f"{server} cannot listen on {HOST}:{wanted}: {_describe_holder(wanted)} has that port. "
            "Choose another port, or 0 for any that is free."
        )
    last = known.get(server, 0)
    port = wanted or (last if last and is_free(last) else find_free_port())
    file.write_text(json.dumps({**known, server: port}), "utf-8")
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        # As the servers do, so that connections of a server just stopped don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True


def is_open(port: int) -> bool:
    """Whether something listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def find_free_port() -> int:
    """Find a port that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _describe_holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
