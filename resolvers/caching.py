"""What a worker that caches is made of, reading and writing."""

from redis.asyncio import Redis

from graph.database import Database
from resolvers import valkey
from resolvers.cache import Cache
from resolvers.closing import Transactions
from resolvers.epoch import Epoch
from resolvers.loaders import Source
from resolvers.tags import Tags


class Caching:
    """The cache before a source, and the transactions that keep it from being stale."""

    def __init__(self, database: Database, redis: Redis, source: Source) -> None:
        self.epoch = Epoch(database, lambda: valkey.answers(redis))
        self.tags = Tags(redis)
        self.cache = Cache(source, redis, self.tags, self.epoch)
        self.transact = Transactions(database, self.tags, self.epoch).transact

    async def close(self) -> None:
        await self.epoch.end()
        await self.cache.close()
