"""The wall clock jumps: whatever waits, or keeps something for a while, goes by another."""

import ast
import time
from datetime import timedelta
from pathlib import Path

import pytest

from graph.database import Database
from server.settings import Settings
from tests.api.test_outages import COUNT, serving
from tests.conftest import ROOT

# Where the time of day is meant: it stamps what is new, is shown, or is when a key or a token expires.
STAMPS = {
    "graph/analytics/snapshot.py",
    "graph/ids.py",
    "graph/ingest/jsonl.py",
    "graph/writes/memories.py",
    "graph/writes/touch.py",
    "resolvers/stream.py",
    "resolvers/writes.py",
    "schema/mutation.py",
    "server/admission.py",
    "server/doctor.py",
    "server/health.py",
    "server/scrape.py",
    "server/tokens.py",
    "server/tracing.py",
}
WALL = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")}
JUMPS = (timedelta(days=30), timedelta(days=-30))


def uses_wall_clock(file: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in WALL
        for node in ast.walk(ast.parse(file.read_text()))
    )


def test_only_what_stamps_looks_at_the_wall_clock():
    served = [file for folder in ("server", "schema", "resolvers", "graph") for file in (ROOT / folder).rglob("*.py")]
    # What is fetched and kept on disk has the times of its files.
    found = {str(file.relative_to(ROOT)) for file in served if "embedded" not in file.parts and uses_wall_clock(file)}
    assert found - STAMPS == set(), "does it wait, or keep something? Then the monotonic clock is meant"


@pytest.mark.parametrize("jump", JUMPS)
async def test_requests_are_answered_across_a_jump(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, jump: timedelta
):
    real = time.time
    create = (
        'mutation { createAgents(input: {agents: [{key: "%s", name: "A"}], idempotencyKey: "%s"}) { agents { id } } }'
    )
    async with serving(settings, deadline=10, cache=True) as client:

        async def ask(query: str) -> dict[str, object]:
            answer = (await client.post("/graphql", json={"query": query})).json()
            assert "errors" not in answer, answer
            return answer["data"]

        key = f"jump{jump.days}"
        made = await ask(create % (key, key))
        before = (await client.post("/graphql", json=COUNT)).json()
        monkeypatch.setattr(time, "time", lambda: real() + jump.total_seconds())
        assert (await client.post("/graphql", json=COUNT)).json() == before
        assert await ask(create % (key, key)) == made, "the key is known as before"
        await ask(create % (f"{key}_2", f"{key}_2"))
        assert (await client.get("/health/ready")).status_code == 200
        monkeypatch.undo()
        after = (await client.post("/graphql", json=COUNT)).json()
    assert after["data"]["agents"]["totalCount"] == before["data"]["agents"]["totalCount"] + 1
