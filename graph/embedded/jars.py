"""The jars of Neo4j and OpenGDS: pinned by a lock file, fetched once, shared by all data directories."""

import fcntl
import hashlib
import json
import shutil
import time
import tomllib
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.embedded.errors import EmbeddedError, unusable

LOCK_FILE = Path(__file__).with_name("neo4j-2026.08.1-gds-2.26.0.lock.toml")
THREADS = 4
TIMEOUT = 30  # seconds for one answer of the repository

Progress = Callable[[str], None]
Stamp = dict[str, list[int]]


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One pinned jar; `path` is relative to the directory of all jars."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def path(self) -> str:
        suffix = f"-{self.classifier}" if self.classifier else ""
        folder = "/".join([*self.group.split("."), self.artifact, self.version])
        return f"{folder}/{self.artifact}-{self.version}{suffix}.jar"

    @property
    def is_plugin(self) -> bool:
        """Whether Neo4j must also find it among its plugins to offer its procedures."""
        return self.group == "org.neo4j.gds"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """All jars, whole and in place."""

    root: Path
    jars: list[Jar]

    @property
    def class_path(self) -> list[Path]:
        return [self.root / jar.path for jar in self.jars]

    @property
    def plugins(self) -> list[Path]:
        return [self.root / jar.path for jar in self.jars if jar.is_plugin]


def read_lock() -> list[Jar]:
    """List the pinned jars, in the order of the class path."""
    entries: list[dict[str, Any]] = tomllib.loads(LOCK_FILE.read_text("utf-8"))["dependencies"]
    return [
        Jar(
            group=entry["groupId"],
            artifact=entry["artifactId"],
            version=entry["version"],
            classifier=entry.get("classifier", ""),
            sha256=entry["sha256"],
        )
        for entry in entries
    ]


def fetch_distribution(cache_dir: Path, progress: Progress, *, repository: str = "") -> Distribution:
    """Make every jar present and whole, fetching what is not.

    `repository` is the URL of a Maven repository; without it the public one is used. Jars seen
    before cost one `stat` each: only those whose size or time changed are hashed again.
    Raises EmbeddedError when a jar can't be fetched or arrives damaged twice.
    """
    jars, root = read_lock(), cache_dir / "jars"
    distribution = Distribution(root=root, jars=jars)
    try:
        if not _suspects(root, jars, _read_stamp(cache_dir)):
            return distribution
        root.mkdir(parents=True, exist_ok=True)
        with _exclusive(cache_dir / "jars.lock", progress):
            # Another process may have fetched everything while this one waited.
            suspects = _suspects(root, jars, _read_stamp(cache_dir))
            missing = [jar for jar in suspects if not _is_whole(root / jar.path, jar)]
            _fetch_all(cache_dir, missing, repository, progress)
            shutil.rmtree(cache_dir / "incoming", ignore_errors=True)
            _write_stamp(cache_dir, {jar.path: _signature(root / jar.path) for jar in jars})
    except OSError as error:
        raise unusable(cache_dir, error) from error
    return distribution


@contextmanager
def _exclusive(path: Path, progress: Progress) -> Generator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another process that fetches Neo4j")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _signature(path: Path) -> list[int]:
    stat = path.stat()
    # Whole seconds, because images and archives keep no more.
    return [stat.st_size, int(stat.st_mtime)]


def _suspects(root: Path, jars: list[Jar], stamp: Stamp) -> list[Jar]:
    def is_known(jar: Jar) -> bool:
        try:
            return stamp.get(jar.path) == _signature(root / jar.path)
        except FileNotFoundError:
            return False

    return [jar for jar in jars if not is_known(jar)]


def _read_stamp(cache_dir: Path) -> Stamp:
    try:
        return json.loads((cache_dir / "jars.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def _write_stamp(cache_dir: Path, stamp: Stamp) -> None:
    fresh = cache_dir / "jars.json.new"
    fresh.write_text(json.dumps(stamp), "utf-8")
    fresh.replace(cache_dir / "jars.json")


def _is_whole(path: Path, jar: Jar) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def _fetch_all(cache_dir: Path, jars: list[Jar], repository: str, progress: Progress) -> None:
    if not jars:
        return
    size, told = 0, 0.0
    with ThreadPoolExecutor(THREADS, "fetch-jar") as pool:
        try:
            waiting = [pool.submit(_fetch, cache_dir, jar, repository) for jar in jars]
            for count, done in enumerate(as_completed(waiting), 1):
                size += done.result()
                if time.monotonic() - told >= 1 or count == len(jars):
                    told = time.monotonic()
                    progress(f"Fetching Neo4j: {count} of {len(jars)} files, {size / 1e6:.0f} MB")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(cache_dir: Path, jar: Jar, repository: str) -> int:
    """Fetch one jar and move it into place once it is seen to be whole; returns its bytes."""
    reason = ""
    for _ in range(2):
        try:
            fetched = _download(cache_dir / "incoming", jar, repository)
        except (OSError, RuntimeError) as error:
            # requests' errors are OSErrors, and so is a full disk, which must be told as what it is.
            if getattr(error, "errno", None):
                raise
            reason = _shorten(error)
            continue
        if _is_whole(fetched, jar):
            target = cache_dir / "jars" / jar.path
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.replace(target)
            return target.stat().st_size
        reason = "what arrived is not what the lock file pins"
    raise EmbeddedError(
        f"Neo4j could not be fetched ({jar}: {reason}). Connect this machine to the internet and start "
        f"again, copy {cache_dir} from a machine that has it, or set a database URL of a running Neo4j."
    )


def _download(incoming: Path, jar: Jar, repository: str) -> Path:
    # Imported here because its 0.2 s are only worth paying when something is missing.
    from jgo.maven import MavenContext  # noqa: PLC0415

    # Written in place, so a killed download leaves a part that must not be taken for the whole.
    (incoming / jar.path).unlink(missing_ok=True)
    repositories = {"given": repository} if repository else None
    context = MavenContext(repo_cache=incoming, remote_repos=repositories, timeout=TIMEOUT)
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    return component.artifact(classifier=jar.classifier, packaging="jar").resolve()


def _shorten(error: Exception) -> str:
    if "ConnectionError" in type(error).__name__:
        return "no connection to the repository"
    if "Timeout" in type(error).__name__:
        return f"no answer from the repository in {TIMEOUT} s"
    return str(error).partition("\n")[0][:200]
