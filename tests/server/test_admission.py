"""Admission by itself: whose address counts as whose, what an operation costs, and when somebody has to go."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from graph.errors import Unavailable
from resolvers.rates import RateLimiter
from server import admission as module
from server.access import Caller, Scope
from server.admission import ADMISSION, AccessControl, Admission, address_of
from server.guard import Guard
from server.jwks import KnownKeys, VerifyingKey
from server.keys import ApiKeys, make_key, read_keys, write_line
from server.refusals import RateLimited
from server.responses import refuse
from server.statuses import PLAIN_JSON
from server.tokens import Expected, Tokens
from tests.server.signing import sign


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.2.3.4", "1.2.3.5", False),
        ("1.2.3.4", "::ffff:1.2.3.4", True),
        ("2001:db8::1", "2001:db8::ffff:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "garbage", False),
    ],
)
def test_addresses_of_one_client(one: str, other: str, same: bool):
    assert (address_of({"client": (one, 1)}) == address_of({"client": (other, 2)})) == same


@given(st.text())
def test_any_address_is_somebody_s(host: str):
    assert address_of({"client": (host, 0)}).startswith("address ")
    assert address_of({"client": None}) == address_of({}) == "address unknown"


async def test_what_costs_more_takes_more():
    async def answer(request: Request) -> Response:
        try:
            await request.scope[ADMISSION].charge(float(request.query_params["cost"]) - 1)
        except RateLimited as error:
            return refuse(error, PLAIN_JSON)
        return PlainTextResponse("done")

    control = AccessControl(limiter=RateLimiter(None, rate=0.01, burst=100))
    app = Starlette(routes=[Route("/", answer)], middleware=[Middleware(Guard, control)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        left = [(await client.get("/", params={"cost": cost})).headers["ratelimit-remaining"] for cost in (1, 50, 10)]
        assert left == ["99", "49", "39"]
        refused = await client.get("/", params={"cost": 41})
        assert (refused.status_code, refused.headers["ratelimit-remaining"]) == (429, "38")
        assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert 100 <= int(refused.headers["retry-after"]) <= 300
    assert control.refused == {"RATE_LIMITED": 1}


@pytest.mark.parametrize("ahead", [0.0, 90_000.0])
async def test_a_jump_of_the_clock_ends_what_has_expired_meanwhile(monkeypatch: pytest.MonkeyPatch, ahead: float):
    monkeypatch.setattr(module, "LOOKED_EVERY", 0.05)
    now = 1_774_915_200.0
    key = make_key()
    keys = read_keys(write_line("ann", Scope.READ, key, "2026-03-31"))
    control = AccessControl(keys=ApiKeys(lambda: keys), clock=lambda: now)
    connection: Any = {"type": "http", "path": "/", "headers": [(b"x-api-key", key.encode())], "client": ("::1", 1)}
    admission = await control.admit(connection)
    lapse = asyncio.create_task(admission.lapse())
    await asyncio.sleep(0.1)
    assert not lapse.done()
    now += ahead
    await asyncio.wait((lapse,), timeout=10 if ahead else 0.2)
    assert lapse.done() == bool(ahead)
    if ahead:
        assert lapse.result().message == "The API key has expired."
    lapse.cancel()


async def test_an_expired_token_ends_what_it_began_though_its_keys_are_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LOOKED_EVERY", 0.05)
    now = time.time()

    class Away(KnownKeys):
        async def find(self, algorithm: str, id: str | None) -> VerifyingKey:
            raise Unavailable("away")

    control = AccessControl(tokens=Tokens(Away(list), Expected()), clock=lambda: now)
    caller = Caller("token", "ann", Scope.READ, now + 60)
    admission = Admission(control, "address ::1", caller, sign("HS256"))
    lapse = asyncio.create_task(admission.lapse())
    await asyncio.sleep(0.2)
    assert not lapse.done(), "a token holds while nobody can know better"
    now += 60
    async with asyncio.timeout(10):
        assert (await lapse).message == "The token has expired."
