"""Limits of containers are read as Linux tells them, from both versions of control groups."""

from pathlib import Path

import psutil
import pytest

from graph.embedded.cgroup import Grant, read_grants
from graph.embedded.memory import machine_memory

UNLIMITED = 9223372036854771712


def group(folder: Path, files: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def v1(limit: object, used: int, droppable: int) -> dict[str, object]:
    stat = f"cache 5\ninactive_file 1\ntotal_inactive_file {droppable}"
    return {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.stat": stat}


def v2(limit: object, used: int, droppable: int) -> dict[str, object]:
    return {"memory.max": limit, "memory.current": used, "memory.stat": f"anon 5\ninactive_file {droppable}"}


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "membership"


def test_version_2_with_a_limit_on_the_group_and_around_it(tmp_path: Path, membership: Path):
    membership.write_text("0::/pods/one\n")
    group(tmp_path / "sys/pods/one", v2(1000, 500, 100))
    group(tmp_path / "sys/pods", v2(5000, 4000, 0))
    group(tmp_path / "sys", {})
    assert read_grants(tmp_path / "sys", membership) == [Grant(1000, 400), Grant(5000, 4000)]


def test_version_2_without_a_limit(tmp_path: Path, membership: Path):
    membership.write_text("0::/\n")
    group(tmp_path / "sys", v2("max", 500, 100))
    assert read_grants(tmp_path / "sys", membership) == []


def test_version_1_inside_a_container_that_sees_the_path_of_its_host(tmp_path: Path, membership: Path):
    membership.write_text("4:cpu,memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n")
    group(tmp_path / "sys/memory", v1(2000, 900, 950))
    assert read_grants(tmp_path / "sys", membership) == [Grant(2000, 0)]


def test_version_1_without_a_limit_leaves_the_machine_the_limit(tmp_path: Path, membership: Path):
    membership.write_text("4:memory:/\n")
    group(tmp_path / "sys/memory", v1(UNLIMITED, 900, 0))
    assert [grant.limit for grant in read_grants(tmp_path / "sys", membership)] == [UNLIMITED]


def test_systems_without_control_groups_grant_everything(tmp_path: Path, membership: Path):
    assert read_grants(tmp_path, membership) == []


def test_this_machine_can_be_read():
    assert 0 < machine_memory() <= psutil.virtual_memory().total
    assert all(grant.used >= 0 < grant.limit for grant in read_grants())
