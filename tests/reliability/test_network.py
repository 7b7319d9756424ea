"""The network between the API and its servers slowed, cut and healed, under load."""

import asyncio
from pathlib import Path

import psutil
import pytest

from tests.api.test_outages import Proxy
from tests.reliability.load import DEADLINE, Load
from tests.reliability.serving import WORKER, served

SOON = 2 * DEADLINE


class SlowProxy(Proxy):
    """Holds everything back for a while, in both directions."""

    delay = 0.0

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(2**16):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flowing.wait()
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._connect(reader, writer)
        except OSError:
            writer.close()


@pytest.mark.parametrize("which", ["database", "redis"])
async def test_a_network_that_slows_breaks_and_heals(tmp_path: Path, servers, database, which: str):
    address = servers.addresses.database_url.replace("bolt://", f"bolt://neo4j:{servers.password}@")
    async with SlowProxy(address if which == "database" else servers.redis_url) as proxy:
        urls = {"database_url": address, "redis_url": servers.redis_url} | {f"{which}_url": proxy.url}
        async with served(tmp_path / "data", workers=2, deadline=DEADLINE, **urls) as server:
            async with Load(server.url) as load:
                proxy.delay = 0.05
                await load.progress()
                assert not load.codes["UNAVAILABLE"], "slow is not dead"
                proxy.delay = 0.0
                proxy.stall()
                await asyncio.sleep(DEADLINE + 2)
                proxy.resume()
                await load.progress()
                proxy.hang_up()
                await load.progress()
            assert load.longest < SOON
            if which == "database":
                assert load.codes["UNAVAILABLE"] > 0
            for worker in server.find(WORKER):
                connections = [each for each in worker.net_connections() if each.status == psutil.CONN_ESTABLISHED]
                assert len(connections) < 60, "nothing is left open"
        assert "Traceback" not in server.log.read_text()
