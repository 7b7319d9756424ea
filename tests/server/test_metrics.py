"""What the service tells of itself in Prometheus' format."""

import asyncio

import httpx
from prometheus_client.parser import text_string_to_metric_families

from graph.database import Database
from server.app import create_app
from server.settings import Settings

CREATE = 'mutation { createAgents(input: {agents: [{key: "a", name: "A"}]}) { agents { id } } }'
RENAME = 'mutation { updateAgent(input: {key: "a", name: "B"}) { agent { name } } }'
READ = '{ agent(key: "a") { name memories { totalCount } } }'


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    response = await client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_the_cache_and_the_executor_are_counted(settings: Settings, database: Database):
    app = create_app(settings.model_copy(update={"cache": True}))
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:

        async def ask(query: str) -> dict[str, object]:
            answer = (await client.post("/graphql", json={"query": query})).json()
            assert "errors" not in answer
            return answer["data"]

        await ask(CREATE)
        # The first request finds out whether what is cached may be trusted.
        await ask(READ)
        async with asyncio.timeout(10):
            while (await samples(client))["ecs_cache_misses_total",] == 0:
                await ask(READ)
        await ask(READ)
        before = await samples(client)
        await ask(READ)
        after = await samples(client)
        assert after["ecs_cache_hits_total", "near"] == before["ecs_cache_hits_total", "near"] + 2
        assert after["ecs_cache_misses_total",] == before["ecs_cache_misses_total",]
        assert after["ecs_cache_near_entries",] > 0
        assert after["ecs_cache_near_bytes",] > 0
        await ask(RENAME)
        assert await ask(READ) == {"agent": {"name": "B", "memories": {"totalCount": 0}}}
        await ask("{ __schema { queryType { name } } }")
        found = await samples(client)
        assert found["ecs_executor_fallbacks_total", "introspection"] == 1
        assert (found["ecs_embeddings_computed_total",], found["ecs_embeddings_lacking_total",]) == (0, 0)


async def test_without_a_cache_there_is_nothing_to_tell_of_it(settings: Settings, database: Database):
    app = create_app(settings.model_copy(update={"cache": False}))
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        assert not any(name.startswith("ecs_cache") for name, *_ in await samples(client))
