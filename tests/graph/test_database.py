"""Deadlines, connections and failures: what the layers above see of them."""

import asyncio
import gc
import logging
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from graph.database import Database, Pool
from graph.errors import BadInput, DeadlineExceeded, Internal, SocietyError, Unavailable
from server.settings import Settings

# Some minutes of work, in steps at which the server looks at its clock.
SLOW = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a, b WHERE a * b = -1 RETURN count(*)"

Connect = Callable[..., Database]


@pytest.fixture
def connect(settings: Settings) -> Connect:
    """Connects once more, with other options."""
    address, login, secret = settings.database_login()

    def make(*, url: str = address, user: str = login, password: str = secret, **options: Any) -> Database:
        return Database.connect(url, user=user, password=password, **options)

    return make


class Proxy:
    """Stands between the driver and the server, and can cut the line."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._pipes: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.cut_when: Callable[[bytes], bool] = lambda data: False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection(self._host, self._port)
        self._pipes |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self.cut_when(data):
                    self.cut()
                    return
                sink.write(data)
        except OSError:
            pass
        finally:
            sink.close()

    def cut(self) -> None:
        """Closes every line without a word."""
        for pipe in self._pipes:
            pipe.transport.abort()
        self._pipes.clear()


@asynccontextmanager
async def proxied(settings: Settings) -> AsyncIterator[tuple[Proxy, str]]:
    url = urlsplit(settings.database_login()[0])
    proxy = Proxy(url.hostname or "", url.port or 0)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"bolt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        proxy.cut()
        server.close()
        await asyncio.sleep(0.05)


async def test_rows_are_lists_in_the_order_of_the_return_clause(migrated: Database):
    assert await migrated.read("rows", "UNWIND $x AS x RETURN x, x * 2", {"x": [1, 2]}) == [[1, 2], [2, 4]]


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_the_drivers_log_holds_no_lists(
    migrated: Database, caplog: pytest.LogCaptureFixture, in_transaction: bool
):
    text, given = "UNWIND $keys AS k RETURN k", {"keys": ["said in confidence"], "most": 7}
    with caplog.at_level(logging.DEBUG, logger="neo4j"):
        if in_transaction:
            assert await migrated.transact("test", (text, given)) == [[["said in confidence"]]]
        else:
            assert await migrated.read("test", text, given) == [["said in confidence"]]
    assert "'keys': [1 values], 'most': 7" in caplog.text
    assert "confidence" not in caplog.text


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_what_a_query_was_given_is_gone_with_it_and_not_left_to_the_garbage_collector(
    migrated: Database, in_transaction: bool
):
    class Item(list[int]):
        """A list that can be watched."""

    text, item = "UNWIND $rows AS r RETURN r", Item([7])
    watched = weakref.ref(item)
    gc.disable()
    try:
        if in_transaction:
            assert await migrated.transact("test", (text, {"rows": [item]})) == [[[[7]]]]
        else:
            assert await migrated.read("test", text, {"rows": [item]}) == [[[7]]]
        del item
        assert watched() is None
    finally:
        gc.enable()


async def test_the_observer_hears_of_each_query_by_its_name(connect: Connect):
    heard: list[tuple[str, int]] = []
    async with connect(observe=lambda name, seconds, rows: heard.append((name, rows))) as database:
        await database.read("three", "UNWIND [1, 2, 3] AS x RETURN x")
        assert [row async for row in database.stream("two", "UNWIND [1, 2] AS x RETURN x")] == [[1], [2]]
    assert heard == [("three", 3), ("two", 2)]


async def test_a_slow_query_ends_at_its_deadline_and_gives_its_connection_back(connect: Connect):
    async with connect(pool=Pool(size=1, acquisition_timeout=5)) as database:
        for _ in range(2):
            started = time.perf_counter()
            with pytest.raises(DeadlineExceeded):
                await database.read("slow", SLOW, deadline=0.5)
            assert 0.4 < time.perf_counter() - started < 10
            assert await database.read("quick", "RETURN 1") == [[1]]


async def test_a_query_past_its_deadline_does_not_run_on_in_the_server(migrated: Database):
    with pytest.raises(DeadlineExceeded):
        await migrated.read("slow", SLOW + " AS forgotten", deadline=0.3)
    for _ in range(50):
        running = await migrated.read(
            "running", "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery ENDS WITH 'AS forgotten' RETURN 1"
        )
        if not running:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it still runs")


async def test_a_cancelled_read_gives_its_connection_back(connect: Connect):
    async with connect(pool=Pool(size=1, acquisition_timeout=5)) as database:
        reading = asyncio.create_task(database.read("slow", SLOW))
        await asyncio.sleep(0.3)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await database.read("quick", "RETURN 1", deadline=3) == [[1]]


async def test_when_all_connections_are_busy_the_wait_is_bounded_and_the_error_clear(connect: Connect):
    async with connect(pool=Pool(size=2, acquisition_timeout=0.4)) as database:
        busy = [asyncio.create_task(database.read("slow", SLOW, deadline=5)) for _ in range(2)]
        await asyncio.sleep(0.2)
        started = time.perf_counter()
        with pytest.raises(Unavailable, match=r"All database connections are busy. Try again shortly."):
            await database.read("quick", "RETURN 1")
        assert 0.3 < time.perf_counter() - started < 4
        results = await asyncio.gather(*busy, return_exceptions=True)
        assert [type(result) for result in results] == [DeadlineExceeded] * 2
        assert await database.read("quick", "RETURN 1") == [[1]]


def assert_says_no_secret(error: SocietyError, *secrets: str) -> None:
    for secret in secrets:
        assert secret not in str(error)
        assert secret not in error.message


async def test_wrong_credentials_are_said_without_them(connect: Connect):
    # A name of its own, so that the server locks out no one else.
    async with connect(user="mallory", password="hunter2-secret") as database:
        with pytest.raises(Unavailable, match="refused the credentials") as caught:
            await database.read("any", "RETURN 1")
    assert_says_no_secret(caught.value, "hunter2-secret", "mallory", "127.0.0.1")


async def test_a_server_that_is_not_there_is_said_without_its_address(connect: Connect, free_port: int):
    async with connect(url=f"bolt://127.0.0.1:{free_port}") as database:
        started = time.perf_counter()
        with pytest.raises(Unavailable, match=r"The database cannot be reached. Try again shortly.") as caught:
            await database.read("any", "RETURN 1")
        with pytest.raises(Unavailable):
            await database.write("any", "RETURN 1")
        with pytest.raises(Unavailable):
            await database.wait_until_ready(0.3)
        assert time.perf_counter() - started < 10
    assert_says_no_secret(caught.value, "127.0.0.1", str(free_port))


@pytest.fixture
async def free_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_server_that_falls_silent_is_given_up_after_the_deadline(connect: Connect):
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", 0)
    async with connect(url=f"bolt://127.0.0.1:{server.sockets[0].getsockname()[1]}") as database:
        started = time.perf_counter()
        with pytest.raises(DeadlineExceeded):
            await database.read("any", "RETURN 1", deadline=0.2)
        assert time.perf_counter() - started < 10
    for writer in held:
        writer.transport.abort()
    server.close()


async def test_a_read_whose_connection_was_cut_is_sent_once_more(connect: Connect, settings: Settings):
    async with proxied(settings) as (proxy, url), connect(url=url) as database:
        assert await database.read("first", "RETURN 1") == [[1]]
        proxy.cut()
        assert await database.read("again", "RETURN 2") == [[2]]
        assert proxy.connections == 2


async def test_a_read_that_is_cut_every_time_ends_as_unavailable(connect: Connect, settings: Settings):
    async with proxied(settings) as (proxy, url), connect(url=url) as database:
        assert await database.read("first", "RETURN 1") == [[1]]
        proxy.cut_when = lambda data: b"RETURN 'doomed'" in data
        with pytest.raises(Unavailable, match="cannot be reached"):
            await database.read("doomed", "RETURN 'doomed'")
        assert await database.read("again", "RETURN 2") == [[2]]


async def test_a_write_that_was_cut_short_is_not_sent_twice(connect: Connect, settings: Settings, database: Database):
    async with proxied(settings) as (proxy, url), connect(url=url) as through:
        sent = 0

        def cut(data: bytes) -> bool:
            nonlocal sent
            sent += b"Doomed" in data
            return b"Doomed" in data

        proxy.cut_when = cut
        with pytest.raises(Unavailable):
            await through.write("doomed", "CREATE (:Doomed)")
        assert sent == 1


async def test_connections_that_idled_are_checked_before_use(connect: Connect, settings: Settings):
    # A write would not be sent again: only the check keeps it from the dead connection.
    async with proxied(settings) as (proxy, url), connect(url=url, pool=Pool(liveness_after=0.0)) as database:
        await database.write("first", "RETURN 1")
        proxy.cut()
        assert await database.write("again", "RETURN 2") == [[2]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("RETURN 1 +", Internal), ("RETURN 1 / 0", Internal), ("RETURN datetime('soon')", Internal)],
)
async def test_a_query_of_ours_that_is_wrong_is_an_internal_error(migrated: Database, text: str, kind: type):
    with pytest.raises(kind) as caught:
        await migrated.read("wrong", text)
    assert not isinstance(caught.value, BadInput)
    assert caught.value.code == "INTERNAL"


async def test_a_transaction_is_all_or_nothing(database: Database):
    with pytest.raises(SocietyError):
        await database.transact("both", ("CREATE (:Half)", {}), ("RETURN 1 / 0", {}))
    assert await database.transact("two", ("RETURN 1", {}), ("UNWIND $x AS x RETURN x", {"x": [2, 3]})) == [
        [[1]],
        [[2], [3]],
    ]
    assert await database.read("half", "MATCH (n:Half) RETURN count(n)") == [[0]]
