"""While the database does not answer nobody waits for it, and as soon as it does everybody is served."""

import asyncio
import logging

import httpx
import pytest

from server.settings import Settings
from tests.api.test_outages import COUNT, Proxy, only_error, serving, timed

# What is found out within seconds must not take as long as that.
DEADLINE = 30
UNREACHABLE = "The database cannot be reached. Try again shortly."


async def ask(client: httpx.AsyncClient) -> str:
    """Sends a request; gives its error's code."""
    answer = (await client.post("/graphql", json=COUNT)).json()
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else "OK"


async def until_served(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(15):
        while await ask(client) != "OK":  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_silent_database_is_noticed_before_the_deadline(settings: Settings, caplog: pytest.LogCaptureFixture):
    async with (
        Proxy(settings.database_login()[0]) as proxy,
        serving(settings, database_url=proxy.url, deadline=DEADLINE) as client,
    ):
        await until_served(client)
        proxy.stall()
        answers = await asyncio.gather(*(timed(client.post("/graphql", json=COUNT)) for _ in range(20)))
        for response, seconds in answers:
            assert only_error(response)["message"] == UNREACHABLE
            assert only_error(response)["extensions"]["code"] == "UNAVAILABLE"
            assert seconds < DEADLINE / 2
        response, seconds = await timed(client.post("/graphql", json=COUNT))
        assert only_error(response)["extensions"]["code"] == "UNAVAILABLE"
        assert seconds < 3, "once it is known, nobody waits"
        health = (await client.get("/health")).json()
        assert health["components"]["database"]["circuit"] == "open"
        assert "ecs_database_circuit_open 1.0" in (await client.get("/metrics")).text
        proxy.resume()
        await until_served(client)
        health = (await client.get("/health")).json()
        assert health["components"]["database"]["circuit"] == "closed"
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [message.partition(":")[0] for message in told if "database" in message] == [
        "The database does not answer",
        "The database answers again.",
    ]


async def test_a_write_that_waits_is_told_as_well(settings: Settings):
    create = (
        'mutation { createAgents(input: {agents: [{key: "x", name: "X"}], idempotencyKey: "%s"}) { agents { id } } }'
    )
    async with (
        Proxy(settings.database_login()[0]) as proxy,
        serving(settings, database_url=proxy.url, deadline=DEADLINE) as client,
    ):
        await until_served(client)
        proxy.stall()
        response, seconds = await timed(client.post("/graphql", json={"query": create}))
        assert only_error(response)["extensions"]["code"] == "UNAVAILABLE"
        assert seconds < DEADLINE / 2
        proxy.resume()
        await until_served(client)


async def test_a_slow_query_is_not_taken_for_silence(settings: Settings):
    """One that takes long while the database answers others keeps the circuit closed."""
    async with Proxy(settings.database_login()[0]) as proxy, serving(settings, database_url=proxy.url) as client:
        app = client._transport.app  # pyright: ignore
        database = app.state.worker.database
        slow = "UNWIND range(1, 100000000) AS x WITH x WHERE x % 7 = 8 RETURN count(x)"
        waiting = asyncio.create_task(database.read("slow", slow, deadline=4.0))
        await asyncio.gather(waiting, return_exceptions=True)
        assert database.breaker.opened == 0
        assert not database.breaker.is_open
