"""The journal on a real Valkey: what changed since, what is closed, and what one knows who comes late."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from graph.errors import Unavailable
from resolvers import journal as journals
from resolvers import valkey
from resolvers.journal import Journal
from tests.workers import Server


@pytest.fixture
async def journals_of_two(server: Server) -> AsyncIterator[tuple[Journal, Journal]]:
    connections = [valkey.connect(server.url) for _ in range(2)]
    await connections[0].flushall()
    one, other = map(Journal, connections)
    yield one, other
    for journal, redis in zip((one, other), connections, strict=True):
        await journal.end()
        await redis.aclose()


async def test_a_change_is_seen_by_all_who_follow(journals_of_two: tuple[Journal, Journal]):
    writer, reader = journals_of_two
    await reader.follow()
    start = reader.position
    assert reader.holds({"a", "b"}, start)
    await writer.close({"a"}, "w", 5.0)
    await reader.follow()
    assert not reader.holds({"a", "b"}, reader.position)
    assert reader.holds({"b"}, start)
    await writer.open({"a"}, "w")
    await reader.follow()
    assert not reader.holds({"a"}, start)
    assert reader.holds({"a"}, reader.position)
    assert reader.holds({"b"}, start)


async def test_a_tag_opens_with_the_last_who_closed_it(journals_of_two: tuple[Journal, Journal]):
    writer, reader = journals_of_two
    await reader.follow()
    await writer.close({"a"}, "w1", 5.0)
    await writer.close({"a"}, "w2", 5.0)
    await writer.open({"a"}, "w1")
    await reader.follow()
    assert reader.is_closed("a")
    await writer.open({"a"}, "w2")
    await reader.follow()
    assert not reader.is_closed("a")


async def test_a_closing_ends_with_its_lease(journals_of_two: tuple[Journal, Journal]):
    writer, reader = journals_of_two
    await reader.follow()
    start = reader.position
    await writer.close({"a"}, "w", 0.2)
    await reader.follow()
    assert reader.is_closed("a")
    await asyncio.sleep(0.3)
    assert not reader.is_closed("a")
    assert not reader.holds({"a"}, start), "its writer may have committed"
    assert reader.holds({"a"}, reader.position)


async def test_who_comes_late_knows_what_is_closed_and_trusts_nothing_older(
    journals_of_two: tuple[Journal, Journal], monkeypatch: pytest.MonkeyPatch
):
    writer, reader = journals_of_two
    await reader.follow()
    start = reader.position
    await writer.close({"gone"}, "w0", 0.001)
    await writer.close({"a"}, "w1", 5.0)
    await asyncio.sleep(0.01)
    for _ in range(2 * journals.KEPT):
        await writer.open({"b"}, "w2")
    await reader.follow()
    assert reader.position == start + 2 * journals.KEPT + 2
    assert reader.is_closed("a")
    assert not reader.is_closed("gone")
    assert not reader.holds({"c"}, start)
    assert reader.holds({"c"}, reader.position)


async def test_a_journal_that_was_lost_is_another(journals_of_two: tuple[Journal, Journal], server: Server):
    writer, reader = journals_of_two
    await writer.open({"a"}, "w")
    await reader.follow()
    first = reader.identity
    redis = valkey.connect(server.url)
    await redis.flushall()
    await redis.aclose()
    await reader.follow()
    assert reader.identity != first
    assert reader.position == 0
    second = reader.identity
    server.stop()
    with pytest.raises(Unavailable):
        await writer.close({"a"}, "w", 5.0)
    assert not await reader.answers()
    server.start()
    async with asyncio.timeout(10):
        while not await reader.answers():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert reader.identity not in {first, second}


async def test_what_many_change_at_once_is_in_one_order(journals_of_two: tuple[Journal, Journal]):
    writer, reader = journals_of_two
    await asyncio.gather(reader.follow(), writer.follow())

    async def write(holder: int) -> None:
        for _ in range(20):
            await writer.close({"a", f"{holder}"}, f"{holder}", 5.0)
            await asyncio.gather(reader.follow(), writer.open({"a", f"{holder}"}, f"{holder}"))

    await asyncio.gather(*map(write, range(5)))
    await asyncio.gather(reader.follow(), writer.follow())
    assert reader.position == writer.position == 200
    assert reader._changed == writer._changed
    assert not any(map(reader.is_closed, ("a", *map(str, range(5)))))
