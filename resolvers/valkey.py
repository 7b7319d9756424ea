"""The connection to Redis or Valkey."""

from redis.asyncio import Redis
from redis.exceptions import RedisError


def connect(url: str) -> Redis:
    """Prepares the connection; nothing is sent before the first command. Timeouts are short: it is only a help."""
    return Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0, health_check_interval=30)  # pyright: ignore


async def answers(redis: Redis) -> bool:
    """Says whether the server answers."""
    try:
        return bool(await redis.ping())  # pyright: ignore
    except (RedisError, OSError):
        return False
