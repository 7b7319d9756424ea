"""Histograms of plain numbers are those of Prometheus' own client."""

import random

from prometheus_client import CollectorRegistry, Histogram

from server.tally import SECONDS, Tally


def test_a_tally_is_what_prometheus_client_counts():
    values = [*(random.Random(1).expovariate(10) for _ in range(500)), *SECONDS, 1000.0]
    tally, registry = Tally(), CollectorRegistry()
    theirs = Histogram("x_seconds", "x", buckets=SECONDS, registry=registry)
    for value in values:
        tally.add(value)
        theirs.observe(value)
    (family,) = registry.collect()
    buckets = [(each.labels["le"], each.value) for each in family.samples if each.name.endswith("_bucket")]
    assert tally.buckets() == buckets
    assert tally.sum == sum(values)
