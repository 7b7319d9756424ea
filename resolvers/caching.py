"""What a worker that caches is made of, reading and writing."""

from graph.database import Database
from resolvers.cache import Cache
from resolvers.closing import Transactions
from resolvers.epoch import Epoch
from resolvers.journal import Journal
from resolvers.loaders import Source
from resolvers.valkey import Redis


class Caching:
    """The cache before a source, and the transactions that keep it from being stale."""

    def __init__(self, database: Database, redis: Redis, source: Source) -> None:
        self.journal = Journal(redis)
        self.epoch = Epoch(database, self.journal.answers)
        self.cache = Cache(source, redis, self.journal, self.epoch)
        self.transact = Transactions(database, self.journal, self.epoch).transact

    async def close(self) -> None:
        await self.epoch.end()
        await self.cache.close()
