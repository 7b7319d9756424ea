"""Who owns a data directory: one process at a time, for as long as it lives."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from graph.embedded.errors import EmbeddedError, unusable

RUN = "run.json"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What another process needs to connect.

    One password, in `password_file`, opens both servers; no URL here contains it.
    """

    database_url: str
    database_user: str
    password_file: Path
    redis_url: str | None
    pid: int
    api_url: str | None = None

    def read_password(self) -> str:
        """Read the password of both servers."""
        try:
            return self.password_file.read_text("utf-8").strip()
        except OSError as error:
            raise unusable(self.password_file, error) from error

    def redis_url_with(self, password: str) -> str | None:
        """The Redis URL as a client wants it; keep it in memory, out of files, logs and command lines."""
        return self.redis_url and self.redis_url.replace("redis://", f"redis://:{password}@", 1)


class AlreadyRunning(EmbeddedError):
    """Another process owns the data directory; `addresses` say where its servers are."""

    def __init__(self, data_dir: Path, addresses: Addresses | None) -> None:
        self.addresses = addresses
        if addresses is None:
            super().__init__(
                f"{data_dir} is in use by a process that is still starting: "
                "wait until it is ready, stop it, or choose another data directory."
            )
            return
        api = f", API at {addresses.api_url}" if addresses.api_url else ""
        super().__init__(
            f"{data_dir} is in use by process {addresses.pid} (Neo4j at {addresses.database_url}{api}): "
            "connect to that one, stop it, or choose another data directory."
        )


class Ownership:
    """The lock on a data directory, which the system lets go when this process ends, however it ends."""

    def __init__(self, data_dir: Path, lock: IO[str]) -> None:
        self._data_dir = data_dir
        self._lock = lock

    @classmethod
    def take(cls, data_dir: Path) -> "Ownership":
        """Own `data_dir`, made if need be; raises AlreadyRunning when another process does."""
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (data_dir / "lock").open("a", encoding="utf-8")
        except OSError as error:
            raise unusable(data_dir, error) from error
        if not _try_lock(lock):
            lock.close()
            raise AlreadyRunning(data_dir, _read_run(data_dir))
        # Whatever is told there was told by an owner that is gone.
        (data_dir / RUN).unlink(missing_ok=True)
        return cls(data_dir, lock)

    def publish(self, addresses: Addresses) -> None:
        """Tell other processes where the servers are."""
        write_secret(self._data_dir / RUN, json.dumps(asdict(addresses), default=str, indent=2) + "\n")

    def release(self) -> None:
        """Let others own the data directory."""
        (self._data_dir / RUN).unlink(missing_ok=True)
        self._lock.close()


def find_running(data_dir: Path) -> Addresses | None:
    """Say where the servers of a data directory are, if a live process owns it and they are ready."""
    try:
        with (data_dir / "lock").open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
    except BlockingIOError:
        return _read_run(data_dir)
    except OSError:
        return None


def _try_lock(lock: IO[str]) -> bool:
    # Whoever looks whether an owner lives holds the lock for a moment, so one refusal proves nothing.
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _read_run(data_dir: Path) -> Addresses | None:
    try:
        stored: dict[str, Any] = json.loads((data_dir / RUN).read_bytes())
        known = {field.name: stored[field.name] for field in fields(Addresses)}
        known["password_file"] = Path(stored["password_file"])
        return Addresses(**known)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, at once or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
