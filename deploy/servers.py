"""Embedded servers that a measurement has for itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_path

from graph.embedded.servers import EmbeddedServers


@contextmanager
def temporary_servers(say: Callable[[str], None], *, memory_limit: int | None = None) -> Iterator[EmbeddedServers]:
    """Servers that end with the block and leave nothing behind."""
    with (
        TemporaryDirectory(prefix="ecs-bench-", ignore_cleanup_errors=True) as folder,
        EmbeddedServers.start(
            Path(folder), cache_dir=user_cache_path("ecs"), progress=say, memory_limit=memory_limit
        ) as servers,
    ):
        yield servers
