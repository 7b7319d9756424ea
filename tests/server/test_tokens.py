"""Tokens: only what the expected issuer signed with the expected algorithm, for us and for now, is taken."""

import base64
import hmac
import json
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.api_jws import PyJWS

from server.access import Scope, Unauthenticated
from server.jwks import KnownKeys, VerifyingKey, read_jwks, read_public_key
from server.tokens import Expected, Tokens
from tests.server.signing import AUDIENCE, EC, ISSUER, RSA, SECRET, claims, jwk, jwks, pem, sign

LEEWAY = 30.0
EXPECTED = Expected(issuer=ISSUER, audience=[AUDIENCE], leeway=LEEWAY)
PUBLIC = [*read_public_key(pem(RSA)), *read_public_key(pem(EC))]
SHARED = [VerifyingKey("HS256", SECRET.encode())]
ALL = Tokens(KnownKeys(lambda: [*SHARED, *PUBLIC]), EXPECTED)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def encode(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: Any, payload: Any = None, signature: bytes = b"") -> str:
    return f"{encode(header)}.{encode(claims() if payload is None else payload)}.{encode(signature)}"


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
async def test_what_the_issuer_signs_is_taken(algorithm: str):
    caller = await ALL.identify(sign(algorithm, scope="openid write"))
    assert (caller.name, caller.kind, caller.scope) == ("ann", "token", Scope.WRITE)
    assert caller.expires == pytest.approx(datetime.now(UTC).timestamp() + 600 + LEEWAY, abs=5)


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        ({"scope": "read write"}, Scope.WRITE),
        ({"scope": None, "scp": ["read"]}, Scope.READ),
        ({"scope": None, "scp": "admin"}, Scope.ADMIN),
        ({"scope": None, "scopes": ["openid", "write"]}, Scope.WRITE),
        ({"scope": "openid profile"}, Scope.NONE),
        ({"scope": {"admin": True}}, Scope.NONE),
        ({"scope": ["read", 7, None]}, Scope.READ),
        ({"scope": None}, Scope.NONE),
    ],
)
async def test_scopes_as_issuers_write_them(said: dict[str, Any], scope: Scope):
    assert (await ALL.identify(sign("HS256", **said))).scope == scope


async def test_a_prefix_tells_our_scopes_from_others():
    tokens = Tokens(KnownKeys(lambda: SHARED), Expected(issuer=ISSUER, audience=[AUDIENCE], prefix="ecs:"))
    assert (await tokens.identify(sign("HS256", scope="admin ecs:read"))).scope == Scope.READ


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"exp": 1000}, "has expired"),
        ({"exp": None}, "lacks the claim exp"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": 10**400}, "malformed"),
        ({"nbf": 9_999_999_999}, "not valid yet"),
        ({"iat": 9_999_999_999}, "not valid yet"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"iss": None}, "lacks the claim iss"),
        ({"aud": "other"}, "another audience"),
        ({"aud": None}, "lacks the claim aud"),
        ({"sub": None}, "does not say whose it is"),
        ({"sub": "x" * 300}, "does not say whose it is"),
    ],
)
async def test_what_a_token_must_say(said: dict[str, Any], fault: str):
    token = forge_signed(said)
    with pytest.raises(Unauthenticated, match=fault):
        await ALL.identify(token)


def forge_signed(said: dict[str, Any]) -> str:
    """Signs whatever is said, also what no library would."""
    return PyJWS().encode(json.dumps(claims(**said)).encode(), SECRET, "HS256")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "RS512", "PS256", "EdDSA", "", None, 7, ["RS256"]])
async def test_other_algorithms_are_refused(algorithm: Any):
    for signature in (b"", b"x" * 32):
        with pytest.raises(Unauthenticated):
            await ALL.identify(forge({"alg": algorithm, "typ": "JWT"}, signature=signature))


@pytest.mark.parametrize("key", [RSA, EC])
@pytest.mark.parametrize("as_text", [pem, lambda key: orjson.dumps(jwk(key)), lambda key: pem(key).strip()])
async def test_a_public_key_is_never_taken_for_a_secret(key: Any, as_text: Callable[[Any], bytes]):
    """The attack: sign with HS256, and the public key that everybody knows as its secret."""
    body = f"{encode({'alg': 'HS256'})}.{encode(claims(scope='admin'))}"
    forged = f"{body}.{encode(hmac.digest(as_text(key), body.encode(), sha256))}"
    with pytest.raises(Unauthenticated):
        await Tokens(KnownKeys(lambda: PUBLIC), EXPECTED).identify(forged)
    with pytest.raises(Unauthenticated):
        await ALL.identify(forged)


async def test_a_key_is_used_with_its_own_algorithm_only():
    with pytest.raises(Unauthenticated, match="not known here"):
        await Tokens(KnownKeys(lambda: SHARED), EXPECTED).identify(sign("RS256"))
    with pytest.raises(Unauthenticated, match="not known here"):
        await Tokens(KnownKeys(lambda: read_public_key(pem(EC))), EXPECTED).identify(sign("RS256"))


async def test_keys_and_addresses_that_tokens_bring_along_are_not_used():
    asked: list[str] = []

    class Watched(KnownKeys):
        async def find(self, algorithm: str, id: str | None) -> VerifyingKey:
            asked.append(algorithm)
            return await super().find(algorithm, id)

    attacker = rsa.generate_private_key(65537, 2048)
    headers = {"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/keys", "jwk": jwk(attacker)}
    forged = PyJWS().encode(orjson.dumps(claims(scope="admin")), attacker, "RS256", headers)
    with pytest.raises(Unauthenticated, match="signature is wrong"):
        await Tokens(Watched(lambda: PUBLIC), EXPECTED).identify(forged)
    assert asked == ["RS256"]


