"""A request that is over asks no more of the database: its queries end there as well."""

import asyncio
from typing import Any

from graph.database import Database
from server.settings import Settings
from tests.api.test_outages import serving

DEADLINE = 1.0
RUNNING = "SHOW TRANSACTIONS YIELD metaData WHERE metaData.query = $name RETURN count(*)"
# Everybody knows everybody.
CLIQUE = """
UNWIND range(1, 60) AS i CREATE (:Agent {id: 'Agent:' + i, key: 'a' + i, createdAt: datetime(), updatedAt: datetime()})
WITH count(*) AS _ MATCH (a:Agent), (b:Agent) WHERE a <> b
CREATE (a)-[:RELATES_TO {id: 'Relationship:' + a.key + b.key, sourceId: a.id, targetId: b.id,
  strength: 0.5, trust: 0.5}]->(b)
"""


def acquainted(times: int) -> dict[str, Any]:
    """A filter that looks for somebody over so many relationships, who is not there."""
    if times == 0:
        return {"key": {"eq": "nobody"}}
    return {"relationships": {"some": {"agent": acquainted(times - 1)}}}


async def running(database: Database, name: str) -> int:
    ((count,),) = await database.read("running", RUNNING, {"name": name})
    return count


async def comes_to(database: Database, name: str, count: int) -> bool:
    """Says whether soon so many queries of this name run."""
    for _ in range(100):
        if await running(database, name) == count:
            return True
        await asyncio.sleep(0.05)
    return False


async def watch(database: Database, names: set[str]) -> None:
    """Notes the names of the queries that are seen at work."""
    while True:
        rows = await database.read("watch", "SHOW TRANSACTIONS YIELD metaData RETURN metaData.query")
        names |= {name for (name,) in rows}
        await asyncio.sleep(0.05)


async def test_reads_of_a_request_end_with_its_deadline(database: Database, settings: Settings):
    names: set[str] = set()
    await database.write("clique", CLIQUE)
    body = {
        "query": "query ($f: AgentFilter) { agents(filter: $f) { totalCount nodes { id } } }",
        "variables": {"f": acquainted(6)},
    }
    async with serving(settings, deadline=DEADLINE) as client:
        watching = asyncio.create_task(watch(database, names))
        answer = (await client.post("/graphql", json=body)).json()
        watching.cancel()
        slow = names - {"watch", "ping", None}
        assert slow, "nothing was slow"
        for name in slow:
            assert await comes_to(database, name, 0), f"{name} runs on"
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"TIMEOUT"}


async def test_a_write_that_waits_for_a_lock_ends_with_its_deadline(database: Database, settings: Settings):
    await database.write("agent", "CREATE (:Agent {id: 'Agent:1', key: 'ada', createdAt: datetime()})")
    locked, over = asyncio.Event(), asyncio.Event()

    async def hold(run: Any) -> None:
        await run("MATCH (a:Agent) SET a.locked = true REMOVE a.locked", {})
        locked.set()
        await over.wait()

    holding = asyncio.create_task(database.transaction("hold", hold))
    await locked.wait()
    body = {"query": 'mutation { updateAgent(input: {key: "ada", name: "Ada"}) { agent { id } } }'}
    async with serving(settings, deadline=DEADLINE) as client:
        asking = asyncio.create_task(client.post("/graphql", json=body))
        assert await comes_to(database, "write", 1)
        answer = (await asking).json()
        # The lock is still held: nothing but the deadline can have ended it.
        assert not holding.done()
        assert await comes_to(database, "write", 0)
        over.set()
        await holding
    assert answer["errors"][0]["extensions"]["code"] == "TIMEOUT", answer
    assert await database.read("name", "MATCH (a:Agent) RETURN a.name") == [[None]]
