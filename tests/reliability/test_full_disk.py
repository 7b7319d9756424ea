"""The disk of the embedded database is full for a while."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.load import DEADLINE, Load
from tests.reliability.serving import served

SIZE = "400m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A place with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    try:
        with file.open("wb", buffering=0) as full:
            while True:
                full.write(b"x" * 4096)
    except OSError:
        pass


async def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path, tmp_path: Path):
    log = tmp_path / "serve.log"
    async with served(small_disk / "data", log=log, demo=0, deadline=DEADLINE) as server:
        async with Load(server.url) as load:
            fill(small_disk / "filler")
            async with asyncio.timeout(30):
                while not load.codes["UNAVAILABLE"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await asyncio.sleep(4)
            (small_disk / "filler").unlink()
            await load.progress()
        assert load.longest < 2 * DEADLINE
    told = log.read_text()
    assert "Neo4j cannot go on" in told
    assert "waits for room on the disk" in told
