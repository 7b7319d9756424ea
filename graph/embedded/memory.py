"""How much memory the embedded servers take."""

from dataclasses import dataclass

import psutil

from graph.embedded.cgroup import read_grants
from graph.embedded.errors import EmbeddedError

MIB = 2**20
GIB = 2**30
LEAST = GIB
LEAST_HEAP = 256 * MIB


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes for each part; Neo4j also takes some 300 MiB beside its heap and page cache."""

    heap: int
    page_cache: int
    valkey: int


def size_memory(limit: int | None, *, heap: int | None = None, page_cache: int | None = None) -> Memory:
    """Divide the machine: heap 1/4 (at most 4 GiB), page cache 1/8 (2 GiB), Valkey 1/16 (256 MiB).

    `limit` stands in for the machine's memory, which is that of the container where there is one.
    The heap starts smaller and grows only as needed. Raises EmbeddedError below 1 GiB.
    """
    total = min(limit or machine_memory(), machine_memory())
    if total < LEAST:
        raise EmbeddedError(
            f"The embedded Neo4j needs 1 GiB of memory and may have {total // MIB} MiB: "
            "raise the limit, or set a database URL of a Neo4j on another machine."
        )
    heap = heap or max(LEAST_HEAP, min(4 * GIB, total // 4))
    page_cache = page_cache or min(2 * GIB, total // 8)
    if heap + page_cache > total:
        raise EmbeddedError(
            f"A heap of {heap // MIB} MiB and a page cache of {page_cache // MIB} MiB "
            f"do not fit into {total // MIB} MiB of memory: ask for less."
        )
    return Memory(heap=heap, page_cache=page_cache, valkey=min(256 * MIB, total // 16))


def machine_memory() -> int:
    """Bytes that this machine, or the container around this process, has."""
    return min([psutil.virtual_memory().total, *(grant.limit for grant in read_grants())])
