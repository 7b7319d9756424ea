"""Settings: all from the environment, each checked at start."""

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

import orjson
from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from graph.analytics.engine import Choice
from graph.checks import LONGEST_EMBEDDING
from graph.database import DIMENSION
from graph.embedding import DIMENSION as OF_MODEL
from graph.embedding import Embeddings, check_usable
from server.logs import Format

DATABASE_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
REDIS_SCHEMES = ("redis", "rediss")
LEVELS = Literal["debug", "info", "warning", "error", "critical"]


class SettingsError(Exception):
    """Settings that make no sense; one line for each."""


class Settings(BaseSettings):
    """What can be set, each as ECS_ and its name in capitals. Sizes are in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="ECS_", extra="ignore", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="The address that the API listens on.")
    port: int = Field(8000, ge=1, le=65535, description="The port that the API listens on.")
    workers: int | None = Field(
        None, ge=1, le=64, description="Worker processes; 1 with the embedded database, else 4."
    )
    log_level: LEVELS = Field("info", description="debug, info, warning, error or critical.")
    log_format: Format | None = Field(None, description="text, for people, or json, one object a line.")
    log_requests: bool | None = Field(None, description="Log each request; by default with json, or at level debug.")
    slow_operation: float = Field(
        1.0, gt=0, description="Operations and queries that take longer are logged, with what they read."
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="A port of its own for /metrics, which the API's then does not have."
    )
    metrics_host: str = Field("127.0.0.1", description="The address that ECS_METRICS_PORT listens on.")
    metrics_dir: Path | None = Field(
        None, description="Where workers share what they count; `ecs serve` makes a directory and removes it."
    )
    tracing: bool = Field(
        False, description="Send OpenTelemetry traces, to where OTEL_EXPORTER_OTLP_ENDPOINT says; needs the extra otel."
    )
    deadline: float = Field(10.0, gt=0, le=300, description="How long a request may take, its queries included.")
    max_running: int = Field(512, ge=1, description="Requests that a worker has in the works at a time.")
    max_waiting: int = Field(1000, ge=0, description="Requests that wait for a worker; more are told to come later.")
    max_streams: int = Field(2000, ge=1, description="Sockets and streams of events that a worker keeps open.")
    max_body: int = Field(1_048_576, ge=1000, description="How long a request's body, or a socket's message, may be.")
    max_cost: int = Field(200_000, ge=1, description="How many objects an operation may ask for.")
    max_depth: int = Field(20, ge=1, description="How many levels of fields an operation may have.")
    max_fields: int = Field(5000, ge=1, description="How many fields an operation may have, fragments included.")
    max_aliases: int = Field(200, ge=0, description="How many aliases an operation may have, fragments included.")
    max_root_fields: int = Field(100, ge=1, description="How many fields an operation may have at its root.")
    max_directives: int = Field(200, ge=0, description="How many directives an operation may have, fragments included.")
    max_tokens: int = Field(2000, ge=1, le=10_000, description="How many words and signs a document may have.")
    status_codes: Literal["common", "precise"] = Field(
        "common", description="The statuses of GraphQL answers: common, or precise, with 422 and 294."
    )
    cors_origins: str | None = Field(None, description="Origins whose web pages may ask, with commas, or *.")
    allowed_hosts: str | None = Field(
        None,
        description="Names that requests may give this server, with commas, or *; by default this machine's own "
        "unless others can reach it or callers show who they are.",
    )
    introspection: bool = Field(True, description="Let clients ask for the schema.")
    graphiql: bool = Field(True, description="Serve GraphiQL to browsers.")
    max_agents: int = Field(10_000, ge=1, description="How many agents the society may have.")
    memory_limit: int = Field(
        2_000_000_000, ge=100_000_000, description="How much memory the API's workers may use together."
    )
    api_keys: SecretStr | None = Field(
        None, description="API keys by their hashes: NAME:SCOPES:SHA256, between commas or spaces; `ecs key` makes one."
    )
    api_keys_file: Path | None = Field(None, description="A file of API keys, one a line, read again when it changes.")
    jwt_secret: SecretStr | None = Field(None, description="The secret that tokens are signed with (HS256).")
    jwt_public_key_file: Path | None = Field(
        None, description="The public key that verifies tokens, in PEM: RSA (RS256) or P-256 (ES256)."
    )
    jwt_jwks: str | None = Field(None, description="The keys that verify tokens: a JWKS file, or its https address.")
    jwt_issuer: str | None = Field(None, description="Whom tokens must come from (iss).")
    jwt_audience: str | None = Field(None, description="Whom tokens must be for (aud); one of several between commas.")
    jwt_leeway: float = Field(30.0, ge=0, le=300, description="How far the clocks of issuers may differ.")
    jwt_scope_prefix: str = Field("", description="What the names of this API's scopes begin with in tokens.")
    rate_limit: float | None = Field(None, gt=0, description="Requests a second that a client may send for long.")
    rate_burst: float | None = Field(
        None, ge=1, description="Requests that a client may send at once; twice ECS_RATE_LIMIT by default."
    )
    trusted_proxies: str = Field(
        "", description="Addresses and networks whose X-Forwarded-For is believed, between commas; none by default."
    )
    trusted_documents: Path | None = Field(
        None, description="A JSON file of documents by their hashes; no others are executed then."
    )
    embeddings: Embeddings = Field(
        Embeddings.NONE,
        description="What computes embeddings of memories and questions that come without: local, a small model in "
        "a process of its own (needs the extra embeddings), or none.",
    )
    embedding_dimension: int = Field(
        DIMENSION,
        ge=1,
        le=LONGEST_EMBEDDING,
        description="How many numbers the embeddings of memories have; by default as many as the model gives.",
    )
    analytics: Choice = Field(
        Choice.AUTO,
        description="What analyses the network: gds (in Neo4j), igraph, or auto, which is gds if it is there.",
    )
    analytics_max_age: float = Field(30.0, ge=0, description="How old a snapshot of the network may be to be reused.")
    analytics_deadline: float = Field(60.0, gt=0, le=3600, description="How long an analysis may take.")
    analytics_max_relationships: int = Field(5_000_000, ge=1, description="How large a network is analysed.")
    demo: bool = Field(True, description="Fill an empty embedded database with a demonstration society.")

    database_url: SecretStr | None = Field(
        None, description="The Neo4j to use (bolt://, neo4j://, neo4j+s://); without it an embedded one is started."
    )
    database_user: str | None = Field(None, description="Its user, unless the URL names one; neo4j by default.")
    database_password: SecretStr | None = Field(None, description="Its password, unless the URL has it.")
    redis_url: SecretStr | None = Field(
        None, description="The Redis or Valkey to use, or a node of a cluster (redis://, rediss://)."
    )
    cache: bool = Field(
        True, description="Keep answers in Redis and in the workers; a cluster's (neo4j://) then come from its leader."
    )
    pool_size: int = Field(50, ge=1, le=1000, description="Database connections a worker may hold.")
    pool_acquisition_timeout: float = Field(10.0, gt=0, description="How long a query waits for a connection.")
    pool_lifetime: float = Field(3600.0, gt=0, description="How old a connection may become.")
    pool_liveness_after: float = Field(30.0, ge=0, description="How long a connection may idle before it is checked.")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("ecs"), description="Where the embedded servers keep their data."
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("ecs"), description="Where Neo4j's own files are kept once fetched."
    )
    heap_size: int | None = Field(None, ge=128_000_000, description="Embedded Neo4j's heap; from the machine's memory.")
    page_cache_size: int | None = Field(
        None, ge=8_000_000, description="Embedded Neo4j's page cache; from the machine's memory."
    )

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        check_url("ECS_DATABASE_URL", self.database_url, DATABASE_SCHEMES)
        check_url("ECS_REDIS_URL", self.redis_url, REDIS_SCHEMES)
        read_origins(self.cors_origins)
        if self.database_url and not self.database_login()[2]:
            raise ValueError("ECS_DATABASE_PASSWORD: missing; put it there or into ECS_DATABASE_URL")
        return self

    @model_validator(mode="after")
    def _check_embeddings(self) -> Self:
        if self.embeddings is Embeddings.LOCAL:
            check_usable(self.embedding_dimension if "embedding_dimension" in self.model_fields_set else None)
            self.embedding_dimension = OF_MODEL
        return self

    @property
    def authenticates(self) -> bool:
        """Tells whether callers must show who they are."""
        keys, tokens = reveal(self.api_keys).strip(), reveal(self.jwt_secret)
        return any((keys, self.api_keys_file, tokens, self.jwt_public_key_file, self.jwt_jwks))

    @property
    def tells_requests(self) -> bool:
        by_default = self.log_format == "json" or self.log_level == "debug"
        return by_default if self.log_requests is None else self.log_requests

    @property
    def processes(self) -> int:
        return self.workers or (4 if self.database_url else 1)

    def database_login(self) -> tuple[str, str, str]:
        """Splits the database's URL into the address, the user and the password."""
        parts = urlsplit(reveal(self.database_url))
        user = self.database_user or unquote(parts.username or "") or "neo4j"
        password = reveal(self.database_password) or unquote(parts.password or "")
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), user, password


def reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def check_url(name: str, url: SecretStr | None, schemes: tuple[str, ...]) -> None:
    """Raises ValueError for a URL that cannot be used; never repeats it, because it may hold a password."""
    if url is None:
        return
    try:
        parts = urlsplit(reveal(url))
        usable = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{name}: must be like {schemes[0]}://host:port, with one of {', '.join(schemes)}")


def read_origins(text: str | None) -> list[str]:
    """Reads a list of origins with commas between. Raises ValueError."""
    found = [each.strip().rstrip("/") for each in (text or "").split(",") if each.strip()]
    for each in found:
        parts = urlsplit(each)
        if each != "*" and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query):
            raise ValueError(f"ECS_CORS_ORIGINS: {each!r} must be like https://example.org, or * for any")
    return found


def load_documents(path: Path | None) -> dict[str, str] | None:
    """Reads trusted documents: an object of texts by hash, or Apollo's manifest. Raises SettingsError."""
    if path is None:
        return None
    try:
        manifest: Any = orjson.loads(path.read_bytes())
        if manifest.get("format") == "apollo-persisted-query-manifest":
            manifest = {each["id"]: each["body"] for each in manifest["operations"]}
        if all(isinstance(text, str) for text in manifest.values()):
            return manifest
        fault = "holds something else than texts"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        fault = f"is no manifest of documents: {error}"
    raise SettingsError(f"ECS_TRUSTED_DOCUMENTS: {path} {fault}")


def load_settings() -> Settings:
    """Reads the environment. Raises SettingsError with one line for each setting that is wrong."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        raise SettingsError("\n".join(map(describe, error.errors()))) from None


def unknown_settings() -> list[str]:
    """Names variables that look like settings and are none; other software's may be among them."""
    return sorted(
        name
        for name in os.environ
        if name.startswith("ECS_") and name.removeprefix("ECS_").lower() not in Settings.model_fields
    )


def describe(error: object) -> str:
    """Writes one of pydantic's errors as a line: which setting, what is wrong."""
    match error:
        case {"loc": (name, *_), "msg": message}:
            return f"ECS_{str(name).upper()}: {message}"
        case {"msg": str(message)}:
            return message.removeprefix("Value error, ")
        case _:
            return str(error)
