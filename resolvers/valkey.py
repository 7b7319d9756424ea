"""The connection to Redis or Valkey."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

TIMEOUT = 2.0


def connect(url: str) -> Redis:
    """Prepares the connection; nothing is sent before the first command.

    It is only a help, so timeouts are short, and what failed is not tried again: by itself the client would
    try ten times more. In the older protocol it notices that the server closed a connection before it sends.
    """
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


async def answers(redis: Redis) -> bool:
    """Says whether the server answers."""
    try:
        return bool(await redis.ping())  # pyright: ignore
    except (RedisError, OSError):
        return False
