"""What a worker process holds, as often as a test needs it, and a Valkey to share that can come to harm."""

import asyncio
import os
from pathlib import Path
from typing import Any

from graph.database import Database
from graph.embedded.ports import find_free_port
from graph.embedded.process import Process
from graph.embedded.valkey import find_valkey, start_valkey
from graph.reads import Key, fetch
from resolvers.caching import Caching
from resolvers.coalescer import Coalescer
from resolvers.valkey import Redis
from resolvers.writes import Writes

AGENTS = 3
CREATE = f"""
MATCH (m:Migration {{version: 1}}) REMOVE m.epoch
WITH m UNWIND range(0, {AGENTS - 1}) AS i
CREATE (:Agent {{id: 'Agent:' + i, key: 'a' + i, name: '0', socialEnergy: 1.0, learningRate: 0.1,
  memoryCapacity: 1000, importanceThreshold: 0.5, createdAt: datetime(), updatedAt: datetime()}})
"""


class Server:
    """A Valkey that can be killed, started again and stopped for a while."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = find_free_port()
        self._process: Process | None = None
        self.url = f"redis://:secret@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        binary = find_valkey()
        assert binary
        self._process = start_valkey(binary, self._home, port=self._port, password="secret", maxmemory=2**25)

    def send(self, number: int) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        if self._process:
            self._process.stop()


class Worker:
    """What one worker process holds: its own connections, cache and writer."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self.coalescer = Coalescer(lambda shape, keys: fetch(database, shape, keys, 10.0))
        self.caching = Caching(database, redis, self.coalescer)
        self.cache, self.epoch, self.journal = self.caching.cache, self.caching.epoch, self.caching.journal
        self.writes = Writes(database, silent, max_agents=100, deadline=5.0, transact=self.caching.transact)
        self.redis = redis

    async def trust(self) -> None:
        """Waits until what is cached is used."""
        async with asyncio.timeout(10):
            while not self.epoch.trusted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def get(self, key: Key) -> Any:
        (answer,) = await self.cache.begin().load_many([key])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        await self.writes.close()
        await self.caching.close()
        await self.coalescer.close()
        await self.redis.aclose()


async def silent(_: Any) -> None:
    pass
