"""What all tests share: the data beside the project, and one real Neo4j and Valkey for the whole run."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from platformdirs import user_cache_path

from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.migrations import migrate
from server.app import create_app
from server.settings import Settings

ROOT = Path(__file__).parent.parent

# Everything but the constraints and indexes, in pieces that fit into memory.
WIPE = """
MATCH (n) WHERE NOT n:Migration
CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS
"""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the contract and real data, which is not part of the project."""
    folder = Path(os.environ.get("ECS_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared folder at {folder}; ECS_SHARED names another place")
    return folder


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A real Neo4j and Valkey, started once."""
    cache = Path(os.environ.get("ECS_CACHE_DIR", user_cache_path("ecs")))
    with EmbeddedServers.start(tmp_path_factory.mktemp("data"), cache_dir=cache, progress=print) as running:
        yield running


@dataclass
class GraphLog:
    """The names of the queries that requests sent, in the order in which they ended."""

    names: list[str] = field(default_factory=list)

    def __call__(self, name: str, seconds: float, rows: int) -> None:
        # The server looks by itself whether the database answers.
        if name != "ping":
            self.names.append(name)


@pytest.fixture(scope="session")
def settings(servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        database_url=servers.addresses.database_url,
        database_password=servers.password,
        redis_url=servers.redis_url,
        # Tests write to the database behind its back.
        cache=False,
        # They call it by names of their own.
        allowed_hosts="*",
        workers=1,
        data_dir=tmp_path_factory.mktemp("unused"),
    )


@pytest.fixture(scope="session")
async def migrated(settings: Settings) -> AsyncIterator[Database]:
    """The database with its indexes; whatever else it holds belongs to other tests."""
    url, user, password = settings.database_login()
    async with Database.connect(url, user=user, password=password) as database:
        await migrate(database)
        yield database


@pytest.fixture
async def database(migrated: Database) -> AsyncIterator[Database]:
    """The database, empty."""
    await migrated.write("wipe", WIPE, deadline=60)
    yield migrated
    migrated.observe = None


@pytest.fixture
def graph_log() -> GraphLog:
    return GraphLog()


@pytest.fixture
async def client(database: Database, settings: Settings, graph_log: GraphLog) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application over an empty database, without a socket between."""
    app = create_app(settings, observe=graph_log)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


Api = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def api(client: httpx.AsyncClient) -> Api:
    """Sends a GraphQL query and gives the whole response."""

    async def send(query: str, **variables: Any) -> dict[str, Any]:
        response = await client.post("/graphql", json={"query": query, "variables": variables})
        return response.json()

    return send
