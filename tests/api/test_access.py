"""Who may do what, on every way into the application, and that nobody's secret is ever told."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from graph.database import Database
from server import admission as admission_module
from server import watched
from server.access import Scope
from server.app import create_app
from server.keys import make_key, write_line
from server.settings import Settings
from server.websocket import PROTOCOL
from tests.api.conftest import client_of
from tests.api.test_websocket import Client
from tests.server.signing import AUDIENCE, ISSUER, SECRET, parts, sign
from tests.subscriptions import PATIENCE, serving

KEYS = {scope: make_key() for scope in (Scope.READ, Scope.WRITE, Scope.ADMIN)}
LINES = [write_line(scope.name.lower(), scope, key) for scope, key in KEYS.items()]
READ, WRITE, ADMIN = (KEYS[scope] for scope in (Scope.READ, Scope.WRITE, Scope.ADMIN))
OLD = make_key()

QUERY = {"query": "{ agents(first: 1) { totalCount } }"}
BOTH = """
query Look { agents(first: 1) { totalCount } }
mutation Make($key: String!) { createAgents(input: {agents: [{key: $key, name: "A"}]}) { agents { id } } }
"""
EVENTS = "subscription { societyEvents { kind } }"
PAGE = {"Accept": "text/html"}
STREAM = {"Accept": "text/event-stream"}


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def token(**said: Any) -> str:
    # Some are signed when tests are collected, long before they are used.
    return sign("HS256", **{"exp": int(time.time()) + 3600} | said)


def making(operation: str = "Make") -> dict[str, Any]:
    return {"query": BOTH, "operationName": operation, "variables": {"key": f"a_{uuid4().hex[:12]}"}}


def name_of(value: Any) -> str | None:
    """Names a credential for who reads of a test: the same in every run, and no secret."""
    if not isinstance(value, str):
        return None
    return next((scope.name.lower() for scope, key in KEYS.items() if key == value), "token")


def code_of(response: httpx.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


@pytest.fixture(scope="module")
def guarded(settings: Settings) -> Settings:
    return settings.model_validate(
        settings.model_dump()
        | {
            "api_keys": " ".join([*LINES, write_line("old", Scope.ADMIN, OLD, "2020-01-01")]),
            "jwt_secret": SECRET,
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
        }
    )


@asynccontextmanager
async def client_with(settings: Settings, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_validate(settings.model_dump() | more))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


@pytest.fixture(scope="module")
async def client(guarded: Settings, migrated: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client_with(guarded) as client:
        yield client


@pytest.fixture(scope="module")
async def address(guarded: Settings, migrated: Database) -> AsyncIterator[str]:
    async with serving(create_app(guarded)) as (address, _):
        yield address


# HTTP


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
async def test_probes_need_no_key(client: httpx.AsyncClient, path: str):
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/graphql", "/explorer"])
async def test_pages_need_no_key(client: httpx.AsyncClient, path: str):
    response = await client.get(path, headers=PAGE)
    assert response.status_code in {200, 503}, "503 says that they are not built"
    assert response.headers["content-type"].startswith("text/html")
    assert (await client.get("/static/assets/none.js")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/graphql", {}),
        ("POST", "/graphql", STREAM),
        ("GET", "/graphql?query={__typename}", PAGE),
        ("GET", "/graphql", {}),
        ("GET", "/metrics", {}),
        ("GET", "/agents/ada/memories", {}),
        ("GET", "/agents/health/memories", PAGE),
        ("GET", "/nowhere", {}),
        ("POST", "/explorer/", {}),
    ],
)
@pytest.mark.parametrize("credential", [None, "wrong"])
async def test_everything_else_needs_one(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], credential: str | None
):
    carried = bearer(make_key()) if credential else {}
    response = await client.request(method, path, headers=headers | carried, json=QUERY if method == "POST" else None)
    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="ecs"')
    assert ('error="invalid_token"' in challenge) == (credential is not None)
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    code = body["error"]["code"] if path.startswith("/agents") else body["errors"][0]["extensions"]["code"]
    assert code == "UNAUTHENTICATED"
    assert "data" not in body


@pytest.mark.parametrize("credential", [READ, WRITE, ADMIN, token(), token(scope="admin")], ids=name_of)
async def test_whoever_is_known_may_read(client: httpx.AsyncClient, credential: str):
    for headers in (bearer(credential), {"X-API-Key": credential}):
        response = await client.post("/graphql", json=QUERY, headers=headers)
        assert response.status_code == 200
        assert response.json()["data"]["agents"]["totalCount"] >= 0
        assert response.headers["cache-control"] == "private"
    found = await client.get("/agents/nobody/memories", headers=bearer(credential))
    assert (found.status_code, found.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("credential", "may"),
    [
        (READ, False),
        (WRITE, True),
        (ADMIN, True),
        (token(), False),
        (token(scope="write"), True),
        (token(scope=None, scp=["admin"]), True),
    ],
    ids=name_of,
)
async def test_mutations_need_write_by_the_operation_that_is_executed(
    client: httpx.AsyncClient, database: Database, credential: str, may: bool
):
    looked = await client.post("/graphql", json=making("Look"), headers=bearer(credential))
    assert "errors" not in looked.json()
    for accept in ("application/json", "application/graphql-response+json", "text/event-stream;q=0.5,*/*"):
        made = await client.post("/graphql", json=making(), headers=bearer(credential) | {"Accept": accept})
        if may:
            assert made.json()["data"]["createAgents"]["agents"]
            continue
        assert (made.status_code, code_of(made)) == (403, "FORBIDDEN")
        assert "data" not in made.json()
        assert 'error="insufficient_scope"' in made.headers["www-authenticate"]
    count = (await client.post("/graphql", json=QUERY, headers=bearer(READ))).json()["data"]["agents"]["totalCount"]
    assert count == (3 if may else 0)


async def test_a_stream_needs_write_for_a_mutation_as_well(client: httpx.AsyncClient, database: Database):
    refused = await client.post("/graphql", json=making(), headers=bearer(READ) | STREAM)
    assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
    made = await client.post("/graphql", json=making(), headers=bearer(WRITE) | STREAM)
    assert '"createAgents"' in made.text


async def test_who_has_no_scope_may_do_nothing(client: httpx.AsyncClient):
    response = await client.post("/graphql", json=QUERY, headers=bearer(token(scope="openid profile")))
    assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("credential", "status"), [(READ, 403), (WRITE, 403), (ADMIN, 200), (token(scope="admin"), 200)], ids=name_of
)
async def test_metrics_need_admin(client: httpx.AsyncClient, credential: str, status: int):
    assert (await client.get("/metrics", headers=bearer(credential))).status_code == status


async def test_refusals_are_counted(client: httpx.AsyncClient):
    async def count(code: str) -> float:
        text = (await client.get("/metrics", headers=bearer(ADMIN))).text
        found = re.search(rf'^ecs_refusals_total{{code="{code}"}} (\S+)$', text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    codes = ("UNAUTHENTICATED", "FORBIDDEN")
    before = [await count(code) for code in codes]
    await client.post("/graphql", json=QUERY)
    await client.get("/metrics", headers=bearer(READ))
    assert [await count(code) for code in codes] == [each + 1 for each in before]


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (bearer(token(exp=1000)), "The token has expired."),
        (bearer(token(aud="other")), "The token is meant for another audience (aud)."),
        (bearer(OLD), "The API key has expired."),
        (bearer("ecs_wrong"), "The API key is not known."),
        (bearer(READ) | {"X-API-Key": READ}, "Send one credential, not several."),
        ({"Authorization": "Basic YTpi"}, "Authorization: must be Bearer and an API key or a token."),
    ],
)
async def test_what_is_wrong_with_a_credential_is_told(client: httpx.AsyncClient, headers: dict[str, str], fault: str):
    response = await client.post("/graphql", json=QUERY, headers=headers)
    assert response.status_code == 401
    assert response.json()["errors"][0]["message"] == fault
    assert fault in response.headers["www-authenticate"]


async def test_without_authentication_everything_is_open_and_no_layer_is_there(settings: Settings, database: Database):
    app = create_app(settings)
    assert "Guard" not in repr(app.user_middleware)
    async with app.router.lifespan_context(app), client_of(app) as client:
        response = await client.post("/graphql", json=making())
        assert response.json()["data"]["createAgents"]["agents"]
        assert "cache-control" not in response.headers
        assert (await client.get("/metrics")).status_code == 200


async def test_a_key_that_is_taken_out_of_the_file_is_refused(
    settings: Settings, migrated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watched, "CHECKED_EVERY", 0.0)
    path = tmp_path / "keys"
    path.write_text("\n".join(LINES))
    async with client_with(settings, api_keys_file=path) as client:
        assert (await client.post("/graphql", json=QUERY, headers=bearer(READ))).status_code == 200
        path.write_text("\n".join(LINES[1:]))
        assert (await client.post("/graphql", json=QUERY, headers=bearer(READ))).status_code == 401
        assert (await client.post("/graphql", json=QUERY, headers=bearer(WRITE))).status_code == 200


async def test_when_nobody_can_know_who_it_is_the_answer_is_503(settings: Settings, migrated: Database):
    more = {"jwt_jwks": "http://127.0.0.1:9/keys", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    async with client_with(settings, **more) as client:
        response = await client.post("/graphql", json=QUERY, headers=bearer(sign("RS256")))
    assert (response.status_code, code_of(response)) == (503, "UNAVAILABLE")
    assert response.headers["retry-after"] == "1"


# Sockets


@asynccontextmanager
async def socket_to(address: str, **options: Any) -> AsyncIterator[Client]:
    async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL], **options) as connection:
        yield Client(connection)


async def begin(client: Client, payload: Any = None) -> Client:
    await client.send({"type": "connection_init"} | ({"payload": payload} if payload else {}))
    assert await client.receive() == {"type": "connection_ack"}
    return client


@pytest.mark.parametrize(
    "payload",
    [
        bearer(WRITE),
        {"authorization": f"bearer {WRITE}"},
        {"apiKey": WRITE},
        {"X-API-Key": WRITE},
        bearer(token(scope="write")),
    ],
)
async def test_a_socket_says_who_it_is_at_its_beginning(address: str, database: Database, payload: dict[str, str]):
    async with socket_to(address) as client:
        await begin(client, payload)
        ((kind, answer), _) = await client.answers(**making())
        assert kind == "next"
        assert answer["data"]["createAgents"]["agents"]


async def test_a_handshake_may_say_it_as_well(address: str):
    async with socket_to(address, additional_headers=bearer(READ)) as client:
        await begin(client)
        ((kind, _), _) = await client.answers(**QUERY)
        assert kind == "next"


async def test_mutations_of_a_socket_need_write(address: str, database: Database):
    async with socket_to(address) as client:
        await begin(client, bearer(READ))
        ((kind, errors),) = await client.answers(**making())
        assert (kind, errors[0]["extensions"]["code"]) == ("error", "FORBIDDEN")
        ((kind, _), _) = await client.answers(**making("Look"))
        assert kind == "next", "the socket goes on"


@pytest.mark.parametrize(
    "payload", [None, {}, bearer("ecs_wrong"), {"Authorization": 7}, {"Authorization": WRITE}, bearer(token(exp=1000))]
)
async def test_4403_for_a_socket_of_nobody(address: str, payload: Any):
    async with socket_to(address) as client:
        await client.send({"type": "connection_init"} | ({"payload": payload} if payload is not None else {}))
        code, reason = await client.closed()
        assert code == 4403
        assert reason.startswith("Forbidden: ")


async def test_4401_for_an_operation_before_the_beginning(address: str):
    async with socket_to(address) as client:
        await client.subscribe(**QUERY)
        assert await client.closed() == (4401, "Unauthorized")


async def test_a_handshake_with_a_wrong_key_is_refused(address: str):
    with pytest.raises(InvalidStatus) as caught:
        async with socket_to(address, additional_headers=bearer("ecs_wrong")):
            pass
    assert caught.value.response.status_code == 401
    assert b"UNAUTHENTICATED" in caught.value.response.body


# Ends


async def test_a_token_that_expires_ends_its_socket_and_its_stream(settings: Settings, database: Database):
    more = {"jwt_secret": SECRET, "jwt_leeway": 0}
    app = create_app(settings.model_validate(settings.model_dump() | more))
    async with serving(app) as (address, _), httpx.AsyncClient() as http, socket_to(address) as client:
        short = token(exp=int(time.time()) + 5, iss=None, aud=None)
        await begin(client, bearer(short))
        await client.subscribe(EVENTS)
        async with http.stream(
            "POST", f"http://{address}/graphql", json={"query": EVENTS}, headers=STREAM | bearer(short)
        ) as stream:
            assert stream.status_code == 200
            async with asyncio.timeout(PATIENCE):
                lines = [line async for line in stream.aiter_lines() if line.startswith(("event", "data: {"))]
        assert lines[-1] == "event: complete"
        told = json.loads(lines[-2].removeprefix("data: "))
        assert told["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await client.closed() == (4403, "Forbidden: The token has expired.")


async def test_a_key_that_is_withdrawn_ends_its_socket(
    settings: Settings, migrated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watched, "CHECKED_EVERY", 0.0)
    monkeypatch.setattr(admission_module, "LOOKED_EVERY", 0.1)
    path = tmp_path / "keys"
    path.write_text("\n".join(LINES))
    app = create_app(settings.model_validate(settings.model_dump() | {"api_keys_file": path}))
    async with serving(app) as (address, _), socket_to(address) as reader, socket_to(address) as writer:
        await begin(reader, bearer(READ))
        await begin(writer, bearer(WRITE))
        await asyncio.sleep(0.3)
        path.write_text("\n".join(LINES[1:]))
        assert await reader.closed() == (4403, "Forbidden: The API key is not known.")
        ((kind, _), _) = await writer.answers(**QUERY)
        assert kind == "next"
        path.write_text(LINES[1].replace(":write:", ":read:"))
        code, reason = await writer.closed()
        assert (code, reason) == (4403, "Forbidden: The caller's scopes have changed. Connect again.")


# Rates


def slow(**more: Any) -> dict[str, Any]:
    return {"rate_limit": 0.01, "rate_burst": 3} | more


async def spend(client: httpx.AsyncClient, times: int, **headers: str) -> list[int]:
    return [(await client.post("/graphql", json=QUERY, headers=headers)).status_code for _ in range(times)]


@pytest.mark.parametrize("redis", [True, False])
async def test_a_client_that_asks_for_too_much_is_told_when_to_come_back(
    settings: Settings, migrated: Database, redis: bool
):
    line = write_line(f"ann-{uuid4().hex[:8]}", Scope.READ, key := make_key())
    away = {} if redis else {"redis_url": None}
    async with client_with(settings, **slow(api_keys=f"{line} {LINES[1]}"), **away) as client:
        first = await client.post("/graphql", json=QUERY, headers=bearer(key))
        assert first.status_code == 200
        told = {name: value for name, value in first.headers.items() if name.startswith("ratelimit")}
        assert told == {
            "ratelimit-limit": "3",
            "ratelimit-remaining": "2",
            "ratelimit-reset": "100",
            "ratelimit-policy": "3;w=300",
        }
        assert await spend(client, 2, **bearer(key)) == [200, 200]
        refused = await client.post("/graphql", json=QUERY, headers=bearer(key))
        assert (refused.status_code, code_of(refused)) == (429, "RATE_LIMITED")
        assert 95 <= int(refused.headers["retry-after"]) <= 100
        assert 95 <= refused.json()["errors"][0]["extensions"]["retryAfter"] <= 100
        assert refused.headers["ratelimit-remaining"] == "0"
        assert (await client.get("/agents/a/memories", headers=bearer(key))).json()["error"]["code"] == "RATE_LIMITED"
        assert (await client.get("/health/ready")).status_code == 200, "probes are not counted"


async def test_what_costs_more_is_charged_more(settings: Settings, migrated: Database):
    def of(size: int) -> dict[str, str]:
        return {"query": f"{{ agents(first: {size}) {{ nodes {{ id }} }} }}"}

    line = write_line(f"ann-{uuid4().hex[:8]}", Scope.READ, key := make_key())
    async with client_with(settings, **slow(api_keys=line, rate_burst=10)) as client:

        async def ask(size: int) -> httpx.Response:
            return await client.post("/graphql", json=of(size), headers=bearer(key))

        assert (await ask(900)).headers["ratelimit-remaining"] == "9"
        assert (await ask(1000)).headers["ratelimit-remaining"] == "7"
        body = {"query": " ".join(["{", *(f"a{i}: agents(first: 1000) {{ nodes {{ id }} }}" for i in range(7)), "}"])}
        refused = await client.post("/graphql", json=body, headers=bearer(key))
        assert (refused.status_code, code_of(refused)) == (429, "RATE_LIMITED")
        assert refused.headers["ratelimit-remaining"] == "6", "it was asked for, not executed"
        assert 95 <= int(refused.headers["retry-after"]) <= 100
        stream = await client.post("/graphql", json=body, headers=bearer(key) | {"Accept": "text/event-stream"})
        assert stream.status_code == 200
        assert "RATE_LIMITED" in stream.text
        assert (await ask(1000)).status_code == 200


async def test_guesses_are_counted_by_address(settings: Settings, migrated: Database):
    proxies = {"trusted_proxies": "127.0.0.1"}
    here = {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}
    async with client_with(settings, **slow(api_keys=LINES[0]), **proxies) as client:
        assert await spend(client, 4, **bearer("ecs_wrong"), **here) == [401, 401, 401, 429]


async def test_without_authentication_an_address_is_a_client(settings: Settings, migrated: Database):
    first, second = (f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}" for _ in range(2))
    async with client_with(settings, **slow(trusted_proxies="10.0.0.0/8, 127.0.0.1")) as client:
        assert await spend(client, 3, **{"X-Forwarded-For": f"{first}::1"}) == [200] * 3
        assert await spend(client, 1, **{"X-Forwarded-For": f"6.6.6.6, {first}::2, 10.1.2.3"}) == [429], "one network"
        assert await spend(client, 1, **{"X-Forwarded-For": f"{first}::1, {second}::1"}) == [200]


async def test_nobody_s_word_on_an_address_is_taken_unless_told_so(settings: Settings, migrated: Database):
    async with client_with(settings, redis_url=None, **slow()) as client:
        statuses = await spend(client, 3, **{"X-Forwarded-For": "1.1.1.1"})
        assert statuses + await spend(client, 1, **{"X-Forwarded-For": "2.2.2.2"}) == [200, 200, 200, 429]


async def test_operations_of_a_socket_are_counted(settings: Settings, migrated: Database):
    line = write_line(f"ann-{uuid4().hex[:8]}", Scope.READ, key := make_key())
    app = create_app(settings.model_validate(settings.model_dump() | slow(api_keys=line)))
    async with serving(app) as (address, _), socket_to(address) as client:
        await begin(client, bearer(key))
        ((kind, _), _) = await client.answers("{ agents(first: 1000) { nodes { id } } }")
        assert kind == "next"
        ((kind, _), _) = await client.answers(**QUERY)
        assert kind == "next"
        ((kind, errors),) = await client.answers(**QUERY)
        assert (kind, errors[0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        assert 90 < errors[0]["extensions"]["retryAfter"] <= 100


# Secrets


async def test_no_secret_is_ever_told(
    guarded: Settings, migrated: Database, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """Everything that is answered and logged is searched for everything that was sent as a credential."""
    for name in ("", "ecs", "uvicorn"):
        caplog.set_level(logging.DEBUG, name)
    logging.getLogger("neo4j").setLevel(logging.WARNING)
    wrong = make_key()
    signed = [token(scope=scope) for scope in ("read", "write", "admin", "")]
    signed += [token(exp=1000), token(aud="other"), sign("HS256", key="another secret of somebody else's 012345")]
    credentials = [READ, WRITE, ADMIN, OLD, wrong, *signed]
    told: list[str] = [repr(guarded)]
    app = create_app(guarded.model_validate(guarded.model_dump() | {"rate_limit": 1000}))
    async with serving(app) as (address, _), httpx.AsyncClient(base_url=f"http://{address}") as client:
        for credential in credentials:
            wrongly = [{"Authorization": f"Basic {credential}"}] if credential == READ else []
            for headers in (bearer(credential), *wrongly):
                for request in (
                    client.build_request("POST", "/graphql", json=QUERY, headers=headers),
                    client.build_request("POST", "/graphql", json=making(), headers=headers),
                    client.build_request("POST", "/graphql", content=b"{", headers=headers),
                    client.build_request("GET", "/metrics", headers=headers),
                    client.build_request("GET", "/health", headers=headers),
                    client.build_request("GET", "/agents/nobody/memories", headers=headers),
                ):
                    response = await client.send(request)
                    told += [response.text, repr(response.headers)]
            async with socket_to(address) as socket:
                await socket.send({"type": "connection_init", "payload": bearer(credential)})
                try:
                    told.append(repr(await socket.receive()))
                except Exception:
                    told.append(repr(await socket.closed()))
    seen = capfd.readouterr()
    # The client's own log repeats what the client sent.
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith(("websockets.c", "http"))]
    everything = "\n".join([*told, *logged, seen.out, seen.err])
    secrets = [*credentials, SECRET, *(line.split(":")[2] for line in LINES)]
    # Nor the part of a token that says who somebody is.
    secrets += [each.split(".")[1] for each in signed]
    assert [part for secret in secrets for part in parts(secret) if part in everything] == []
    assert "UNAUTHENTICATED" in everything
