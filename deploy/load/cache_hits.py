"""How often the server's cache had what was asked for, as the server tells it."""

import re
from typing import NamedTuple
from urllib.request import urlopen

HITS, MISSES, PASSED = "ecs_cache_hits_total", "ecs_cache_misses_total", "ecs_cache_passed_total"

# Rows that were found, looked for in vain, and read past the cache.
Counts = tuple[float, ...]


class Shares(NamedTuple):
    """How much was found of what was looked for, and how much of all was read past the cache; None of nothing."""

    found: float | None
    passed: float | None


def read_cache_counts(url: str) -> Counts | None:
    """Reads the counts so far from /metrics of the server at a URL; None if it tells of none."""
    try:
        with urlopen(f"{url}/metrics", timeout=5) as response:  # noqa: S310 — the user's own server
            text = response.read().decode()
    except (OSError, ValueError):
        return None
    counts = tuple(sum(map(float, samples(name, text))) for name in (HITS, MISSES, PASSED))
    return counts if samples(HITS, text) else None


def samples(name: str, text: str) -> list[str]:
    return re.findall(rf"^{name}(?:\{{.*\}})? (\S+)", text, re.MULTILINE)


def shares(before: Counts | None, after: Counts | None) -> Shares | None:
    """What became of the rows that were asked for between two readings; None if that is not told."""
    if before is None or after is None:
        return None
    hits, misses, passed = (late - early for early, late in zip(before, after, strict=True))
    looked_for = hits + misses
    return Shares(
        hits / looked_for if looked_for else None,
        passed / (looked_for + passed) if looked_for + passed else None,
    )
