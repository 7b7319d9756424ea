"""API keys: only a key's digest is kept, and whatever is wrong with a line is said without repeating it."""

import re
import string
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.access import (
    SCOPES,
    Scope,
    Unauthenticated,
    credential_in_headers,
    credential_in_payload,
    highest,
)
from server.keys import ApiKeys, digest_of, make_key, read_keys, read_line, write_line

names = st.text(string.ascii_letters + string.digits, min_size=1, max_size=64)
scopes = st.lists(st.sampled_from(sorted(SCOPES)), min_size=1, max_size=4)


def test_keys_are_long_and_never_the_same():
    made = {make_key() for _ in range(1000)}
    assert len(made) == 1000
    assert all(each.startswith("ecs_") and len(each) == 47 for each in made)


@given(names, st.sampled_from([Scope.READ, Scope.WRITE, Scope.ADMIN]))
def test_what_is_written_is_read(name: str, scope: Scope):
    key = make_key()
    line = write_line(name, scope, key)
    assert key not in line
    (read,) = read_keys(line)
    assert (read.caller.name, read.caller.scope, read.caller.expires) == (name, scope, None)
    assert ApiKeys(lambda: [read]).identify(key, now=0.0) == read.caller


@given(names, scopes)
def test_a_scope_includes_those_below_it(name: str, given: list[str]):
    read = read_line(f"{name}:{'+'.join(given)}:{'0' * 64}")
    assert read.caller.scope == max(SCOPES[each] for each in given)


@given(st.text())
def test_any_text_is_read_or_refused_without_repeating_it(text: str):
    try:
        found = read_keys(text)
    except ValueError as error:
        found = str(error)
    assert found
    assert not isinstance(found, str) or len(found) < 120


@given(st.lists(names, min_size=1, max_size=5), st.sampled_from(["\n", ",", " ", "\r\n", " # who\n", "\n\n# a line\n"]))
def test_keys_stand_on_lines_or_between_commas_and_spaces(who: list[str], between: str):
    lines = [f"{name}:read:{sha256(bytes([at])).hexdigest()}" for at, name in enumerate(who)]
    assert [key.caller.name for key in read_keys(between.join(lines))] == who


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "holds no key"),
        ("# nothing", "holds no key"),
        ("ann:read", "key 1: must be NAME:SCOPES:SHA256"),
        (f"a/b:read:{'0' * 64}", "key 1: the name must be"),
        (f"ann:root:{'0' * 64}", "key 1: the scopes must be"),
        (f"ann::{'0' * 64}", "key 1: the scopes must be"),
        ("ann:read:ecs_hunter2", "key 1: the third part must be the SHA-256"),
        (f"ann:read:{'0' * 64}:tomorrow", "key 1: the fourth part must be the key's last day"),
        (f"ann:read:{'0' * 64} bo:read:{'0' * 64}", "holds the same key twice"),
        (" ".join(f"a:read:{at:064x}" for at in range(1001)), "holds 1001 keys; 1000 at most"),
    ],
)
def test_what_is_wrong_is_said(line: str, fault: str):
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}") as caught:
        read_keys(line)
    assert "hunter2" not in str(caught.value)


def test_a_key_is_good_to_the_end_of_its_last_day():
    key = make_key()
    keys = ApiKeys(lambda: read_keys(write_line("ann", Scope.READ, key, "2026-03-31")))
    midnight = 1775001600.0
    assert keys.identify(key, now=midnight - 1).name == "ann"
    with pytest.raises(Unauthenticated, match="expired"):
        keys.identify(key, now=midnight)


@given(st.text(max_size=60))
def test_no_other_key_is_known(guess: str):
    key = "ecs_the_right_one"
    keys = ApiKeys(lambda: read_keys(f"ann:read:{digest_of(key).hex()}"))
    assert keys.identify(key, now=0.0).name == "ann"
    with pytest.raises(Unauthenticated, match="not known"):
        keys.identify(guess.encode("utf-8", "replace").decode(), now=0.0)


# Credentials


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"accept"]), st.binary()), max_size=3))
def test_any_headers_have_a_credential_or_none_or_are_refused(headers: list[tuple[bytes, bytes]]):
    try:
        credential = credential_in_headers(headers)
    except Unauthenticated:
        return
    carrying = [value for name, value in headers if name != b"accept"]
    assert (credential is None) == (not carrying)
    assert credential is None or credential.encode() in carrying[0]


@given(
    st.dictionaries(
        st.sampled_from(["Authorization", "apiKey", "X-API-Key", "other"]) | st.text(),
        st.none() | st.text() | st.integers() | st.lists(st.text()),
    )
)
def test_any_payload_has_a_credential_or_none_or_is_refused(payload: dict[str, object]):
    try:
        credential = credential_in_payload(payload)
    except Unauthenticated:
        return
    assert credential is None or any(credential in value for value in payload.values() if isinstance(value, str))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer key")],
        [(b"authorization", b"bearer  key ")],
        [(b"x-api-key", b"key")],
    ],
)
def test_where_a_credential_may_stand(headers: list[tuple[bytes, bytes]]):
    assert credential_in_headers(headers) == "key"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_payload_may_carry_what_headers_do(name: str):
    assert credential_in_payload({name: "Bearer key"}) == "key"
    assert credential_in_payload({"apiKey": "key"}) == credential_in_payload({"x-api-key": "key"}) == "key"
    assert credential_in_payload(None) is credential_in_payload({}) is None


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Basic a2V5")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"key")],
        [(b"x-api-key", b"")],
        [(b"x-api-key", b"k\xe9y")],
        [(b"x-api-key", b"k" * 8193)],
        [(b"authorization", b"Bearer key"), (b"x-api-key", b"key")],
        [(b"authorization", b"Bearer key"), (b"authorization", b"Bearer other")],
    ],
)
def test_what_is_no_credential_is_refused(headers: list[tuple[bytes, bytes]]):
    with pytest.raises(Unauthenticated):
        credential_in_headers(headers)


def test_scopes_of_others_count_for_nothing():
    assert highest(["openid", "READ", "writer"]) == Scope.NONE
    assert highest(["openid", "write", "read"]) == Scope.WRITE
