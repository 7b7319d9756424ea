"""`ecs top`: what a running server does, from its /metrics, between one look and the next."""

import http.client
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group
from rich.live import Live
from rich.table import Table

from server.display import out

PATIENCE = 5.0
OPERATIONS = "ecs_operation_duration_seconds"
QUERIES = "ecs_query_duration_seconds"
MOST_ROWS = 15

Labels = tuple[tuple[str, str], ...]


class TopError(Exception):
    """Why there is nothing to see, in a line."""


@dataclass(frozen=True)
class Sight:
    """All samples at a moment, in seconds."""

    at: float
    samples: dict[str, dict[Labels, float]]

    def total(self, name: str, **labels: str) -> float:
        """Sums the samples of a name that have these labels."""
        wanted = set(labels.items())
        return sum(value for found, value in self.samples.get(name, {}).items() if wanted <= set(found))

    def values(self, name: str, label: str) -> list[str]:
        found = {dict(labels).get(label) for labels in self.samples.get(name, {})}
        return sorted(each for each in found if each is not None)


@dataclass
class Pace:
    """How often something happened, and how long it took: the mean and quantiles, in seconds."""

    name: str
    rate: float
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass
class Report:
    """What is shown."""

    seconds: float
    workers: int
    rate: float
    in_flight: int
    errors: dict[str, float]
    operations: list[Pace]
    queries: list[Pace]
    cache: dict[str, float]
    connections: dict[str, int]
    memory: dict[str, float]
    events: dict[str, float] = field(default_factory=dict)


def look(url: str, token: str | None) -> Sight:
    """Reads /metrics. Raises TopError."""
    connection, path = connect(url)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, http.client.HTTPException, ValueError):
        raise TopError(f"Nothing answers at {url}. Is `ecs serve` running? --url names another address.") from None
    finally:
        connection.close()
    if response.status in {401, 403}:
        raise TopError(f"{url}: /metrics needs a key of scope admin; give it in METRICS_KEY.")
    if response.status != 200:
        raise TopError(f"{url}{path}: answered with {response.status}, not with metrics.")
    return Sight(time.monotonic(), read(text))


def connect(url: str) -> tuple[http.client.HTTPConnection, str]:
    """Prepares the connection, and gives the path to ask for. Raises TopError for what is no address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise TopError(f"{url}: must be like http://127.0.0.1:8000") from None
    if not host or parts.scheme not in {"http", "https"}:
        raise TopError(f"{url}: must be like http://127.0.0.1:8000")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(host, port, timeout=PATIENCE), parts.path.rstrip("/") or "/metrics"


def read(text: str) -> dict[str, dict[Labels, float]]:
    samples: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    except ValueError:
        raise TopError("What was answered is not what Prometheus reads.") from None
    return samples


def compare(before: Sight | None, now: Sight) -> Report:
    """Reports what happened between two looks, or since the server started."""
    span = now.at - before.at if before else math.nan

    def grown(name: str, **labels: str) -> float:
        total, since = now.total(name, **labels), before.total(name, **labels) if before else 0.0
        # A server that was started anew counts from zero.
        return total - since if total >= since else total

    hits = {f"{tier} hits": grown("ecs_cache_hits_total", tier=tier) for tier in ("near", "far")}
    asked = sum(hits.values()) + grown("ecs_cache_misses_total")
    return Report(
        seconds=span,
        workers=int(now.total("ecs_workers")),
        rate=grown(f"{OPERATIONS}_count") / span,
        in_flight=int(now.total("ecs_operations_in_flight")),
        errors={code: grown("ecs_errors_total", code=code) for code in now.values("ecs_errors_total", "code")},
        operations=list(paces(now, OPERATIONS, "operation", grown, span)),
        queries=list(paces(now, QUERIES, "query", grown, span)),
        cache={name: count / asked for name, count in hits.items()} if asked else {},
        connections={
            "in use": int(now.total("ecs_database_connections", state="in_use")),
            "idle": int(now.total("ecs_database_connections", state="idle")),
            "limit": int(now.total("ecs_database_connections_limit")),
        },
        memory={
            dict(labels)["worker"]: value
            for labels, value in now.samples.get("ecs_process_resident_memory_bytes", {}).items()
        },
        events={
            "subscriptions": now.total("ecs_subscriptions"),
            "websockets": now.total("ecs_websocket_connections"),
            "lost": grown("ecs_events_lost_total"),
        },
    )


def paces(now: Sight, name: str, label: str, grown: Callable[..., float], span: float) -> Iterator[Pace]:
    """Tells how each of a histogram's labels fared, the busiest first."""
    found: list[Pace] = []
    for value in now.values(f"{name}_count", label):
        given = {label: value}
        count = grown(f"{name}_count", **given)
        if not count:
            continue
        bounds = sorted(now.values(f"{name}_bucket", "le"), key=float)
        buckets = [(float(bound), grown(f"{name}_bucket", le=bound, **given)) for bound in bounds]
        p50, p95, p99 = (quantile(share, buckets) for share in (0.5, 0.95, 0.99))
        found.append(Pace(value, count / span, grown(f"{name}_sum", **given) / count, p50, p95, p99))
    yield from sorted(found, key=lambda each: -each.rate)


def quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    """Estimates a quantile from the counts up to each bound, as Prometheus does: evenly spread within a bucket."""
    total = buckets[-1][1] if buckets else 0
    if not total:
        return None
    low = below = 0.0
    for bound, count in buckets:
        if count >= share * total:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (share * total - below) / ((count - below) or 1)
        low, below = bound, count
    return low


def draw(report: Report) -> Group:
    """Lays a report out for a terminal."""
    head = Table.grid(padding=(0, 3))
    head.add_row(
        f"[bold]{report.rate:,.1f}[/] operations/s",
        f"{report.in_flight} in flight",
        f"{report.workers} workers",
        f"memory {sum(report.memory.values()) / 1e6:,.0f} MB",
    )
    pool, events = report.connections, report.events
    head.add_row(
        "cache " + (", ".join(f"{name} {share:.0%}" for name, share in report.cache.items()) or "not asked"),
        f"connections {pool['in use']} in use, {pool['idle']} idle, of {pool['limit']}",
        f"{events['websockets']:.0f} websockets, {events['subscriptions']:.0f} subscriptions",
        "errors " + (", ".join(f"{code} {count:.0f}" for code, count in report.errors.items() if count) or "none"),
    )
    return Group(head, lay_out("Operation", report.operations), lay_out("Query", report.queries))


def lay_out(title: str, found: list[Pace]) -> Table:
    table = Table(title, expand=False)
    for name in ("per s", "mean ms", "p50", "p95", "p99"):
        table.add_column(name, justify="right")
    for each in found[:MOST_ROWS]:
        times = (
            f"{value * 1000:,.1f}" if value is not None else "" for value in (each.mean, each.p50, each.p95, each.p99)
        )
        table.add_row(each.name, f"{each.rate:,.1f}", *times)
    return table


def as_json(report: Report) -> dict[str, Any]:
    return vars(report) | {name: [vars(each) for each in getattr(report, name)] for name in ("operations", "queries")}


def watch(url: str, token: str | None, seconds: float) -> None:
    """Shows what goes on until interrupted. Raises TopError."""
    before = look(url, token)
    with Live(console=out, screen=out.is_terminal, auto_refresh=False) as live:
        while True:
            time.sleep(seconds)
            now = look(url, token)
            live.update(draw(compare(before, now)), refresh=True)
            before = now


def look_once(url: str, token: str | None, seconds: float) -> Report:
    """Reports what happens within some seconds. Raises TopError."""
    before = look(url, token)
    time.sleep(seconds)
    return compare(before, look(url, token))
