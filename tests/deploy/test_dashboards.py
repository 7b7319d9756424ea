"""The dashboard and the alerts: a real Prometheus parses all of it, and finds what it asks for in a real server."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from graph.embedded.servers import EmbeddedServers
from tests.conftest import ROOT
from tests.server.test_serve import ECS, free_port, served

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "ecs.json"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
READ = "query Read { agents(first: 5) { nodes { name memories(first: 1) { nodes { id } } } } }"
WRITE = 'mutation Write($key: String!) { createAgents(input: {agents: [{key: $key, name: "A"}]}) { agents { id } } }'


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program} (Debian's package prometheus)")


def expressions() -> list[tuple[str, str]]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "30s").replace("$instance", ".*"))
        for panel in panels
        for target in panel["targets"]
    ]


def test_every_alert_fires_when_it_should_and_not_before():
    needs("promtool")
    done = subprocess.run(
        ["promtool", "test", "rules", "rules_test.yml"],
        cwd=ROOT / "tests" / "deploy" / "data",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_unit_test():
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((ROOT / "tests" / "deploy" / "data" / "rules_test.yml").read_text())["tests"]
    named = {test["name"] for test in tests}
    assert {f"{rule['alert']} {what}" for rule in rules for what in ("fires", "is quiet")} == named


def test_the_scrape_configuration_is_one(tmp_path: Path):
    needs("promtool")
    config = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def prometheus(home: Path, target: str) -> Iterator[httpx.Client]:
    """A real Prometheus that collects from a target each second, with the rules of this project."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "ecs", "static_configs": [{"targets": [target]}]}],
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def query(client: httpx.Client, expression: str) -> list[Any]:
    answer = client.get("/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    return answer["data"]["result"]


def drive(url: str, client: httpx.Client) -> None:
    """Asks, writes and errs until Prometheus has seen it a few times."""
    give_up = time.monotonic() + 60
    number = 0
    while time.monotonic() < give_up:
        number += 1
        for request in ({"query": READ}, {"query": "{ nonsense }"}, {"query": "{ __schema { queryType { name } } }"}):
            httpx.post(f"{url}/graphql", json=request)
        httpx.post(f"{url}/graphql", json={"query": WRITE, "variables": {"key": f"watched-{number}"}})
        try:
            if query(client, "min_over_time(up[10s]) == 1 and count_over_time(up[10s]) >= 8"):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("Prometheus never collected from the server")


def test_prometheus_finds_what_every_panel_asks_for(servers: EmbeddedServers, tmp_path: Path):
    needs("prometheus")
    given = {
        "database_url": servers.addresses.database_url,
        "database_password": servers.password,
        "redis_url": servers.redis_url,
        "workers": 2,
        "metrics_port": (port := free_port()),
    }
    with (
        served(tmp_path / "data", **given) as (process, url),
        prometheus(tmp_path, f"127.0.0.1:{port}") as client,
        subscriber(url),
    ):
        drive(url, client)
        assert [title for title, expression in expressions() if not query(client, expression)] == []
        assert [each["value"][1] for each in query(client, "ecs_workers")] == ["2"]
        rules = client.get("/rules").json()["data"]["groups"][0]["rules"]
        assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
        assert httpx.get(f"{url}/metrics").status_code == 404
        command = [*ECS, "top", "--json", "--url", f"http://127.0.0.1:{port}"]
        seen = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True).stdout)
        assert seen["workers"] == 2
        process.terminate()
        process.wait(30)


@contextmanager
def subscriber(url: str) -> Iterator[None]:
    headers = {"Accept": "text/event-stream"}
    query = {"query": "subscription { societyEvents { kind } }"}
    with httpx.stream("POST", f"{url}/graphql", json=query, headers=headers, timeout=60) as response:
        assert response.status_code == 200
        yield


def test_ecs_top_says_in_a_line_that_nothing_answers():
    command = [*ECS, "top", "--once", "--url", f"http://127.0.0.1:{free_port()}"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.returncode == 1
    assert "Nothing answers" in done.stderr
    assert "Traceback" not in done.stderr
