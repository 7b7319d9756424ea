"""What `ecs doctor` says about who is let in."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from server.access import Scope
from server.doctor import Diagnosis, Finding, look_at_access
from server.keys import make_key, write_line
from server.settings import Settings
from tests.server.signing import AUDIENCE, ISSUER, RSA, SECRET, jwk, jwks
from tests.subscriptions import serving

LINE, OLD = (write_line("ann", Scope.READ, make_key(), until) for until in (None, "2020-01-01"))


async def look(**settings: Any) -> list[Finding]:
    diagnosis = Diagnosis()
    await look_at_access(Settings(**settings), diagnosis)
    return diagnosis.findings


@pytest.mark.parametrize(
    ("settings", "name", "ok", "value"),
    [
        ({}, "Access", True, "everybody, on this machine only"),
        ({"rate_limit": 5}, "Access", True, "everybody, on this machine only"),
        ({"api_keys": f"{LINE} {OLD}"}, "API keys", True, "1 good, 1 expired"),
        ({"api_keys": OLD}, "API keys", False, "0 good, 1 expired"),
        ({"jwt_secret": SECRET}, "Tokens", True, "their keys are at hand"),
        ({"api_keys": "ann:read:hunter2"}, "Access", False, "ECS_API_KEYS: key 1: the third part must be the SHA-256"),
    ],
)
async def test_who_is_let_in(settings: dict[str, Any], name: str, ok: bool, value: str):
    (finding,) = await look(**settings)
    assert (finding.name, finding.ok) == (name, ok)
    assert finding.value.startswith(value)
    assert bool(finding.remedy) is not ok


async def test_an_address_of_keys_is_asked():
    for response, value in (
        (Response(jwks(jwk(RSA))), "their keys are at hand"),
        (Response(status_code=404), "their keys cannot be fetched: status 404"),
        (Response("<html>"), "their keys cannot be fetched: is not JSON"),
    ):
        async with serving(Starlette(routes=[Route("/keys", lambda _, response=response: response)])) as (address, _):
            (finding,) = await look(jwt_jwks=f"http://{address}/keys", jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
        assert (finding.name, finding.value) == ("Tokens", value)


async def test_a_file_of_keys_is_read(tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(jwk(RSA)))
    (finding,) = await look(jwt_jwks=str(path), jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
    assert finding.ok
