"""What the server tells of itself: how often its cache had what was asked for, and how long the database took."""

from typing import NamedTuple

from server.top import TopError, look

QUERIES = "ecs_query_duration_seconds"
# Rows that were found, looked for in vain, and read past the cache; queries, and the seconds that all of them took.
CACHE = ("ecs_cache_hits_total", "ecs_cache_misses_total", "ecs_cache_passed_total")
NAMES = (*CACHE, f"{QUERIES}_count", f"{QUERIES}_sum")

Counts = tuple[float, ...]


class Told(NamedTuple):
    """How much was found of what was looked for, and how much of all was read past the cache; how many queries the
    database answered, and in how many seconds on average. None of nothing."""

    found: float | None
    passed: float | None
    queries: int
    query_seconds: float | None


def read_counts(url: str) -> Counts | None:
    """Reads the counts so far from /metrics of the server at a URL; None if it tells of none."""
    try:
        seen = look(url, None)
    except TopError:
        return None
    return tuple(map(seen.total, NAMES)) if seen.total("ecs_workers") else None


def between(before: Counts | None, after: Counts | None) -> Told | None:
    """What happened between two readings; None if that is not told."""
    if before is None or after is None:
        return None
    hits, misses, passed, queries, seconds = (late - early for early, late in zip(before, after, strict=True))
    looked_for = hits + misses
    return Told(
        hits / looked_for if looked_for else None,
        passed / (looked_for + passed) if looked_for + passed else None,
        int(queries),
        seconds / queries if queries else None,
    )
