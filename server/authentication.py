"""Makes what lets callers in, as the settings say, and says what is wrong with them."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

from resolvers import valkey
from resolvers.rates import RateLimiter
from server.access import Scope
from server.admission import AccessControl
from server.jwks import (
    SHORTEST_SECRET,
    KeySource,
    KnownKeys,
    RemoteKeys,
    VerifyingKey,
    check_address,
    read_jwks,
    read_public_key,
)
from server.keys import ApiKeys, read_keys
from server.settings import Settings, SettingsError, reveal
from server.tokens import Expected, Tokens
from server.watched import WatchedFile


def make_access_control(
    settings: Settings, redis: valkey.Redis | None = None, needs: Mapping[str, Scope] | None = None
) -> AccessControl | None:
    """Makes what admits callers, or None if everybody may do everything. Raises SettingsError."""
    keys, tokens, limiter = make_keys(settings), make_tokens(settings), make_limiter(settings, redis)
    if keys is None and tokens is None and limiter is None:
        return None
    return AccessControl(keys=keys, tokens=tokens, limiter=limiter, needs=needs)


def make_keys(settings: Settings) -> ApiKeys | None:
    sources = []
    if text := reveal(settings.api_keys).strip():
        try:
            known = read_keys(text)
        except ValueError as error:
            raise SettingsError(f"ECS_API_KEYS: {error}") from None
        sources.append(lambda: known)
    if settings.api_keys_file:
        sources.append(
            WatchedFile("ECS_API_KEYS_FILE", settings.api_keys_file, lambda data: read_keys(data.decode("utf-8-sig")))
        )
    return ApiKeys(*sources) if sources else None


def make_tokens(settings: Settings) -> Tokens | None:
    source = make_source(settings)
    if source is None:
        return None
    audience = [each.strip() for each in (settings.jwt_audience or "").split(",") if each.strip()]
    # Whoever publishes keys signs for many; one's own secret or key signs for nobody else.
    if settings.jwt_jwks and not (settings.jwt_issuer and audience):
        raise SettingsError(
            "ECS_JWT_JWKS: set ECS_JWT_ISSUER and ECS_JWT_AUDIENCE as well, or else tokens for others would do."
        )
    expected = Expected(
        issuer=settings.jwt_issuer or None,
        audience=audience,
        leeway=settings.jwt_leeway,
        prefix=settings.jwt_scope_prefix,
    )
    return Tokens(source, expected)


def make_source(settings: Settings) -> KeySource | None:
    """Makes what finds the keys of tokens. Raises SettingsError, also if there are several of them."""
    secret, file, jwks = reveal(settings.jwt_secret), settings.jwt_public_key_file, settings.jwt_jwks
    if sum(map(bool, (secret, file, jwks))) > 1:
        raise SettingsError("ECS_JWT_SECRET, ECS_JWT_PUBLIC_KEY_FILE, ECS_JWT_JWKS: set one of them, not several.")
    if secret:
        if len(secret.encode()) < SHORTEST_SECRET:
            raise SettingsError(f"ECS_JWT_SECRET: must have {SHORTEST_SECRET} bytes at least; `openssl rand -hex 32`")
        known = [VerifyingKey("HS256", secret.encode())]
        return KnownKeys(lambda: known)
    if file:
        return KnownKeys(WatchedFile("ECS_JWT_PUBLIC_KEY_FILE", file, read_public_key))
    if not jwks:
        return None
    if "://" not in jwks:
        return KnownKeys(WatchedFile("ECS_JWT_JWKS", Path(jwks), read_jwks))
    try:
        check_address(jwks)
    except ValueError as error:
        raise SettingsError(f"ECS_JWT_JWKS: {error}") from None
    return RemoteKeys(jwks)


def make_limiter(settings: Settings, redis: valkey.Redis | None) -> RateLimiter | None:
    if settings.rate_limit is None:
        return None
    burst = settings.rate_burst or max(1.0, 2 * settings.rate_limit)
    return RateLimiter(redis, rate=settings.rate_limit, burst=burst)


def read_proxies(settings: Settings) -> list[str]:
    """Lists the addresses and networks of proxies that are believed. Raises SettingsError."""
    found = [each.strip() for each in settings.trusted_proxies.split(",") if each.strip()]
    for each in found:
        try:
            ip_network(each) if "/" in each else ip_address(each)
        except ValueError:
            raise SettingsError(
                f"ECS_TRUSTED_PROXIES: {each[:60]!r} is neither an address nor a network such as 10.0.0.0/8."
            ) from None
    return found
