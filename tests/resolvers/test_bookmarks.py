"""What one process has written to a cluster, the next one reads, whichever member it asks.

One server is a cluster of one: it gives real bookmarks and waits for those that it is given.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.database import Database
from graph.errors import DeadlineExceeded, Unavailable
from resolvers import valkey
from resolvers.bookmarks import KEY, RedisShelf
from server.settings import Settings
from tests.workers import Server


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("bookmarks"))
    server.start()
    yield server
    server.stop()


class Member:
    """One process of those that share a cluster."""

    def __init__(self, settings: Settings, server: Server, *, leads: bool = False) -> None:
        url, user, password = settings.database_login()
        self.redis = valkey.connect(server.url)
        self.shelf = RedisShelf(self.redis)
        self.database = Database.connect(
            url.replace("bolt://", "neo4j://"), user=user, password=password, shelf=self.shelf, leads=leads
        )

    async def __aenter__(self) -> "Member":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.__aexit__()
        await self.shelf.close()
        await self.redis.aclose()

    async def shelved(self) -> set[str]:
        return set(await self.shelf.take())


WRITE = "MERGE (n:Scratch {name: 'bookmark'}) SET n.value = $value"
READ = "MATCH (n:Scratch {name: 'bookmark'}) RETURN n.value"


def ahead(bookmark: str, transactions: int) -> str:
    """The bookmark of a transaction that has not been yet: its number follows the database's id."""
    kind, _, rest = bookmark.partition(":")
    data = base64.b64decode(rest + "=" * (-len(rest) % 4))
    head, number, tail = data[:19], data[19:-1], data[-1:]
    # Small numbers stand for themselves, larger ones follow a byte that tells their length.
    last = number[0] if len(number) == 1 else int.from_bytes(number[1:], "big")
    later = b"\xc9" + (last + transactions).to_bytes(2, "big")
    return f"{kind}:{base64.b64encode(head + later + tail).decode().rstrip('=')}"


async def test_the_latest_commit_is_on_the_shelf_when_it_is_acknowledged(settings: Settings, server: Server):
    async with Member(settings, server) as one, Member(settings, server) as other:
        await one.redis.delete(KEY)
        seen: list[set[str]] = []
        for value in range(5):
            await one.database.transact("write", (WRITE, {"value": value}))
            seen.append(await other.shelved())
            assert await other.database.read("read", READ) == [[value]]
            await other.database.write("write", WRITE, {"value": -value})
            seen.append(await one.shelved())
            assert await one.database.read("read", READ) == [[-value]]
        assert all(len(each) == 1 for each in seen), "each takes the place of those before it"
        assert len({tuple(each) for each in seen}) == len(seen)


async def test_a_reader_waits_for_what_is_on_the_shelf(settings: Settings, server: Server):
    async with Member(settings, server) as one, Member(settings, server) as other:
        await one.redis.delete(KEY)
        await one.database.write("write", WRITE, {"value": 1})
        (latest,) = await one.shelved()
        future = ahead(latest, 3)
        assert future != latest, latest
        await one.redis.sadd(KEY, future)  # pyright: ignore
        with pytest.raises((DeadlineExceeded, Unavailable)):
            await other.database.read("read", READ, deadline=1.0)
        reading = asyncio.create_task(other.database.read("read", READ, deadline=20.0))
        await asyncio.sleep(0.3)
        assert not reading.done()
        for value in range(2, 10):
            url, user, password = settings.database_login()
            async with Database.connect(url, user=user, password=password) as direct:
                await direct.write("write", WRITE, {"value": value})
        (value,) = (await reading)[0]
        assert value >= 2


async def test_what_the_shelf_lost_is_put_back_by_who_wrote_it(settings: Settings, server: Server):
    async with Member(settings, server) as one, Member(settings, server) as other:
        await one.database.write("write", WRITE, {"value": 3})
        before = await one.shelved()
        await one.redis.flushall()
        assert await other.database.read("read", READ) == [[3]]
        assert await one.database.read("read", READ) == [[3]]
        assert await other.shelved() & before


async def test_without_redis_everything_goes_on_at_the_leader(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    alone = Server(tmp_path)
    async with Member(settings, alone) as one:
        await one.database.write("write", WRITE, {"value": 4})
        assert await one.database.read("read", READ) == [[4]]
        alone.start()
        async with asyncio.timeout(10):
            while "Bookmarks are shared again." not in caplog.messages:
                assert await one.database.read("read", READ) == [[4]]
                await asyncio.sleep(0.1)
        assert await one.shelved()
        alone.stop()
    assert [record.message for record in caplog.records if record.name == "ecs.database"] == [
        "Bookmarks cannot be shared: the leader is read.",
        "Bookmarks are shared again.",
    ]
