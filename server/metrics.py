"""What a worker counts, in Prometheus' terms: plain numbers while requests run, families when somebody asks."""

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from graph.breaker import Breaker
from graph.database import Database
from resolvers.cache import Cache
from resolvers.events import EventLog
from resolvers.meanings import Meanings
from server.gate import Gate
from server.memory import Usage
from server.tally import SIZES, Tally

# Names of operations that are told apart; clients choose them, so that there might be any number.
MOST_OPERATIONS = 200
LONGEST_NAME = 100
OTHER = "other"

Source = Callable[[], Iterator[Metric]]


class Metrics(Collector):
    """Counts in this worker. `sources` are asked for what others count already."""

    def __init__(self) -> None:
        self.worker = str(os.getpid())
        self.in_flight = 0
        self.sockets = 0
        self.operations: dict[tuple[str, str], Tally] = {}
        self.errors: Counter[tuple[str, str]] = Counter()
        self.responses: Counter[int] = Counter()
        self.queries: dict[str, Tally] = {}
        self.batches: dict[str, Tally] = {}
        self.groups = Tally(SIZES)
        self.event_lag = Tally()
        self.dependencies: dict[str, bool] = {}
        self.sources: list[Source] = []
        self._process = psutil.Process()

    def operation(self, name: str, kind: str, *, known: bool) -> Tally:
        """Gives the tally of an operation; names that are new are taken only if `known` to be sound, up to a bound."""
        found = self.operations.get((name, kind))
        if found is None:
            if not known or len(name) > LONGEST_NAME or len(self.operations) >= MOST_OPERATIONS:
                name = OTHER
            found = self.operations.setdefault((name, kind), Tally())
        return found

    def query(self, name: str, seconds: float) -> None:
        """Counts a query that the database answered."""
        (self.queries.get(name) or self.queries.setdefault(name, Tally())).add(seconds)

    def batch(self, lane: str, size: int) -> None:
        """Counts keys that were asked for by one query."""
        (self.batches.get(lane) or self.batches.setdefault(lane, Tally(SIZES))).add(size)

    def collect(self) -> Iterator[Metric]:
        yield from self._served()
        yield from self._worked()
        yield from self._process_used()
        for source in self.sources:
            yield from source()

    def _served(self) -> Iterator[Metric]:
        yield histogram(
            "ecs_operation_duration_seconds", "How long operations took.", ["operation", "kind"], self.operations
        )
        yield gauge("ecs_operations_in_flight", "Operations that are being executed.", self.in_flight)
        yield counter("ecs_errors", "Errors that were answered, by extensions.code.", ["code", "kind"], self.errors)
        responses = {(str(status),): count for status, count in self.responses.items()}
        yield counter("ecs_http_responses", "Responses by their HTTP status.", ["status"], responses)
        yield gauge("ecs_websocket_connections", "Open WebSockets.", self.sockets)

    def _worked(self) -> Iterator[Metric]:
        queries = {(name,): tally for name, tally in self.queries.items()}
        yield histogram("ecs_query_duration_seconds", "How long the database took.", ["query"], queries)
        batches = {(lane,): tally for lane, tally in self.batches.items()}
        yield histogram("ecs_loader_batch_size", "Keys that were answered by one query.", ["loader"], batches)
        yield histogram("ecs_write_group_size", "Mutations that shared a transaction.", [], {(): self.groups})
        yield histogram("ecs_event_lag_seconds", "How late events were handed out.", [], {(): self.event_lag})
        up = GaugeMetricFamily("ecs_dependency_up", "Whether it answers this worker.", labels=["component", "worker"])
        for component, answers in self.dependencies.items():
            up.add_metric([component, self.worker], int(answers))
        yield up

    def _process_used(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "ecs_process_resident_memory_bytes", "Memory that a worker holds.", labels=["worker"]
        )
        memory.add_metric([self.worker], self._process.memory_info().rss)
        yield memory
        times = self._process.cpu_times()
        cpu = CounterMetricFamily("ecs_process_cpu_seconds", "Time that a worker computed.", labels=["worker"])
        cpu.add_metric([self.worker], times.user + times.system)
        yield cpu
        yield gauge("ecs_workers", "Workers that run.", 1)
        build = GaugeMetricFamily(
            "ecs_build_info", "How many workers run of which version.", labels=["version", "python"]
        )
        build.add_metric([find_version(), platform.python_version()], 1)
        yield build


def find_version() -> str:
    try:
        return version("ecs-memory-interaction")
    except PackageNotFoundError:
        return "unknown"


