"""The memory that Linux grants to a container, and how much of it is in use."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Files:
    """Where a version of control groups says the limit, the use, and what of it could be dropped at any time."""

    limit: str
    used: str
    droppable: str


V1 = Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = Files("memory.max", "memory.current", "inactive_file")


@dataclass(frozen=True)
class Grant:
    """Bytes that all processes of a control group may use together, and those that they do."""

    limit: int
    used: int


def read_grants(mounted: Path = MOUNTED, membership: Path = MEMBERSHIP) -> list[Grant]:
    """Reads the limits that this process is under, its own group's and those of the groups around it.

    There are none outside containers, nor on other systems. File contents that the kernel keeps only as long as
    nobody needs the room do not count as used.
    """
    return [grant for folder, files in groups(mounted, membership) if (grant := read_grant(folder, files))]


def groups(mounted: Path, membership: Path) -> Iterator[tuple[Path, Files]]:
    try:
        lines = membership.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, files = mounted, V2
        elif "memory" in controllers.split(","):
            top, files = mounted / "memory", V1
        else:
            continue
        # Inside a container the path may be that of the host, while the container's own group is at the top.
        group = top / path.strip("/")
        yield from ((folder, files) for folder in (group, *group.parents) if folder.is_relative_to(top))


def read_grant(folder: Path, files: Files) -> Grant | None:
    """Reads what a group may use; None where there is no such group or no limit."""
    try:
        limit, used = (int((folder / name).read_text("ascii")) for name in (files.limit, files.used))
        fields = dict(line.split(" ") for line in (folder / "memory.stat").read_text("ascii").splitlines())
    except (OSError, ValueError):
        # Absent, or "max".
        return None
    return Grant(limit, max(0, used - int(fields.get(files.droppable, 0))))
