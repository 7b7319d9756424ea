"""The servers behind the API: those that the settings name, those that run already, or embedded ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from graph.embedded.servers import Addresses, EmbeddedServers, find_running
from server.settings import Settings

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Settings that name a database, and the embedded servers they lead to, if any."""

    settings: Settings
    embedded: EmbeddedServers | None = None
    running: Addresses | None = None


@contextmanager
def endpoints(
    settings: Settings, progress: Progress, *, train_aot: bool = False, join: bool = True
) -> Iterator[Endpoints]:
    """Provides a database for as long as the context lasts.

    Without one in the settings it is the embedded one of the data directory: that of a running `ecs serve` if
    `join`, otherwise one started here and stopped at the end. Raises EmbeddedError.
    """
    if settings.database_url:
        yield Endpoints(settings=settings)
        return
    running = find_running(settings.data_dir) if join else None
    if running:
        yield Endpoints(settings=pointed_at(settings, running, running.read_password()), running=running)
        return
    with EmbeddedServers.start(
        settings.data_dir,
        cache_dir=settings.cache_dir,
        progress=progress,
        heap_bytes=settings.heap_size,
        page_cache_bytes=settings.page_cache_size,
        train_aot=train_aot,
    ) as embedded:
        found = embedded.addresses
        yield Endpoints(settings=pointed_at(settings, found, embedded.password), embedded=embedded, running=found)


def pointed_at(settings: Settings, addresses: Addresses, password: str) -> Settings:
    """Settings that name embedded servers; a Redis of one's own stays."""
    redis_url = addresses.redis_url_with(password)
    return settings.model_copy(
        update={
            "database_url": SecretStr(addresses.database_url),
            "database_user": addresses.database_user,
            "database_password": SecretStr(password),
            "redis_url": settings.redis_url or (SecretStr(redis_url) if redis_url else None),
            "workers": settings.workers or 1,
        }
    )
