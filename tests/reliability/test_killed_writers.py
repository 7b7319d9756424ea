"""Workers killed while they write, and the cache of those who go on: nobody reads less than what was acknowledged.

The check is that of the cache within one process. Redis is slow here, so that most of a write's time passes between
its commit and its word to the others, and that is when most workers die.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from graph.eager import EagerKey
from graph.errors import Unavailable
from graph.lookups import AGENT_BY_KEY, LookupKey
from graph.reads import Key
from graph.writes.agents import UpdateAgent
from graph.writes.change import Change
from tests.reliability.load import CREATE
from tests.reliability.serving import WORKER, Served, served
from tests.reliability.test_network import SlowProxy
from tests.resolvers.test_cache import AGENTS, Check

RENAME = "mutation ($input: UpdateAgentInput!) { updateAgent(input: $input) { agent { name } } }"
NAME = "query ($key: String!) { agent(key: $key) { name } }"
NAME_AND_LISTS = """
query ($key: String!) { agent(key: $key) { name memories { nodes { id } } relationships { edges { node { name } } } } }
"""
DELAY = 0.03


class Client:
    """Looks like a worker to the check, and asks the server, whichever worker takes the connection."""

    def __init__(self, server: Served) -> None:
        self._url = f"{server.url}/graphql"
        self._client = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
        self.writes = self
        self.failed = 0

    async def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = (await self._client.post(self._url, json={"query": query, "variables": variables})).json()
        except httpx.TransportError as error:
            self.failed += 1
            raise Unavailable("cut off") from error
        if "errors" in answer:
            raise Unavailable(answer["errors"][0]["message"])
        return answer["data"]

    async def commit(self, change: Change) -> dict[str, Any]:
        assert isinstance(change, UpdateAgent)
        return await self._ask(RENAME, {"input": {"key": change.key, "name": change.properties["name"]}})

    async def get(self, key: Key) -> Any:
        query = NAME
        if isinstance(key, EagerKey):
            key, query = key.plain, NAME_AND_LISTS
        assert isinstance(key, LookupKey)
        name = key.key if key.shape.name == AGENT_BY_KEY.name else str(key.key).replace("Agent:", "a")
        data = await self._ask(query, {"key": name})
        return SimpleNamespace(name=data["agent"]["name"])

    async def create(self) -> None:
        agents = [{"key": f"a{at}", "name": "0"} for at in range(AGENTS)]
        await self._ask(CREATE, {"input": {"agents": agents}})

    async def close(self) -> None:
        await self._client.aclose()


@pytest.fixture
async def proxy(servers) -> AsyncIterator[SlowProxy]:
    async with SlowProxy(servers.redis_url) as proxy:
        yield proxy


async def test_a_worker_killed_in_the_midst_of_writing_leaves_nothing_stale(
    tmp_path: Path, servers, database, proxy: SlowProxy
):
    url = servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@")
    settings = {"workers": 2, "cache": 1, "database_url": url, "redis_url": proxy.url}
    async with served(tmp_path / "data", **settings) as server:
        client = Client(server)
        await client.create()
        proxy.delay = DELAY
        check = Check([client, client], seconds=25)  # pyright: ignore

        async def trouble() -> None:
            for _ in range(3):
                await asyncio.sleep(1.5)
                server.find(WORKER)[0].kill()
                async with asyncio.timeout(20):
                    while len(server.find(WORKER)) < 2:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                # The new one takes its part once it has started.
                await asyncio.sleep(5)

        await check.run(trouble)
        hits = await cached(server)
        await client.close()
    assert client.failed > 0, "somebody was cut off"
    assert check.writes > 10
    assert check.reads > 100
    assert hits > 0, "the cache had something"


async def cached(server: Served) -> float:
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"{server.url}/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("ecs_cache_hits_total"))
