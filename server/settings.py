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
    deadline: float = Field(10.0, gt=0, le=300, description="How long a request may take, its queries included.")
    max_agents: int = Field(10_000, ge=1, description="How many agents the society may have.")
    memory_limit: int = Field(
        2_000_000_000, ge=100_000_000, description="How much memory the API's workers may use together."
    )
    trusted_documents: Path | None = Field(
        None, description="A JSON file of documents by their hashes; no others are executed then."
    )
    embedding_dimension: int = Field(
        DIMENSION, ge=1, le=LONGEST_EMBEDDING, description="How many numbers the embeddings of memories have."
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
    redis_url: SecretStr | None = Field(None, description="The Redis or Valkey to use (redis://, rediss://).")
    cache: bool | None = Field(
        None, description="Keep answers in Redis and in the workers; by default unless followers may lag (neo4j://)."
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
        if self.database_url and not self.database_login()[2]:
            raise ValueError("ECS_DATABASE_PASSWORD: missing; put it there or into ECS_DATABASE_URL")
        return self

    @property
    def processes(self) -> int:
        return self.workers or (4 if self.database_url else 1)

    @property
    def caches(self) -> bool:
        # What is read from a follower may be older than the version that it would be kept under.
        return not self.database_login()[0].startswith("neo4j") if self.cache is None else self.cache

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
