"""A short run of the whole load test against the real servers, and figures that must be right."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from deploy.bench.systems import PROJECT, run_system
from deploy.load import metrics
from deploy.load.figures import Figures, by_time, percentiles
from deploy.load.generator import OK, Answer, Arrivals, missing
from deploy.load.operations import CONTEXT, OPERATIONS, SOCIETY
from deploy.load.processes import API, family_behind
from deploy.load.report import report, tell
from deploy.load.run import measure
from deploy.load.society import prime, read_society
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.ingest.synthetic import seed_society
from schema.root import build_schema
from server.top import Sight, read
from tests.conftest import ROOT

needs_generator = pytest.mark.skipif(bool(missing()), reason=str(missing()))
COUNT = "RETURN COUNT { (:Memory) }, COUNT { (:Interaction) }"
AGENTS, MEMORIES = 30, 4


@needs_generator
async def test_a_short_run(servers: EmbeddedServers, database: Database, tmp_path: Path):
    await seed_society(database, agents=AGENTS, memories=MEMORIES, relationships=3, knowledge=0, max_agents=AGENTS)
    with run_system(PROJECT, servers, {}, tmp_path) as system:
        url = system.url.removesuffix("/graphql")
        persons = read_society(url, most=AGENTS)
        assert len({person.key for person in persons}) == AGENTS
        prime(url, persons[0])
        ((memories, interactions),) = await database.read("count", COUNT)
        assert memories > AGENTS * MEMORIES
        result = measure(url, persons, Arrivals(requests=120, rate=30), family_behind(url), warm_up=1.0)
    figures, watch = result.figures, result.watch
    assert (figures.count, figures.errors, figures.early_errors, figures.said) == (120, {}, 0, {})
    for tally in figures.operations.values():
        # Of the 60 of each operation those of the first second are not counted.
        assert len(tally.latencies) == 45
        p50, p95, p99 = percentiles(tally.latencies)
        assert 0 < p50 <= p95 <= p99 < 30
    assert await database.read("count", COUNT) == [[memories + 60, interactions + 60]]
    assert watch.peak(API) > 50e6
    assert watch.cpu(API) > 0

    page = io.StringIO()
    plot = tmp_path / "plots" / "load.png"
    report(result, "A short run", plot, Console(file=page, width=120))
    assert re.search(r"all\W+90\b", page.getvalue()), "only what was measured is told"
    assert plot.read_bytes().startswith(b"\x89PNG\r\n")
    assert plot.stat().st_size > 20_000


@needs_generator
async def test_the_command_measures_a_server_that_runs(servers: EmbeddedServers, database: Database, tmp_path: Path):
    await seed_society(database, agents=5, memories=1, relationships=0, knowledge=0, max_agents=5)
    plot = tmp_path / "load.png"
    with run_system(PROJECT, servers, {}, tmp_path) as system:
        done = run("--url", system.url, "--minutes", "0.05", "--warm-up", "0", "--period", "1", "--plot", str(plot))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 agents, a turn every 1 s: 10 requests/s" in done.stdout
    assert plot.exists()


@needs_generator
def test_a_server_that_is_away_is_said_in_a_line(tmp_path: Path):
    done = run("--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "http://127.0.0.1:1 cannot be asked" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.load.run", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)


def test_what_fails_while_all_warms_up_is_told_apart():
    figures = Figures(since=1.0)
    for due, code in ((0.5, "TIMEOUT"), (0.5, OK), (1.5, "TIMEOUT"), (1.5, OK), (1.6, "HTTP_503")):
        figures.add(Answer(CONTEXT, due=due, sent_late=0.0, latency=due, code=code, message="said"))
    assert (figures.count, figures.early_errors, figures.errors) == (5, 1, {"TIMEOUT": 1, "HTTP_503": 1})
    assert figures.all_latencies() == [1.5, 1.5, 1.6]
    assert by_time(figures.operations["context"], [1.0, 1.6]) == [[1.5, 1.5, 1.5], [1.6, 1.6, 1.6]]


@given(st.lists(st.floats(0, 100), min_size=1), st.lists(st.floats(0.01, 1), min_size=1))
def test_percentiles_are_the_least_values_that_a_share_does_not_exceed(values: list[float], shares: list[float]):
    for share, found in zip(shares, percentiles(values, shares), strict=True):
        below, at_most = sum(each < found for each in values), sum(each <= found for each in values)
        assert found in values
        assert below / len(values) < share or below == 0
        assert at_most / len(values) >= share * (1 - 1e-9)


def test_what_the_server_did_is_told_of_what_was_asked_between_two_readings():
    assert metrics.between((100, 100, 7, 10, 1.0), (190, 110, 107, 30, 1.5)) == (0.9, 0.5, 20, 0.025)
    assert metrics.between((1, 1, 1, 1, 1), (1, 1, 1, 1, 1)) == (None, None, 0, None)
    assert metrics.between(None, (1, 1, 1, 1, 1)) is None
    cache, database = tell(metrics.Told(0.9, 0.5, 1234, 0.025)).splitlines()
    assert cache.startswith("Cache hits: 90.0% of the rows")
    assert database == "The database: 1,234 queries and transactions, 25.0 ms each on average."
    assert "not told" in tell(None)
    told = '# TYPE ecs_cache_hits_total counter\necs_cache_hits_total{tier="local"} 3.0\necs_cache_hits_total 4.0\n'
    assert sorted(read(told)["ecs_cache_hits_total"].values()) == [3.0, 4.0]
    assert Sight(0.0, read(told)).total("ecs_cache_hits_total") == 7.0


@pytest.mark.parametrize("document", [SOCIETY, *(each.document for each in OPERATIONS)])
def test_what_agents_ask_is_in_the_schema(document: str):
    assert validate(build_schema()._schema, parse(document)) == []


def test_the_locustfile_is_a_program_over_the_same_operations():
    file = ROOT / "deploy" / "load" / "locustfile.py"
    program = compile(file.read_text("utf-8"), str(file), "exec")
    try:
        import locust  # pyright: ignore
    except ImportError:
        assert {"draw", "persons_of", "OPERATIONS", "SOCIETY"} <= set(program.co_names)
    else:
        names: dict = {}
        exec(program, names)
        assert issubclass(names["SimulatedAgent"], locust.HttpUser)
