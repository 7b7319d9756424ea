"""`ecs serve` where others can reach it: only with authentication, and with no secret in its log."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import connect

from server.access import Scope
from server.cli import app
from server.keys import make_key, write_line
from server.serve import ServeError, check_exposure, listening, serve
from server.settings import Settings, SettingsError
from server.websocket import PROTOCOL
from tests.conftest import ROOT
from tests.server.signing import SECRET, parts, sign
from tests.server.test_serve import environment, free_port

ECS = [sys.executable, "-c", "from server.cli import app; app()"]


def run(data: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ECS, *arguments],
        cwd=ROOT,
        env=environment(data, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_others_can_reach_needs_authentication(tmp_path: Path):
    result = run(tmp_path, "serve", host="0.0.0.0", port=free_port())
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(r"error: ECS_HOST: 0.0.0.0 can be reached from other machines.* Set ECS_API_KEYS .*", line)
    assert not (tmp_path / "neo4j").exists(), "nothing was started"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0"])
def test_addresses_that_others_can_reach(address: str):
    with pytest.raises(ServeError, match=f"ECS_HOST: {re.escape(address)} can be reached"):
        check_exposure(Settings(host=address), address)
    check_exposure(Settings(host=address, api_keys=write_line("ann", Scope.READ, make_key())), address)
    with pytest.raises(ServeError):
        check_exposure(Settings(host=address, api_keys=" ", rate_limit=5), address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_addresses_that_only_this_machine_can_reach(address: str):
    check_exposure(Settings(host=address), address)


@pytest.mark.parametrize(("host", "others"), [("localhost", False), ("::1", False), ("", True), ("::", True)])
def test_a_name_is_judged_by_the_address_that_it_leads_to(host: str, others: bool):
    settings = Settings(host=host, port=free_port())
    if not others:
        with listening(settings) as listener:
            assert listener.getsockname()[0] in {"127.0.0.1", "::1"}
        return
    with pytest.raises(ServeError, match="can be reached from other machines"), listening(settings):
        pass


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"api_keys": "ann:read:hunter2"}, "ECS_API_KEYS: key 1: the third part must be"),
        ({"api_keys_file": "/nowhere/keys"}, "ECS_API_KEYS_FILE: /nowhere/keys cannot be read"),
        ({"jwt_secret": "hunter2"}, "ECS_JWT_SECRET: must have 32 bytes at least"),
        ({"jwt_secret": SECRET, "jwt_jwks": "/x"}, "ECS_JWT_SECRET, ECS_JWT_PUBLIC_KEY_FILE, ECS_JWT_JWKS: set one"),
        ({"jwt_public_key_file": __file__}, "ECS_JWT_PUBLIC_KEY_FILE: "),
        ({"jwt_jwks": "https://issuer.example/keys"}, "ECS_JWT_JWKS: set ECS_JWT_ISSUER and ECS_JWT_AUDIENCE"),
        (
            {"jwt_jwks": "http://issuer.example/keys", "jwt_issuer": "i", "jwt_audience": "a"},
            "ECS_JWT_JWKS: must be the path of a file, or an address that begins with https://",
        ),
        ({"trusted_proxies": "10.0.0.0/33"}, "ECS_TRUSTED_PROXIES: '10.0.0.0/33' is neither"),
        ({"trusted_proxies": "*"}, "ECS_TRUSTED_PROXIES: '*' is neither"),
    ],
)
def test_settings_that_are_wrong_are_said_in_a_line(settings: dict[str, Any], said: str):
    with pytest.raises(SettingsError) as caught:
        serve(Settings(port=free_port(), **settings))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(said)
    assert "hunter2" not in line


def test_a_key_is_made_and_known():
    shown = CliRunner().invoke(app, ["key", "bo", "--scope", "write", "--until", "2027-12-31"]).stdout
    key, line = re.findall(r"^  (\S+)$", shown, re.MULTILINE)
    assert line == write_line("bo", Scope.WRITE, key, "2027-12-31")
    made = json.loads(CliRunner().invoke(app, ["key", "ann", "--json"]).stdout)
    assert made["line"] == write_line("ann", Scope.READ, made["key"])
    for wrong in (["a b"], ["ann", "--until", "tomorrow"]):
        assert CliRunner().invoke(app, ["key", *wrong]).exit_code == 1


@contextmanager
def served(tmp_path: Path, log: Path, **settings: object) -> Iterator[str]:
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [*ECS, "serve"], cwd=ROOT, env=environment(tmp_path, port=port, **settings), stdout=output, stderr=output
        )
    try:
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and process.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield f"127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait(10)


async def test_with_keys_it_serves_everybody_and_logs_no_secret_at_any_level(
    tmp_path: Path, servers: Any, migrated: Any
):
    key, wrong, token = make_key(), make_key(), sign("HS256", scope="admin", iss=None, aud=None)
    line, log = write_line("ann", Scope.ADMIN, key), tmp_path.with_name(f"{tmp_path.name}.log")
    settings = {
        "host": "0.0.0.0",
        "database_url": servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@"),
        "redis_url": servers.redis_url,
        "workers": 1,
        "api_keys": line,
        "jwt_secret": SECRET,
        "rate_limit": 1000,
        "log_level": "debug",
    }
    told: list[str] = []
    with served(tmp_path, log, **settings) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            for credential, status in ((key, 200), (token, 200), (wrong, 401)):
                headers = {"Authorization": f"Bearer {credential}"}
                for path in ("/graphql?query={__typename}", "/metrics"):
                    response = await client.get(path, headers=headers)
                    assert response.status_code == status
                    told += [response.text, repr(response.headers)]
                async with connect(f"ws://{address}/graphql", subprotocols=[PROTOCOL]) as connection:
                    await connection.send(json.dumps({"type": "connection_init", "payload": headers}))
                    async with asyncio.timeout(10):
                        await connection.recv() if status == 200 else await connection.wait_closed()
                if status == 200:
                    async with connect(
                        f"ws://{address}/graphql", subprotocols=[PROTOCOL], additional_headers=headers
                    ) as connection:
                        await connection.send(
                            json.dumps({"type": "connection_init", "payload": {"apiKey": credential}})
                        )
                        assert "connection_ack" in str(await connection.recv())
    written = log.read_text()
    assert "path=/graphql" in written, "requests are logged at this level"
    everything = "\n".join([written, *told])
    secrets = [key, wrong, token, token.split(".")[2], SECRET, line.split(":")[2], servers.password]
    assert [part for secret in secrets for part in parts(secret) if part in everything] == []
