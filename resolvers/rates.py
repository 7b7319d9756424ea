"""How much each client may ask for: a bucket of tokens a client, in Redis, so that all workers share it.

A bucket holds `burst` tokens and gains `rate` a second. A request takes as many as it costs; one that costs more
than the bucket holds is served from a full one, and leaves a debt.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from redis.exceptions import ConnectionError as NotConnected

from graph.errors import Unavailable
from resolvers.lanes import Lane
from resolvers.valkey import Redis, Script
from resolvers.words import Together

# Seconds that Redis may take, and how often at most it is said that it refuses to count.
PATIENCE = 0.25
SAID_EVERY = 60.0
# What is sent to Redis at once.
LARGEST = 500
# Clients that a worker knows by itself while Redis does not answer.
MOST_CLIENTS = 10_000

# Redis' own clock counts, because those of the workers may differ. Times are in microseconds.
TAKE = """
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if kept[1] then
    tokens = math.min(burst, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) / 1000000 * rate)
end
local allowed = 0
if tokens >= math.min(cost, burst) then
    allowed, tokens = 1, tokens - cost
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (burst - tokens) / rate * 1000 + 1000))
return {allowed, string.format('%.6f', tokens)}
"""

log = logging.getLogger("ecs.rates")


@dataclass(frozen=True, slots=True)
class Rate:
    """How many tokens a bucket gains a second, and how many it holds."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on, and what is left in the bucket then; a debt is less than nothing."""

    limit: Rate
    cost: float
    allowed: bool
    tokens: float

    @property
    def retry_after(self) -> float:
        """Seconds until the same would be allowed, unless others of the client come first."""
        return max(0.0, (min(self.cost, self.limit.burst) - self.tokens) / self.limit.rate)

    @property
    def reset_after(self) -> float:
        """Seconds until the bucket is full."""
        return max(0.0, (self.limit.burst - self.tokens) / self.limit.rate)


class LocalBuckets:
    """Buckets in this process, of the clients that came last."""

    def __init__(self, limit: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, cost: float) -> Verdict:
        now, limit = self._clock(), self._limit
        tokens, at = self._buckets.pop(client, (limit.burst, now))
        tokens = min(limit.burst, tokens + max(0.0, now - at) * limit.rate)
        allowed = tokens >= min(cost, limit.burst)
        self._buckets[client] = tokens - cost if allowed else tokens, now
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return Verdict(limit, cost, allowed, self._buckets[client][0])


class Taking:
    """What a request is to take from a bucket. No two are the same, so that each is counted."""

    __slots__ = ("bucket", "cost")

    shape = Together()

    def __init__(self, bucket: str, cost: float) -> None:
        self.bucket, self.cost = bucket, cost


class RateLimiter:
    """Counts what clients ask for. While Redis does not answer each worker counts by itself, and nobody waits."""

    def __init__(
        self, redis: Redis | None, *, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = Rate(rate, burst)
        self._script: Any = redis and Script(redis.within(PATIENCE, "shared rate limits"), TAKE)
        # What is taken at the same moment goes together: a connection each would take longer than Redis does.
        self._lane = Lane(self._send, in_flight=2, largest=LARGEST)
        self._local, self._clock = LocalBuckets(self.limit, clock), clock
        self._silent_until = float("-inf")

    async def take(self, client: str, cost: float = 1.0) -> Verdict:
        """Takes what a request costs from its client's bucket, if it is there; a refusal takes nothing."""
        # Names of clients may be long, and are nobody's business in Redis.
        bucket = sha256(client.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        if self._script is None:
            return self._local.take(bucket, cost)
        try:
            answer = await self._lane.load(Taking(bucket, cost))
        except Unavailable as error:
            answer = error
        if isinstance(answer, Exception):
            self._tell(answer)
            return self._local.take(bucket, cost)
        allowed, tokens = answer
        return Verdict(self.limit, cost, bool(allowed), float(tokens))

    def _tell(self, error: Exception) -> None:
        # That it does not answer is said elsewhere.
        if not isinstance(error, NotConnected | OSError | Unavailable) and self._clock() > self._silent_until:
            self._silent_until = self._clock() + SAID_EVERY
            log.warning("Redis does not count (%s). Each worker counts rates by itself.", type(error).__name__)

    async def _send(self, _: Any, takings: Sequence[Taking]) -> list[Any]:
        """Gives what came of each: whether it is allowed and what is left, or an exception."""
        limit = self.limit
        return await self._script.run_all(
            [(f"ecs:rate:{each.bucket}", limit.rate, limit.burst, each.cost) for each in takings]
        )

    async def close(self) -> None:
        """Whoever still waits is counted here."""
        await self._lane.close()
