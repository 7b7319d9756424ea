"""Real servers for the tests of how they are started: one shared pair, and the fetched files of all."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from graph.embedded.jars import fetch_distribution
from graph.embedded.servers import EmbeddedServers


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The cache that is in use on this machine, filled at the first run."""
    folder = Path(os.environ.get("ECS_CACHE_DIR") or user_cache_path("ecs"))
    fetch_distribution(folder, print)
    return folder


@pytest.fixture(scope="session")
def own_cache(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the cache that tests may damage."""
    copy = tmp_path_factory.mktemp("cache")
    shutil.copytree(cache_dir / "jars", copy / "jars")
    shutil.copy2(cache_dir / "jars.json", copy)
    return copy


@pytest.fixture(scope="session")
def servers(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Servers in a place whose path has a space and accents, started despite hostile Java settings."""
    data_dir = tmp_path_factory.mktemp("dätä dir")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", "/nowhere")
        for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"):
            patch.setenv(name, "-Xmx1m")
        patch.setenv("LC_ALL", "C")
        started = EmbeddedServers.start(data_dir, cache_dir=cache_dir, progress=print)
    with started:
        yield started
