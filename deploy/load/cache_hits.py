"""How often the server's cache had what was asked for, as the server tells it."""

import re
from urllib.request import urlopen

HITS, MISSES = "ecs_cache_hits_total", "ecs_cache_misses_total"


def read_cache_counts(url: str) -> tuple[float, float] | None:
    """Reads hits and misses so far from /metrics of the server at a URL; None if it tells of none."""
    try:
        with urlopen(f"{url}/metrics", timeout=5) as response:  # noqa: S310 — the user's own server
            text = response.read().decode()
    except (OSError, ValueError):
        return None
    counts = [sum(map(float, samples(name, text))) for name in (HITS, MISSES)]
    return (counts[0], counts[1]) if samples(HITS, text) else None


def samples(name: str, text: str) -> list[str]:
    return re.findall(rf"^{name}(?:\{{.*\}})? (\S+)", text, re.MULTILINE)


def hit_rate(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    """The share of hits among what was asked for between two readings; None if that is not told."""
    if before is None or after is None:
        return None
    hits, misses = (late - early for early, late in zip(before, after, strict=True))
    return hits / (hits + misses) if hits + misses else None
