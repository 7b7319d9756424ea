"""What breaks behind the API and in it, under load: nothing acknowledged is lost, nobody hangs, it comes back.

One server for all, because each start takes seconds. ECS_FAULT_SECONDS says for how long servers are stopped.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.reliability.load import DEADLINE, Load
from tests.reliability.serving import NEO4J, VALKEY, WORKER, Served, served, stopped_for

SECONDS = float(os.environ.get("ECS_FAULT_SECONDS", "6"))
# From the deadline on there is no answer to wait for; the rest is for a busy machine.
SOON = 2 * DEADLINE


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    data = tmp_path_factory.mktemp("faults") / "data"
    async with served(data, workers=2, demo=0, deadline=DEADLINE) as found:
        yield found


async def health(server: Served) -> dict[str, dict[str, str]]:
    async with httpx.AsyncClient(timeout=SOON) as client:
        return (await client.get(f"{server.url}/health")).json()["components"]


async def test_neo4j_is_killed(server: Served):
    (neo4j,) = server.find(NEO4J)
    async with Load(server.url) as load:
        neo4j.kill()
        psutil.wait_procs([neo4j], timeout=5)
        await asyncio.sleep(1)
        told = await health(server)
        await load.progress()
    assert told["database"]["status"] == "unhealthy"
    assert load.codes["UNAVAILABLE"] > 0
    assert load.longest < SOON
    (again,) = server.find(NEO4J)
    assert again.pid != neo4j.pid
    assert "Neo4j ended with code -9" in server.log.read_text()


async def test_neo4j_is_stopped_for_a_while(server: Served):
    (neo4j,) = server.find(NEO4J)
    async with Load(server.url) as load:
        await stopped_for(SECONDS, neo4j)
        await load.progress()
    assert set(load.codes) & {"UNAVAILABLE", "TIMEOUT"}
    assert load.longest < SOON


async def test_valkey_is_killed(server: Served):
    (valkey,) = server.find(VALKEY)
    async with Load(server.url) as load:
        valkey.kill()
        await load.progress()
    assert load.longest < SOON
    (again,) = server.find(VALKEY)
    assert again.pid != valkey.pid
    await recovered(server)


async def test_valkey_is_stopped_for_a_while(server: Served):
    (valkey,) = server.find(VALKEY)
    async with Load(server.url) as load:
        await stopped_for(SECONDS, valkey)
        await load.progress()
    assert load.longest < SOON
    await recovered(server)


async def test_a_worker_is_killed(server: Served):
    async with Load(server.url) as load:
        for worker in server.find(WORKER):
            worker.kill()
            await load.progress()
            async with asyncio.timeout(30):
                while len([each for each in server.find(WORKER) if each.pid != worker.pid]) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
    assert load.longest < SOON


async def test_a_worker_is_stopped_and_replaced(server: Served):
    """A worker that hangs is replaced by its parent; who had asked it is cut off, and asks again."""
    worker = server.find(WORKER)[0]
    async with Load(server.url) as load:
        os.kill(worker.pid, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await load.progress()


async def recovered(server: Served) -> None:
    async with asyncio.timeout(30):
        while (await health(server))["redis"]["status"] != "healthy":  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_after_all_that_it_stops_in_order(server: Served, tmp_path: Path):
    family = psutil.Process(server.process.pid).children(recursive=True)
    async with Load(server.url) as load:
        await load.progress()
    server.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.process.wait, 15) == 0
    left = psutil.wait_procs(family, timeout=1)[1]
    assert not [each for each in left if each.status() != psutil.STATUS_ZOMBIE], "nothing is left behind"
    assert "Traceback" not in server.log.read_text()
