"""A coalescer over the real database."""

from collections.abc import AsyncIterator

import pytest

from graph.database import Database
from graph.reads import fetch
from resolvers.coalescer import Coalescer


@pytest.fixture(scope="session")
async def coalescer(migrated: Database) -> AsyncIterator[Coalescer]:
    coalescer = Coalescer(lambda shape, keys: fetch(migrated, shape, keys, 10.0))
    yield coalescer
    await coalescer.close()
