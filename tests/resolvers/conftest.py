"""A coalescer over the real database, and workers that share a Valkey which can come to harm."""

from collections.abc import AsyncIterator

import pytest

from graph.database import Database
from graph.reads import fetch
from resolvers import valkey
from resolvers.coalescer import Coalescer
from tests.conftest import WIPE
from tests.workers import CREATE, Server, Worker


@pytest.fixture(scope="session")
async def coalescer(migrated: Database) -> AsyncIterator[Coalescer]:
    coalescer = Coalescer(lambda shape, keys: fetch(migrated, shape, keys, 10.0))
    yield coalescer
    await coalescer.close()


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def workers(migrated: Database, server: Server) -> AsyncIterator[list[Worker]]:
    await migrated.write("wipe", WIPE)
    await migrated.write("create", CREATE)
    found = [Worker(migrated, valkey.connect(server.url)) for _ in range(2)]
    await found[0].redis.flushall()
    for each in found:
        await each.trust()
    yield found
    for each in found:
        await each.close()
