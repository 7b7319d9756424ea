"""`ecs serve` as a process: it starts everything, says where it is, and leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import httpx
import psutil
import pytest
from platformdirs import user_cache_path

from tests.readiness import wait_until_ready

ECS = [str(Path(sys.executable).with_name("ecs"))]
PROFILE = "{ agents(first: 1) { totalCount nodes { name memories(first: 1) { nodes { content } } } } }"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def environment(data_dir: Path, **settings: object) -> dict[str, str]:
    """A fresh environment: what the system needs and these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ECS_")}
    cache = os.environ.get("ECS_CACHE_DIR", str(user_cache_path("ecs")))
    given = {f"ECS_{name.upper()}": str(value) for name, value in settings.items()}
    return kept | {"ECS_DATA_DIR": str(data_dir), "ECS_CACHE_DIR": cache} | given


def run(data_dir: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ECS, *arguments],
        env=environment(data_dir, **settings),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@contextmanager
def served(data_dir: Path, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `ecs serve` and the address of its API; ended hard if the test did not end it."""
    port = free_port()
    log = data_dir.with_name(f"{data_dir.name}.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*ECS, "serve"], env=environment(data_dir, port=port, **settings), stdout=output, stderr=output, text=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, url, log)
        yield process, url
    finally:
        process.kill()
        process.wait(10)


def ask(url: str, query: str = PROFILE) -> dict:
    return httpx.post(f"{url}/graphql", json={"query": query}).json()["data"]


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_the_life_of_a_server(tmp_path: Path):
    """One start for all that concerns a single run, because each start takes seconds."""
    data = tmp_path / "a society's däta"
    with served(data) as (process, url):
        found = ask(url)["agents"]
        assert found["totalCount"] > 0, "the first start shows a demonstration"
        assert found["nodes"][0]["memories"]["nodes"]

        doctor = run(data, "doctor", "--json")
        diagnosis = json.loads(doctor.stdout)
        assert doctor.returncode == 0, doctor.stdout
        assert diagnosis["addresses"]["api"] == url
        assert diagnosis["addresses"]["bolt"].startswith("bolt://127.0.0.1:")
        password = Path(diagnosis["addresses"]["password_file"])
        assert password.stat().st_mode & 0o777 == 0o600
        assert password.read_text().strip() not in doctor.stdout + doctor.stderr

        seeded = run(data, "seed", "--agents", "5", "--memories", "2", "--relationships", "1", "--knowledge", "1")
        assert seeded.returncode == 0, seeded.stderr
        total = ask(url)["agents"]["totalCount"]
        assert total == found["totalCount"] + 5

        second = run(data, "serve", port=free_port())
        assert second.returncode == 1
        assert re.fullmatch(rf"error: .*in use by process {process.pid} .*{url}.*\n", second.stderr)

        listening = {each.laddr.ip for child in family(process) for each in child.net_connections() if not each.raddr}
        assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}

        children = family(process)
        assert len(children) >= 2
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 10
        assert not psutil.wait_procs(children, timeout=1)[1]

    with served(data) as (process, url):
        assert ask(url)["agents"]["totalCount"] == total, "data survive, and the demonstration does not come twice"
        children = family(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert not psutil.wait_procs(children, timeout=1)[1]


def test_a_killed_server_is_followed_by_another(tmp_path: Path):
    with served(tmp_path, demo=0) as (process, url):
        assert ask(url)["agents"]["totalCount"] == 0, "ECS_DEMO=0 leaves the database empty"
        children = family(process)
        process.kill()
        process.wait(10)
        assert not psutil.wait_procs(children, timeout=10)[1], "no orphan stays"
    with served(tmp_path, demo=0) as (_, url):
        assert ask(url)["agents"]["totalCount"] == 0


def test_several_workers_serve_a_database_that_is_given(tmp_path: Path, servers, database):
    url = servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@")
    with served(tmp_path, database_url=url, redis_url=servers.redis_url, workers=2) as (process, api):
        assert ask(api)["agents"]["totalCount"] == 0, "a given database gets no demonstration"
        assert httpx.get(f"{api}/health").json()["components"]["redis"]["status"] == "healthy"
        assert not (tmp_path / "neo4j").exists(), "nothing embedded is started"
        workers = family(process)
        assert len([each for each in workers if "spawn_main" in " ".join(each.cmdline())]) == 2
        process.kill()
        process.wait(10)
        assert not psutil.wait_procs(workers, timeout=10)[1], "workers end with the process that started them"


def test_scarce_memory_is_logged_once_and_told_by_health(tmp_path: Path, servers, database):
    url = servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@")
    log = tmp_path.with_name(f"{tmp_path.name}.log")
    with served(tmp_path, database_url=url, redis_url=servers.redis_url, workers=1, memory_limit=100_000_000) as (
        _,
        api,
    ):
        give_up = time.monotonic() + 30
        while "memory is scarce" not in log.read_text() and time.monotonic() < give_up:
            time.sleep(0.2)
        report = httpx.get(f"{api}/health")
        assert report.status_code == 200
        assert report.json()["status"] == "degraded"
        assert report.json()["components"]["memory"]["status"] == "warning"
        assert httpx.get(f"{api}/health/ready").json()["status"] == "ready", "no balancer should turn away"
        time.sleep(6)
        assert log.read_text().count("memory is scarce") == 1


SUBSCRIPTION = {"query": "subscription { societyEvents { kind subject { id } } }"}
CREATE = 'mutation { createAgents(input: {agents: [{key: "%s", name: "A"}]}) { agents { id } } }'


@pytest.mark.parametrize("workers", [1, 2])
def test_events_reach_subscribers_of_every_worker_until_the_server_stops(
    tmp_path: Path, servers, database, workers: int
):
    url = servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@")
    with served(tmp_path, database_url=url, redis_url=servers.redis_url, workers=workers) as (process, api):
        with ExitStack() as open_streams:
            accept = {"Accept": "text/event-stream"}
            streams = [httpx.stream("POST", f"{api}/graphql", json=SUBSCRIPTION, headers=accept) for _ in range(6)]
            streams = [open_streams.enter_context(stream).iter_lines() for stream in streams]
            time.sleep(1)
            made = [ask(api, CREATE % f"agent_{at}")["createAgents"]["agents"][0]["id"] for at in range(10)]
            for lines in streams:
                told = [json.loads(line[6:]) for line in islice((line for line in lines if line[:6] == "data: "), 10)]
                assert [each["data"]["societyEvents"]["subject"]["id"] for each in told] == made
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            for lines in streams:
                rest = list(lines)
                assert [line for line in rest if line.startswith("event: ")][-1] == "event: complete"
                assert any("The server is stopping" in line for line in rest)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5, "nobody waited for open subscriptions"
    assert "Traceback" not in tmp_path.with_name(f"{tmp_path.name}.log").read_text()


def test_a_taken_port_is_said_at_once(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run(tmp_path, "serve", port=port)
    assert result.returncode == 1
    assert result.stderr == (
        f"error: Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Stop what uses the port, or set ECS_PORT (or ECS_HOST) to another.\n"
    )


def test_wrong_settings_end_every_command_with_a_line_each(tmp_path: Path):
    result = run(tmp_path, "doctor", port="http", workers=0)
    assert result.returncode == 1
    assert [line.split(":")[:2] for line in result.stderr.splitlines()] == [
        ["error", " ECS_PORT"],
        ["error", " ECS_WORKERS"],
    ]


def test_a_database_that_is_away_is_said_in_a_line(tmp_path: Path):
    url = f"bolt://neo4j:hunter2@127.0.0.1:{free_port()}"
    result = run(tmp_path, "migrate", database_url=url)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: The database cannot be reached")
    assert "hunter2" not in result.stdout + result.stderr


def test_a_file_in_place_of_the_data_directory_is_said_in_a_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file", "serve", port=free_port())
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in result.stderr


def test_the_schema_is_printed():
    result = subprocess.run([*ECS, "schema"], capture_output=True, text=True, timeout=60, check=True)
    assert "type Agent implements Node" in result.stdout
