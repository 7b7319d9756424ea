"""Keys from an address: a real server answers, fails, stalls and changes its mind."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from graph.errors import Unavailable
from server import jwks as module
from server.access import Unauthenticated
from server.jwks import KEPT, PAUSE, REFRESHED_AFTER, RemoteKeys, check_address
from tests.server.signing import EC, RSA, jwk, jwks
from tests.subscriptions import serving


class Issuer:
    """What the address answers, and how often it was asked."""

    def __init__(self) -> None:
        self.response: Response = Response(jwks(jwk(RSA, "a")))
        self.asked = 0
        self.delay = 0.0

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(self.delay)
        return self.response


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def asking(issuer: Issuer, clock: Clock) -> AsyncIterator[RemoteKeys]:
    app = Starlette(routes=[Route("/keys", issuer.answer)])
    async with serving(app) as (address, _):
        keys = RemoteKeys(f"http://{address}/keys", clock=clock)
        yield keys
        await keys.close()


@pytest.fixture
async def keys(issuer: Issuer, clock: Clock) -> AsyncIterator[RemoteKeys]:
    async with asking(issuer, clock) as keys:
        yield keys


async def test_a_set_is_fetched_once_for_all_who_ask(keys: RemoteKeys, issuer: Issuer):
    found = await asyncio.gather(*(keys.find("RS256", "a") for _ in range(50)))
    assert {key.id for key in found} == {"a"}
    await keys.find("RS256", "a")
    assert issuer.asked == 1


async def test_a_key_that_is_new_is_found_and_asking_for_unknown_ones_is_bounded(
    keys: RemoteKeys, issuer: Issuer, clock: Clock
):
    await keys.find("RS256", "a")
    issuer.response = Response(jwks(jwk(RSA, "a"), jwk(EC, "b")))
    clock.now += PAUSE
    assert (await keys.find("ES256", "b")).algorithm == "ES256"
    assert issuer.asked == 2
    for at in range(100):
        with pytest.raises(Unauthenticated):
            await keys.find("RS256", f"unknown {at}")
    assert issuer.asked == 2, "tokens cannot make this server ask that one"
    clock.now += PAUSE
    with pytest.raises(Unauthenticated):
        await keys.find("RS256", "unknown")
    assert issuer.asked == 3


async def test_an_old_set_is_fetched_anew_while_nobody_waits(keys: RemoteKeys, issuer: Issuer, clock: Clock):
    await keys.find("RS256", "a")
    issuer.response, issuer.delay = Response(jwks(jwk(RSA, "b"))), 0.2
    clock.now += REFRESHED_AFTER + 1
    assert (await keys.find("RS256", "a")).id == "a", "what is at hand is used meanwhile"
    async with asyncio.timeout(10):
        while True:
            try:
                await keys.find("RS256", "a")
                await asyncio.sleep(0.05)
            except Unauthenticated:
                break
    assert issuer.asked == 2
    assert (await keys.find("RS256", "b")).id == "b"


async def test_an_issuer_that_is_away_is_done_without_for_a_day(keys: RemoteKeys, issuer: Issuer, clock: Clock):
    await keys.find("RS256", "a")
    issuer.response = Response(status_code=500)
    clock.now += KEPT - 1
    await keys.find("RS256", "a")
    await asyncio.sleep(0.1)
    clock.now += PAUSE
    with pytest.raises(Unavailable):
        await keys.find("RS256", "a")


@pytest.mark.parametrize(
    "response",
    [
        Response(status_code=404),
        Response("<html>"),
        Response(jwks()),
        Response(b" " * 300_000),
        RedirectResponse("http://127.0.0.1:9/other"),
        Response(jwks(jwk(RSA, private=True))),
    ],
)
async def test_without_keys_nobody_can_know_and_the_reason_is_logged(
    keys: RemoteKeys, issuer: Issuer, response: Response, caplog: pytest.LogCaptureFixture
):
    issuer.response = response
    with caplog.at_level(logging.WARNING, "ecs.access"):
        for _ in range(3):
            with pytest.raises(Unavailable):
                await keys.find("RS256", "a")
    assert issuer.asked == 1
    (record,) = caplog.records
    assert record.message.startswith("ECS_JWT_JWKS: the keys cannot be fetched: ")


async def test_a_stalling_issuer_holds_up_nobody_else(
    keys: RemoteKeys, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    issuer.delay = 3.0
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(Unavailable):
        await keys.find("RS256", "a")
    ticking.cancel()
    assert ticks > 5, "the event loop went on"


async def test_whoever_goes_away_takes_nothing_from_those_who_wait(keys: RemoteKeys, issuer: Issuer):
    issuer.delay = 0.2
    first, second = (asyncio.create_task(keys.find("RS256", "a")) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    assert (await second).id == "a"
    assert issuer.asked == 1


async def test_closing_ends_what_is_under_way(issuer: Issuer, clock: Clock):
    issuer.delay = 0.3
    async with asking(issuer, clock) as keys:
        waiting = asyncio.create_task(keys.find("RS256", "a"))
        await asyncio.sleep(0.05)
        await keys.close()
        (result,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError | Unavailable)


@pytest.mark.parametrize("url", ["https://issuer.example/keys", "http://localhost:8080/keys", "http://[::1]/keys"])
def test_addresses_that_are_fit(url: str):
    check_address(url)


@pytest.mark.parametrize(
    "url",
    ["http://issuer.example/keys", "file:///etc/passwd", "ftp://x/y", "https://", "https://ann:hunter2@host/keys"],
)
def test_addresses_that_are_not(url: Any):
    with pytest.raises(ValueError, match="must be the path of a file") as caught:
        check_address(url)
    assert "hunter2" not in str(caught.value)