@given(at=st.integers(0, 10_000), letter=st.sampled_from(string.ascii_letters + string.digits + "-_."))
async def test_a_token_that_was_changed_is_refused(at: int, letter: str):
    token = sign("ES256")
    at %= len(token)
    changed = token[:at] + letter + token[at + 1 :]
    try:
        caller = await ALL.identify(changed)
    except Unauthenticated:
        assert changed != token
    else:
        # The last letter of base64 has bits that mean nothing.
        assert changed[:-1] == token[:-1]
        assert caller.name == "ann"


@given(st.text(max_size=200) | st.builds(forge, json_values, json_values, st.binary(max_size=80)))
async def test_any_text_is_refused_and_nothing_else_happens(text: str):
    with pytest.raises(Unauthenticated) as caught:
        await ALL.identify(text.encode("utf-8", "replace").decode())
    assert len(caught.value.message) < 120


async def test_nothing_is_too_deep_or_too_long():
    deep = b'{"alg": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    for header in (deep, b'{"alg": "HS256", "kid": ' + b"9" * 5000 + b"}"):
        with pytest.raises(Unauthenticated):
            await ALL.identify(forge(header))


@given(json_values)
async def test_whatever_is_signed_has_a_name_and_a_scope_or_is_refused(said: Any):
    payload = claims() | said if isinstance(said, dict) else said
    token = PyJWS().encode(json.dumps(payload).encode(), SECRET, "HS256")
    try:
        caller = await ALL.identify(token)
    except Unauthenticated:
        return
    assert caller.name
    assert isinstance(caller.expires, float)


# Time


class Clock:
    """The time as it is, and as far from it as a test says: for us and for the library that verifies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        clock = self

        class Jumping(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + timedelta(seconds=clock.ahead)

        monkeypatch.setattr("jwt.api_jwt.datetime", Jumping)

    def __call__(self) -> float:
        return datetime.now(UTC).timestamp() + self.ahead


@pytest.mark.parametrize("known", [False, True])
async def test_a_jump_of_the_clock_within_the_leeway_refuses_nobody(monkeypatch: pytest.MonkeyPatch, known: bool):
    clock = Clock(monkeypatch)
    tokens = Tokens(KnownKeys(lambda: SHARED), EXPECTED, clock=clock)
    token = sign("HS256", exp=int(clock()) + 60, nbf=int(clock()))
    if known:
        await tokens.identify(token)
    for ahead in (-25, 25, 85):
        clock.ahead = ahead
        await tokens.identify(token)
    for ahead in (91, 86_400):
        clock.ahead = ahead
        with pytest.raises(Unauthenticated, match="has expired"):
            await tokens.identify(token)
    clock.ahead = 0
    assert (await tokens.identify(token)).name == "ann", "a clock that was set right again"


async def test_a_clock_that_is_far_behind_takes_no_token_of_later(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    clock.ahead = -40
    with pytest.raises(Unauthenticated, match="not valid yet"):
        await Tokens(KnownKeys(lambda: SHARED), EXPECTED, clock=clock).identify(sign("HS256"))


# Key sets


def test_a_key_set_is_read_for_what_it_is_good_for():
    keys = read_jwks(
        jwks(
            jwk(RSA, "a"),
            jwk(EC, "b", use="sig", alg="ES256"),
            jwk(RSA, "c", use="enc"),
            jwk(RSA, "d", alg="PS256"),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "e"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "short"},
            {"kty": "EC", "crv": "P-256", "x": "??", "y": 7, "kid": "wrong"},
        )
    )
    assert [(key.id, key.algorithm) for key in keys] == [("a", "RS256"), ("b", "ES256")]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"<html>", "is not JSON"),
        (b"[]", "is no key set"),
        (b'{"keys": {}}', "is no key set"),
        (jwks(), "holds no key for"),
        (jwks(*[jwk(EC)] * 101), "100 at most"),
        (jwks(jwk(EC, private=True)), "holds a private key"),
    ],
    ids=range(6),
)
def test_what_is_no_key_set_is_refused(data: bytes, fault: str):
    with pytest.raises(ValueError, match=fault):
        read_jwks(data)


@given(json_values)
def test_any_json_is_a_key_set_or_refused(value: Any):
    for each in (value, {"keys": value}, {"keys": [value]}, {"keys": [{"kty": "RSA", "n": value, "e": value}]}):
        with pytest.raises(ValueError, match=r"is no key set|holds no key|is not JSON"):
            read_jwks(json.dumps(each).encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", pem(RSA, private=True)],
    ids=["nothing", "garbage", "private"],
)
def test_what_is_no_public_key_is_refused(data: bytes):
    with pytest.raises(ValueError, match=r"holds (no public|a private) key"):
        read_public_key(data)


async def test_a_token_that_names_no_key_means_the_only_one():
    one = Tokens(KnownKeys(lambda: read_jwks(jwks(jwk(RSA, "a"), jwk(EC, "b")))), EXPECTED)
    assert (await one.identify(sign("RS256"))).name == "ann"
    assert (await one.identify(sign("ES256", kid="b"))).name == "ann"
    with pytest.raises(Unauthenticated, match="not known here"):
        await one.identify(sign("ES256", kid="a"))
    two = Tokens(KnownKeys(lambda: read_jwks(jwks(jwk(RSA, "a"), jwk(RSA, "b")))), EXPECTED)
    with pytest.raises(Unauthenticated, match="by which key"):
        await two.identify(sign("RS256"))
