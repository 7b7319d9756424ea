"""What the process counts, in Prometheus' format."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from resolvers.cache import Cache
from schema.planned import Planner


class CacheCollector(Collector):
    """Answers by where they came from, and what this process holds."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        counts, near = self._cache.counts, self._cache.near
        hits = CounterMetricFamily("ecs_cache_hits", "Answers found in the cache, by tier.", labels=["tier"])
        hits.add_metric(["near"], counts.near)
        hits.add_metric(["far"], counts.far)
        yield hits
        yield CounterMetricFamily("ecs_cache_misses", "Answers looked for in the cache in vain.", value=counts.missed)
        yield CounterMetricFamily("ecs_cache_passed", "Answers that no cache was asked for.", value=counts.passed)
        yield GaugeMetricFamily("ecs_cache_near_entries", "Answers held in the process.", value=len(near))
        yield GaugeMetricFamily("ecs_cache_near_bytes", "About how much memory they take.", value=near.size)


class PlannerCollector(Collector):
    """Operations that were left to graphql-core, by the reason."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def collect(self) -> Iterator[Metric]:
        found = CounterMetricFamily(
            "ecs_executor_fallbacks", "Operations that graphql-core executed instead of a plan.", labels=["reason"]
        )
        for reason, count in self._planner.fallbacks.items():
            found.add_metric([reason], count)
        yield found


class Metrics:
    """Answers with what its collectors count in this process."""

    def __init__(self, *collectors: Collector) -> None:
        self._registry = CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)

    async def answer(self, request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": kind})
