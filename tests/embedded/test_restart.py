"""What is left after an end, be it a stop or a kill, and what the next start makes of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from neo4j import GraphDatabase

from graph.embedded.aot import AotCache
from graph.embedded.errors import EmbeddedError
from graph.embedded.jars import fetch_distribution
from graph.embedded.servers import Addresses, EmbeddedServers, find_running

OWNER = """
import sys, time
from pathlib import Path
from graph.embedded.servers import EmbeddedServers
EmbeddedServers.start(Path(sys.argv[1]), cache_dir=Path(sys.argv[2]), progress=lambda line: None)
print("ready", flush=True)
time.sleep(600)
"""


def run(addresses: Addresses, password: str, text: str) -> list[object]:
    with GraphDatabase.driver(addresses.database_url, auth=(addresses.database_user, password)) as driver:
        return [record.value() for record in driver.execute_query(text).records]


def test_acknowledged_writes_survive_a_killed_owner_and_a_stop(
    cache_dir: Path, own_cache: Path, tmp_path: Path
) -> None:
    aot = AotCache(own_cache, fetch_distribution(own_cache, print))
    aot.folder.mkdir(exist_ok=True)
    aot.file.write_bytes(b"not what Java makes" * 1000)

    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), str(own_cache)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "ready\n"
        assert not aot.file.exists(), "a file that Java refuses is removed"
        found = find_running(tmp_path)
        assert found
        assert found.pid == owner.pid
        run(found, found.read_password(), "CREATE (:Kept {by: 'kill'})")
        orphans = psutil.Process(owner.pid).children(recursive=True)
        assert len(orphans) == 2
        os.kill(owner.pid, signal.SIGKILL)
    assert (tmp_path / "run.json").exists()
    assert find_running(tmp_path) is None, "what a dead owner told counts no more"

    with EmbeddedServers.start(tmp_path, cache_dir=cache_dir, progress=print) as servers:
        assert [orphan for orphan in orphans if orphan.is_running() and orphan.cmdline()] == []
        assert servers.addresses.database_url == found.database_url
        assert run(servers.addresses, servers.password, "MATCH (k:Kept) RETURN k.by") == ["kill"]
        run(servers.addresses, servers.password, "CREATE (:Kept {by: 'stop'})")
        mine = [child for child in psutil.Process().children() if str(tmp_path) in " ".join(child.cmdline())]
        assert len(mine) == 2
    assert find_running(tmp_path) is None
    assert not any(child.is_running() for child in mine)

    with EmbeddedServers.start(tmp_path, cache_dir=cache_dir, progress=print) as servers:
        assert run(servers.addresses, servers.password, "MATCH (k:Kept) RETURN k.by ORDER BY k.by") == ["kill", "stop"]

    (tmp_path / "password").write_text("some-other-password")
    with pytest.raises(EmbeddedError, match="created with another password"):
        EmbeddedServers.start(tmp_path, cache_dir=cache_dir, progress=print)
    (tmp_path / "password").write_text("some\nother")
    with pytest.raises(EmbeddedError, match="password holds no password"):
        EmbeddedServers.start(tmp_path, cache_dir=cache_dir, progress=print)
    (tmp_path / "password").unlink()
    with pytest.raises(EmbeddedError, match="password is missing"):
        EmbeddedServers.start(tmp_path, cache_dir=cache_dir, progress=print)
