"""What several workers counted is one answer."""

import os
from collections.abc import Iterator
from pathlib import Path

import orjson
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.scrape import Shared, Together

DEAD = 2**22 + 1


class Two(Collector):
    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("ecs_done", "Done.", value=2)
        yield GaugeMetricFamily("ecs_held", "Held.", value=5)


def values(directory: Path) -> dict[str, float]:
    return {sample.name: sample.value for family in Together(directory).collect() for sample in family.samples}


def test_workers_are_summed_and_of_the_dead_only_what_was_counted_stays(tmp_path: Path):
    Shared(Two(), tmp_path).write()
    assert values(tmp_path) == {"ecs_done_total": 2, "ecs_held": 5}
    (ours,) = tmp_path.glob(f"{os.getpid()}-*.json")
    (tmp_path / f"{DEAD}-1.json").write_bytes(ours.read_bytes())
    assert values(tmp_path) == {"ecs_done_total": 4, "ecs_held": 5}


def test_a_broken_file_is_passed_over(tmp_path: Path):
    Shared(Two(), tmp_path).write()
    (tmp_path / f"{DEAD}-1.json").write_bytes(orjson.dumps([1])[:-1])
    assert values(tmp_path) == {"ecs_done_total": 2, "ecs_held": 5}


def test_nothing_is_written_once_the_directory_is_gone(tmp_path: Path):
    Shared(Two(), tmp_path / "gone").write()
