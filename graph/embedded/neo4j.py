"""The embedded Neo4j: its files, its start, and what to say when it doesn't start."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import neo4j
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from graph.embedded.errors import EmbeddedError
from graph.embedded.jars import Distribution
from graph.embedded.java import MAIN_CLASS, find_java, write_class_path
from graph.embedded.memory import MIB, Memory
from graph.embedded.ports import HOST, is_open
from graph.embedded.process import RECORD, Process
from graph.errors import STOPPED

USER = "neo4j"
HASH_ROUNDS = 1024
START_TIMEOUT = 180.0  # seconds; a loaded machine was seen to need 23
ANSWER_TIMEOUT = 5.0  # seconds

# What tells the reason of a failed start, the most telling first: Java's innermost exception, an
# error of Neo4j, the last line that is neither Neo4j's ("2026-…") nor the virtual machine's ("[0.1s]…").
CAUSES = (r"(No space left on device)", r"^Caused by: (.+)", r"^[-\d]+ \S+ ERROR (.+)", r"^([^\[#\s\d].*)")

# Without keep-alive messages the driver sets no timer for everything that it reads, which costs a quarter of its time;
# every query has a deadline of our own. Full-text indexes would be opened anew, and a segment written and merged, for
# each commit, and indexes be counted through each time that they have grown by a twentieth: both together took a
# sixth of the time of small writes.
SETTINGS = """\
server.default_listen_address={host}
server.bolt.listen_address={host}:{port}
server.bolt.advertised_address={host}:{port}
server.bolt.connection_keep_alive_for_requests=OFF
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=true
dbms.usage_report.enabled=false
dbms.fleet_manager.enabled=false
server.fleet_discovery.enabled=false
client.allow_telemetry=false
db.query.default_language=CYPHER_25
db.logs.query.enabled=OFF
dbms.security.allow_csv_import_from_file_urls=false
dbms.security.procedures.unrestricted=gds.*
server.memory.pagecache.size={page_cache}m
db.tx_log.rotation.retention_policy=keep_none
db.tx_log.rotation.size=16m
db.tx_log.preallocate=false
db.index.fulltext.eventually_consistent_refresh_interval=500ms
db.index_sampling.update_percentage=50
internal.dbms.bolt.netty_server_shutdown_quiet_period_duration=0s
"""


class Home:
    """A Neo4j home directory: conf, data, logs and plugins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "logs" / "neo4j.log"
        self.console = path / "logs" / "console.log"
        self.class_path = path / "conf" / "class-path"

    @property
    def is_new(self) -> bool:
        """Whether no database was ever started here."""
        return not (self.path / "data" / "databases").exists()

    def prepare(self, *, distribution: Distribution, port: int, memory: Memory, password: str) -> None:
        """Write all that Neo4j reads at its start; the password counts at the very first one only."""
        for folder in ("conf", "data/dbms", "logs", "plugins", "import"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        settings = SETTINGS.format(host=HOST, port=port, page_cache=memory.page_cache // MIB)
        (self.path / "conf" / "neo4j.conf").write_text(settings, "utf-8")
        write_class_path(self.class_path, distribution.class_path)
        self._link_plugins(distribution.plugins)
        if self.is_new:
            (self.path / "data" / "dbms" / "auth.ini").write_text(_hash(password), "ascii")

    def _link_plugins(self, jars: list[Path]) -> None:
        plugins = self.path / "plugins"
        for old in plugins.iterdir():
            old.unlink()
        for jar in jars:
            (plugins / jar.name).symlink_to(jar)

    def launch(self, options: list[str], *, niceness: int = 0) -> Process:
        """Start Neo4j here, without waiting for it."""
        if self.log.exists():
            # What stands in the log is then of this start alone, and so is the reason if it fails.
            self.log.replace(self.log.with_name("neo4j.previous.log"))
        command = [str(find_java()), *options, f"@{self.class_path}", MAIN_CLASS]
        return Process.spawn(
            [*command, f"--home-dir={self.path}", f"--config-dir={self.path / 'conf'}"],
            cwd=self.path,
            output=self.console,
            record=self.path / RECORD,
            niceness=niceness,
        )


def await_ready(process: Process, home: Home, *, port: int, password: str, timeout: float = START_TIMEOUT) -> None:
    """Wait until Neo4j answers a query; raises EmbeddedError when it ends first or takes too long."""
    _await(lambda: is_open(port), process, home, timeout)
    driver = connect(port, password)
    with driver:
        _await(lambda: _answers(driver, home), process, home, timeout)


def is_stuck(port: int, password: str) -> bool:
    """Says whether Neo4j runs and has given up, as it does when it could not write."""
    try:
        with (
            connect(port, password) as driver,
            driver.session(database="neo4j") as session,  # pyright: ignore[reportUnknownMemberType]
        ):
            session.run("RETURN 1").consume()
    except Neo4jError as error:
        return (error.code or "").startswith(STOPPED)
    except DriverError:
        return False
    return False


def connect(port: int, password: str) -> neo4j.Driver:
    return neo4j.GraphDatabase.driver(  # pyright: ignore[reportUnknownMemberType]
        f"bolt://{HOST}:{port}",
        auth=(USER, password),
        connection_acquisition_timeout=ANSWER_TIMEOUT,
        connection_timeout=ANSWER_TIMEOUT,
        notifications_min_severity="OFF",
        telemetry_disabled=True,
    )


def _await(happened: Callable[[], bool], process: Process, home: Home, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        if process.exit_code is not None:
            raise EmbeddedError(_explain(home, f"ended with code {process.exit_code}"))
        if time.monotonic() > deadline:
            raise EmbeddedError(_explain(home, f"did not answer within {timeout:.0f} s"))
        time.sleep(0.05)


def _answers(driver: neo4j.Driver, home: Home) -> bool:
    try:
        # A managed transaction would go on trying for half a minute, even after Neo4j's end.
        with driver.session(database="neo4j") as session:  # pyright: ignore[reportUnknownMemberType]
            session.run("RETURN 1").consume()
    except AuthError as error:
        raise EmbeddedError(
            f"Neo4j in {home.path} was created with another password than the one in "
            f"{home.path.parent / 'password'}: restore that file, or choose another data directory."
        ) from error
    except (DriverError, Neo4jError):
        return False
    return True


def _hash(password: str) -> str:
    salt = secrets.token_bytes(32)
    digest = hashlib.sha256(salt + password.encode()).digest()
    for _ in range(HASH_ROUNDS - 1):
        digest = hashlib.sha256(digest).digest()
    return f"{USER}:SHA-256,{digest.hex().upper()},{salt.hex().upper()},{HASH_ROUNDS}:"


def _explain(home: Home, what: str) -> str:
    logs = [file.read_text("utf-8", errors="replace") for file in (home.console, home.log) if file.exists()]
    cause = find_cause("\n".join(logs))
    if "FileLockException" in cause:
        cause = "another Neo4j uses the same files; stop it, or choose another data directory"
    elif "Address already in use" in cause:
        cause = "another process took its port meanwhile; start again, or choose another port"
    return f"Neo4j in {home.path} {what}: {cause}. Its logs are in {home.log.parent}."


def find_cause(log: str) -> str:
    """Pick the line of a failed start's log that says why."""
    for pattern in CAUSES:
        if found := re.findall(pattern, log, re.MULTILINE):
            return re.sub(r"^(?:\w+\.)+", "", found[-1])[:300].rstrip(" .")
    return "it said nothing"
