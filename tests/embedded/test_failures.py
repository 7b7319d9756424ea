"""Starts that cannot work: one clear line each, and nothing left running."""

import fcntl
import os
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from graph.embedded.errors import EmbeddedError
from graph.embedded.memory import GIB, MIB, size_memory
from graph.embedded.neo4j import find_cause
from graph.embedded.ports import choose_port
from graph.embedded.servers import EmbeddedServers


def fail(data_dir: Path, cache_dir: Path, **options: Any) -> str:
    """Start in vain; returns the message after checking that it is a line and that nothing remains."""
    before = psutil.Process().children(recursive=True)
    with pytest.raises(EmbeddedError) as failure:
        EmbeddedServers.start(data_dir, cache_dir=cache_dir, progress=print, **options)
    assert psutil.Process().children(recursive=True) == before
    message = str(failure.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("server", ["bolt_port", "valkey_port"])
def test_a_taken_port_is_named_with_its_holder(cache_dir: Path, tmp_path: Path, server: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = fail(tmp_path, cache_dir, **{server: port})
    assert f"127.0.0.1:{port}" in message
    assert f"process {os.getpid()}" in message


def test_a_data_directory_that_is_a_file_is_named(cache_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert f"Cannot use {file}: " in fail(file, cache_dir)
    assert f"Cannot use {file}/below: " in fail(file / "below", cache_dir)


def test_a_cache_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert f"Cannot use {file}" in fail(tmp_path / "data", file)


def test_what_java_says_is_in_the_line(cache_dir: Path, tmp_path: Path) -> None:
    message = fail(tmp_path, cache_dir, heap_bytes=16 * MIB)
    assert "Initial heap size set to a larger value than the maximum heap size" in message
    assert str(tmp_path / "neo4j" / "logs") in message
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_too_little_memory_is_said_before_anything_starts(cache_dir: Path, tmp_path: Path) -> None:
    assert "needs 1 GiB of memory and may have 512 MiB" in fail(tmp_path, cache_dir, memory_limit=512 * MIB)
    assert "do not fit" in fail(tmp_path, cache_dir, heap_bytes=2**50)


def test_memory_is_a_share_of_what_there_is_up_to_a_bound() -> None:
    small = size_memory(GIB)
    assert (small.heap, small.page_cache, small.valkey) == (256 * MIB, 128 * MIB, 64 * MIB)
    whole = size_memory(None)
    assert whole.heap <= 4 * GIB
    assert whole.page_cache <= 2 * GIB


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    first = choose_port(tmp_path, "Neo4j")
    assert choose_port(tmp_path, "Neo4j") == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert choose_port(tmp_path, "Neo4j") != first


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "java.lang.A: outer\nCaused by: org.x.B: middle\n\tat x\nCaused by: org.x.C: inner.\n\t... 6 more",
            "C: inner",
        ),
        (
            "2026-11-23 05:56:38.149+0000 INFO  a\n2026-11-23 05:56:38.149+0000 ERROR too big. Check it",
            "too big. Check it",
        ),
        ("[0.004s][warning][aot] truncated\nError of VM\nCould not reserve\n# \n", "Could not reserve"),
        ("2026-11-23 05:56:38.149+0000 WARN  java.io.IOException: No space left on device", "No space left on device"),
        ("2026-11-23 05:56:38.149+0000 INFO  Starting...\n", "it said nothing"),
        ("", "it said nothing"),
    ],
)
def test_the_telling_line_of_a_log_is_picked(log: str, cause: str) -> None:
    assert find_cause(log) == cause