def counter(name: str, text: str, labels: list[str], counts: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    # A copy, because another thread may ask while requests are counted.
    for values, count in dict(counts).items():
        family.add_metric(list(values), count)
    return family


def histogram(name: str, text: str, labels: list[str], tallies: Mapping[Any, Tally]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, tally in dict(tallies).items():
        family.add_metric(list(values), tally.buckets(), tally.sum)
    return family


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def cache_source(cache: Cache) -> Source:
    """Tells values by where they came from, and what the process holds."""

    def collect() -> Iterator[Metric]:
        counts, near = cache.counts, cache.near
        hits = {("near",): counts.near, ("far",): counts.far}
        yield counter(
            "ecs_cache_hits", "Rows found in the cache, those of whole answers included, by tier.", ["tier"], hits
        )
        yield CounterMetricFamily("ecs_cache_misses", "Rows looked for in the cache in vain.", value=counts.missed)
        yield CounterMetricFamily(
            "ecs_cache_passed",
            "Rows read past the cache: none is for them, or too little of their operation was found.",
            value=counts.passed,
        )
        yield gauge("ecs_cache_near_entries", "Answers held in the process.", len(near))
        yield gauge("ecs_cache_near_bytes", "About how much memory they take.", near.size)

    return collect


def fallbacks_source(fallbacks: Mapping[str, int]) -> Source:
    """Tells the operations that were left to graphql-core, by the reason."""

    def collect() -> Iterator[Metric]:
        counts = {(reason,): count for reason, count in dict(fallbacks).items()}
        yield counter(
            "ecs_executor_fallbacks", "Operations that graphql-core executed instead of a plan.", ["reason"], counts
        )

    return collect


def refusals_source(refused: Mapping[str, int]) -> Source:
    """Tells requests and sockets that were not let in, or not further, by the code of the error."""

    def collect() -> Iterator[Metric]:
        counts = {(code,): count for code, count in dict(refused).items()}
        yield counter("ecs_refusals", "Requests that were refused, by code.", ["code"], counts)

    return collect


def events_source(events: EventLog) -> Source:
    def collect() -> Iterator[Metric]:
        yield gauge("ecs_subscriptions", "Subscriptions that are followed.", events.subscribers)
        yield CounterMetricFamily("ecs_events_lost", "Events that could not be published.", value=events.lost)

    return collect


def meanings_source(meanings: Meanings) -> Source:
    """Tells the embeddings that were computed here, and how many texts did without."""

    def collect() -> Iterator[Metric]:
        yield CounterMetricFamily("ecs_embeddings_computed", "Texts that got embeddings.", value=meanings.computed)
        yield CounterMetricFamily("ecs_embeddings_lacking", "Texts that got none in time.", value=meanings.lacking)

    return collect


def pool_source(database: Database, size: int, worker: str) -> Source:
    """Tells the connections to the database, and how many there may be."""

    def collect() -> Iterator[Metric]:
        in_use, idle = database.connections()
        family = GaugeMetricFamily(
            "ecs_database_connections", "Connections to the database.", labels=["state", "worker"]
        )
        family.add_metric(["in_use", worker], in_use)
        family.add_metric(["idle", worker], idle)
        yield family
        limit = GaugeMetricFamily("ecs_database_connections_limit", "How many a worker may hold.", labels=["worker"])
        limit.add_metric([worker], size)
        yield limit

    return collect


def memory_source(report: Callable[[], tuple[Usage, bool]], worker: str) -> Source:
    def collect() -> Iterator[Metric]:
        usage, _ = report()
        used = GaugeMetricFamily(
            "ecs_memory_used_ratio", "Share of the memory that a worker may use; 1 is all.", labels=["worker"]
        )
        used.add_metric([worker], usage.share)
        yield used

    return collect


def strain_source(gate: Gate, breaker: Breaker) -> Source:
    """Tells how much is in the works, waits and was turned away, and whether the database answers."""

    def collect() -> Iterator[Metric]:
        yield gauge("ecs_requests_running", "Requests in the works.", gate.running)
        yield gauge("ecs_requests_waiting", "Requests that wait for their turn.", gate.waiting)
        yield gauge("ecs_streams_open", "Sockets and streams of events that are open.", gate.streams)
        yield CounterMetricFamily("ecs_requests_shed", "Requests and sockets that were turned away.", value=gate.shed)
        yield gauge("ecs_database_circuit_open", "1 while the database does not answer, else 0.", breaker.is_open)
        opened, refused = "How often the database ceased to answer.", "Queries not sent, or given up, for that."
        yield CounterMetricFamily("ecs_database_circuit_opened", opened, value=breaker.opened)
        yield CounterMetricFamily("ecs_database_circuit_refused", refused, value=breaker.refused)

    return collect
