"""The fetched files: whole or fetched again, by one process at a time, from a real HTTP server."""

import functools
import http.server
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.embedded.errors import EmbeddedError
from graph.embedded.jars import Jar, fetch_distribution, read_lock

FETCH = """
import sys
from pathlib import Path
from graph.embedded.jars import fetch_distribution
fetch_distribution(Path(sys.argv[1]), print, repository=sys.argv[2])
"""


class Repository(http.server.ThreadingHTTPServer):
    """A Maven repository on the loopback; cuts the first `cut` jars that it sends."""

    cut = 0

    def __init__(self, root: Path) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Repository)
        if self.path.endswith(".jar"):
            self.server.asked.append(self.path.lstrip("/"))
            if self.server.cut:
                self.server.cut -= 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"PK half a jar")
                return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def repository(cache_dir: Path) -> Iterator[Repository]:
    with Repository(cache_dir / "jars") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def jar() -> Jar:
    return next(jar for jar in read_lock() if jar.artifact == "neo4j")


def test_a_truncated_jar_is_noticed_and_fetched_again(own_cache: Path, repository: Repository, jar: Jar) -> None:
    path = own_cache / "jars" / jar.path
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    fetch_distribution(own_cache, print, repository=repository.url)
    assert path.read_bytes() == whole
    assert repository.asked == [jar.path]
    assert not (own_cache / "incoming").exists()
    fetch_distribution(own_cache, print, repository=repository.url)
    assert len(repository.asked) == 1, "what is whole is not asked for again"


def test_a_jar_that_arrives_cut_is_asked_for_once_more(own_cache: Path, repository: Repository, jar: Jar) -> None:
    path = own_cache / "jars" / jar.path
    whole = path.read_bytes()
    path.unlink()
    repository.cut = 1
    fetch_distribution(own_cache, print, repository=repository.url)
    assert path.read_bytes() == whole
    assert len(repository.asked) == 2


def test_a_jar_that_never_arrives_whole_is_reported(own_cache: Path, repository: Repository, jar: Jar) -> None:
    path = own_cache / "jars" / jar.path
    path.unlink()
    repository.cut = 2
    with pytest.raises(EmbeddedError, match=f"could not be fetched .{jar}: what arrived is not") as failure:
        fetch_distribution(own_cache, print, repository=repository.url)
    assert "\n" not in str(failure.value)
    assert not path.exists(), "nothing damaged is put in place"
    fetch_distribution(own_cache, print, repository=repository.url)
    assert path.exists()


def test_without_a_connection_the_line_says_how_to_go_on(own_cache: Path, cache_dir: Path, jar: Jar) -> None:
    path = own_cache / "jars" / jar.path
    path.unlink()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(EmbeddedError) as failure:
            fetch_distribution(own_cache, print, repository=url)
    message = str(failure.value)
    assert f"({jar}: no connection to the repository)" in message
    assert f"copy {own_cache}" in message
    assert "\n" not in message
    shutil.copy2(cache_dir / "jars" / jar.path, path)


def test_two_first_starts_at_once_fetch_every_jar_once(own_cache: Path, repository: Repository) -> None:
    gone = read_lock()[:12]
    for jar in gone:
        (own_cache / "jars" / jar.path).unlink()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, str(own_cache), repository.url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    lines = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert any("Fetching Neo4j: 12 of 12 files" in text for text in lines)
    assert sorted(repository.asked) == sorted(jar.path for jar in gone)
    assert all((own_cache / "jars" / jar.path).exists() for jar in gone)
