"""The database or Redis away, silent, and back: what clients are told, and how soon."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from server.app import create_app
from server.settings import Settings
from tests.api.conftest import client_of

COUNT = {"query": "{ agents { totalCount } }"}
DEADLINE = 0.5
# What nobody waits for takes for ever; a busy machine may take seconds for anything.
HANGS = 10


class Proxy:
    """Stands between the application and a server on this machine; can fall silent, or hang up."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, at, _ = self._target.netloc.rpartition("@")
        self.url = self._target._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.resume()
        self.hang_up()
        self._server.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                await self._flowing.wait()
                writer.write(data)
        writer.close()

    def stall(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def serving(settings: Settings, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with some settings changed."""
    urls = {name: SecretStr(value) for name, value in changed.items() if isinstance(value, str)}
    app = create_app(settings.model_copy(update={"deadline": DEADLINE} | changed | urls))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


@pytest.fixture(scope="module")
def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
async def proxy(settings: Settings) -> AsyncIterator[Proxy]:
    async with Proxy(settings.database_login()[0]) as proxy:
        yield proxy


async def until_answered(client: httpx.AsyncClient, at_once: int = 1) -> None:
    """Asks until all are answered: where a machine is busy, the deadline may be too short for a first query."""
    for _ in range(10):
        answered = await asyncio.gather(*(client.post("/graphql", json=COUNT) for _ in range(at_once)))
        if not (failed := [response.text for response in answered if "errors" in response.json()]):
            return
    raise AssertionError(failed)


async def timed(answer: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    started = time.perf_counter()
    return await answer, time.perf_counter() - started


def only_error(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    return error


async def test_without_a_database_every_way_in_says_so(
    settings: Settings, nowhere: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    password = settings.database_login()[2]
    async with serving(settings, database_url=f"bolt://neo4j:hush@{nowhere}", deadline=3) as client:
        graphql, seconds = await timed(client.post("/graphql", json=COUNT))
        rest = await client.get("/agents/ada/memories")
        health, ready, live = [await client.get(f"/health{path}") for path in ("", "/ready", "/live")]
    assert (graphql.status_code, graphql.json()["data"]) == (200, None)
    assert only_error(graphql) == {
        "message": "The database cannot be reached. Try again shortly.",
        "locations": [{"line": 1, "column": 12}],
        "path": ["agents", "totalCount"],
        "extensions": {"code": "UNAVAILABLE"},
    }
    assert seconds < 3
    assert rest.status_code == 503
    assert rest.json()["error"]["code"] == "UNAVAILABLE"
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert health.json()["components"]["database"]["status"] == "unhealthy"
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert (live.status_code, live.json()) == (200, {"status": "alive"})
    for response in (graphql, rest, health, ready):
        for secret in (password, "hush", nowhere, nowhere.rpartition(":")[2], "neo4j", "Traceback"):
            assert secret not in response.text
    assert password not in caplog.text
    assert "hush" not in caplog.text


async def test_what_needs_no_database_is_served_without_one(settings: Settings, nowhere: str):
    async with serving(settings, database_url=f"bolt://{nowhere}") as client:
        response = await client.post("/graphql", json={"query": "{ __typename agents { pageInfo { __typename } } }"})
    assert response.json() == {"data": {"__typename": "Query", "agents": {"pageInfo": {"__typename": "PageInfo"}}}}


async def test_a_silent_database_costs_no_more_than_the_deadline(settings: Settings, proxy: Proxy):
    async with serving(settings, database_url=proxy.url) as client:
        await until_answered(client)
        proxy.stall()
        strict = {"Accept": "application/graphql-response+json"}
        answers = await asyncio.gather(
            timed(client.post("/graphql", json=COUNT)),
            timed(client.post("/graphql", json=COUNT, headers=strict)),
            timed(client.get("/agents/ada/memories")),
        )
        for _, seconds in answers:
            assert DEADLINE <= seconds < HANGS
        plain, strictly, rest = [response for response, _ in answers]
        assert (plain.status_code, strictly.status_code, rest.status_code) == (200, 504, 504)
        assert plain.json() == strictly.json()
        assert only_error(plain) == {
            "message": "The request took longer than 0.5 s. Ask for less, or try again.",
            "extensions": {"code": "TIMEOUT"},
        }
        assert rest.json()["error"]["code"] == "TIMEOUT"


async def test_after_a_silence_requests_are_served_again(settings: Settings, proxy: Proxy):
    async with serving(settings, database_url=proxy.url) as client:
        await until_answered(client)
        proxy.stall()
        silenced = await asyncio.gather(*(client.post("/graphql", json=COUNT) for _ in range(50)))
        assert {only_error(response)["extensions"]["code"] for response in silenced} == {"TIMEOUT"}
        proxy.resume()
        await until_answered(client, at_once=50)


async def test_after_lost_connections_requests_are_served_again(settings: Settings, proxy: Proxy):
    async with serving(settings, database_url=proxy.url, deadline=HANGS) as client:
        for _ in range(3):
            assert "errors" not in (await client.post("/graphql", json=COUNT)).json()
            proxy.hang_up()


async def test_the_health_of_a_silent_database_is_known_in_time(settings: Settings, proxy: Proxy):
    async with serving(settings, database_url=proxy.url) as client:
        proxy.stall()
        health, seconds = await timed(client.get("/health"))
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert seconds < HANGS
        proxy.resume()
        assert (await client.get("/health/ready")).status_code == 200


async def test_without_redis_requests_are_served_and_health_says_degraded(settings: Settings, nowhere: str):
    for url, state in ((None, "absent"), (f"redis://:hush@{nowhere}/0", "unhealthy")):
        async with serving(settings, redis_url=url, deadline=HANGS) as client:
            assert "errors" not in (await client.post("/graphql", json=COUNT)).json()
            health, ready = await client.get("/health"), await client.get("/health/ready")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert health.json()["components"]["redis"]["status"] == state
        assert (ready.status_code, ready.json()) == (
            200,
            {"status": "degraded", "components": {"database": "healthy", "redis": state}},
        )
        assert "hush" not in health.text + ready.text


async def test_redis_may_fall_silent_and_come_back(settings: Settings):
    assert settings.redis_url
    async with Proxy(settings.redis_url.get_secret_value()) as proxy, serving(settings, redis_url=proxy.url) as client:
        assert (await client.get("/health/ready")).json()["status"] == "ready"
        proxy.stall()
        ready, seconds = await timed(client.get("/health/ready"))
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert seconds < HANGS
        proxy.resume()
        proxy.hang_up()
        assert (await client.get("/health/ready")).json()["status"] == "ready"
