"""`ecs top`: what is told of a server between two looks, and what is said when there is none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner

from graph.embedded.ports import find_free_port
from server.cli import app
from server.metrics import Metrics
from server.top import Sight, TopError, compare, look, quantile, read


def sight(metrics: Metrics, at: float) -> Sight:
    registry = CollectorRegistry()
    registry.register(metrics)
    return Sight(at, read(generate_latest(registry).decode()))


def test_rates_and_times_are_those_between_two_looks():
    metrics = Metrics()
    for _ in range(50):
        metrics.operation("Profile", "query", known=True).add(5.0)
    before = sight(metrics, 10.0)
    for _ in range(20):
        metrics.operation("Profile", "query", known=True).add(0.010)
        metrics.query("agents", 0.002)
    metrics.operation("Feed", "query", known=True).add(0.100)
    metrics.errors["TIMEOUT", "query"] += 3
    report = compare(before, sight(metrics, 12.0))
    assert report.rate == pytest.approx(10.5)
    assert [each.name for each in report.operations] == ["Profile", "Feed"]
    profile = report.operations[0]
    assert profile.rate == pytest.approx(10)
    assert profile.mean == pytest.approx(0.010)
    assert profile.p95 is not None
    assert profile.p95 < 0.1, "what took long was before"
    assert [(each.name, each.mean) for each in report.queries] == [("agents", pytest.approx(0.002))]
    assert report.errors == {"TIMEOUT": 3}
    assert report.workers == 1


def test_a_server_that_was_started_anew_counts_from_zero():
    old, new = Metrics(), Metrics()
    for _ in range(100):
        old.operation("Profile", "query", known=True).add(0.01)
    for _ in range(6):
        new.operation("Profile", "query", known=True).add(0.01)
    assert compare(sight(old, 0.0), sight(new, 2.0)).rate == pytest.approx(3)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_that_holds_it(counts: list[int], share: float):
    bounds = [2.0**at for at in range(len(counts))] + [math.inf]
    upto = [sum(counts[: at + 1]) for at in range(len(counts))]
    buckets = list(zip(bounds, [*upto, upto[-1]], strict=True))
    found = quantile(share, [(bound, float(count)) for bound, count in buckets])
    if not upto[-1]:
        assert found is None
        return
    place = next(at for at, count in enumerate(upto) if count >= share * upto[-1])
    assert found is not None
    assert (bounds[place - 1] if place else 0.0) <= found <= bounds[place]


@pytest.mark.parametrize(
    "url", ["localhost:8000", "http://host:port", "http://host:99999", "ftp://host", "http://[::1"]
)
def test_what_is_no_address_is_told(url: str):
    with pytest.raises(TopError, match="must be like"):
        look(url, None)


def test_where_nothing_answers_one_line_says_so():
    found = CliRunner().invoke(app, ["top", "--once", "--url", f"http://127.0.0.1:{find_free_port()}"])
    assert found.exit_code == 1
    assert "Traceback" not in found.output
