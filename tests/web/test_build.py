"""Building the pages: only when something changed, and with one clear line when it cannot be done."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """The module web/build.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("web_build", ROOT / "web" / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the build reads, in a project of its own that has nothing installed."""
    shutil.copytree(ROOT / "web", tmp_path / "web", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    shutil.copy(ROOT / "requirements-web.txt", tmp_path)
    return tmp_path


def run_build(
    project: Path, python: str | Path = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs the build as make does."""
    command = [python, project / "web" / "build.py"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_every_source_and_its_name_count_for_the_fingerprint(build: ModuleType, copy: Path) -> None:
    web = copy / "web"
    seen = {build.fingerprint(web)}
    for source in (web / "graphiql" / "main.tsx", web / "package-lock.json"):
        source.write_text(source.read_text() + "\n")
        seen.add(build.fingerprint(web))
    (web / "graphiql" / "main.css").rename(web / "graphiql" / "page.css")
    seen.add(build.fingerprint(web))
    assert len(seen) == 4


def test_installed_packages_do_not_count_for_the_fingerprint(build: ModuleType, copy: Path) -> None:
    before = build.fingerprint(copy / "web")
    (copy / "web" / "node_modules").mkdir()
    (copy / "web" / "node_modules" / "react.js").touch()
    assert build.fingerprint(copy / "web") == before


@pytest.mark.usefixtures("built_pages")
def test_pages_that_are_up_to_date_cost_nothing_and_need_no_node() -> None:
    started = time.perf_counter()
    done = run_build(ROOT, PATH="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # 60 ms on two idle cores; a build takes 25 s.
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.4", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.0.1", True),
        ("", False),
    ],
)
def test_only_a_node_that_vite_runs_on_is_used(build: ModuleType, version: str, enough: bool) -> None:
    assert build.is_new_enough(version) is enough


def test_without_node_and_without_pip_one_line_says_so(copy: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", copy / "venv"], check=True)
    done = run_build(copy, copy / "venv" / "bin" / "python", PATH="")
    reason = "Node.js 20.19 or newer with npm was not found, and installing PyPI's failed (exit code 1)"
    assert done.returncode == 1
    assert done.stderr.startswith(f"The web pages were not built: {reason}. Details: ")
    assert done.stderr.count("\n") == 1
    failure = (copy / "server" / "static" / "failure.txt").read_text()
    assert failure.startswith(f"{reason}\n")
    assert "No module named pip" in failure


def test_a_missing_lock_file_is_one_line_and_is_tried_again(copy: Path) -> None:
    (copy / "web" / "package-lock.json").unlink()
    for _ in range(2):
        done = run_build(copy)
        assert done.returncode == 1
        assert "npm ci failed (exit code 1)" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (copy / "server" / "static" / ".stamp").exists()
