"""What one worker publishes, subscribers of every worker get: once, in order, and only what they want."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from graph.errors import BadInput, CursorExpired, EventsLost, SlowConsumer, Unavailable
from graph.events import Event, EventKind
from resolvers import valkey
from resolvers.events import EventLog, Feed
from resolvers.stream import AT_ONCE, KEY, Position, decode_position, encode_position
from server.settings import Settings, reveal

BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
Logs = Callable[..., EventLog]


def event(number: int, *agents: str, kind: EventKind = EventKind.MEMORY_ADDED) -> Event:
    """An event that is known again by its number."""
    return Event(kind=kind, at=BEGINNING + timedelta(seconds=number), agents={key: f"Agent:{key}" for key in agents})


def number(event: Event) -> int:
    return int((event.at - BEGINNING).total_seconds())


async def take(feed: Feed, count: int) -> list[int]:
    """The numbers of the next events."""
    return [number((await asyncio.wait_for(anext(feed), 10)).event) for _ in range(count)]


async def quiet(feed: Feed) -> bool:
    """Says whether nothing comes for a while; the feed is of no use afterwards."""
    try:
        await asyncio.wait_for(anext(feed), 0.2)
    except TimeoutError:
        return True
    return False


@pytest.fixture(params=["redis", "process"])
async def logs(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Logs]:
    """Makes event logs: each with a connection of its own to one Redis, as workers have, or always the same without."""
    made: list[EventLog] = []
    connections = []

    def make(**options: int) -> EventLog:
        redis = None
        if request.param == "redis":
            redis = valkey.connect(reveal(settings.redis_url))
            connections.append(redis)
        elif made:
            return made[0]
        made.append(EventLog(redis, **options))
        return made[-1]

    cleaner = valkey.connect(reveal(settings.redis_url))
    await cleaner.delete(KEY)
    yield make
    for log in made:
        await log.close()
        assert log.subscribers == 0
    for redis in [*connections, cleaner]:
        await redis.aclose()


async def test_every_worker_sees_every_event_its_own_too(logs: Logs):
    one, two = logs(), logs()
    feeds = [await log.subscribe() for log in (one, two, two)]
    await one.publish([event(1, "ada"), event(2, "bo")])
    await two.publish([event(3)])
    assert [await take(feed, 3) for feed in feeds] == [[1, 2, 3]] * 3


async def test_the_event_is_as_it_was_published(logs: Logs):
    log = logs()
    feed = await log.subscribe()
    told = event(1, "ada", "bo", kind=EventKind.INTERACTION_RECORDED)
    await log.publish([told])
    assert (await anext(feed)).event == told


async def test_events_come_by_agent_and_kind(logs: Logs):
    log = logs()
    added, forgotten = EventKind.MEMORY_ADDED, EventKind.MEMORY_FORGOTTEN
    all_of_ada = await log.subscribe(agents=["ada"])
    both = await log.subscribe(agents=["ada", "bo"], kinds=[added])
    any_forgotten = await log.subscribe(kinds=[forgotten])
    nobody = await log.subscribe(agents=["not yet there"])
    await log.publish(
        [
            event(1, "ada", kind=added),
            event(2, "bo", kind=added),
            event(3, "ada", "bo", kind=added),
            event(4, "ada", kind=forgotten),
            event(5, "cy", kind=forgotten),
            event(6, kind=forgotten),
            event(7, "not yet there"),
        ]
    )
    assert await take(all_of_ada, 4) == [1, 3, 4, 6]
    assert await take(both, 3) == [1, 2, 3]
    assert await take(any_forgotten, 3) == [4, 5, 6]
    assert await take(nobody, 2) == [6, 7]
    assert await quiet(all_of_ada)


async def test_a_subscriber_sees_nothing_from_before_it_came(logs: Logs):
    log = logs()
    await log.publish([event(1, "ada")])
    early = await log.subscribe()
    await log.publish([event(2, "ada")])
    late = await log.subscribe()
    await log.publish([event(3, "ada")])
    assert await take(early, 2) == [2, 3]
    assert await take(late, 1) == [3]


@pytest.mark.parametrize("seed", range(4))
async def test_who_comes_back_with_a_cursor_misses_nothing_and_sees_nothing_twice(logs: Logs, seed: int):
    chance = random.Random(seed)
    one, two = logs(waiting=10_000), logs()
    total, keys = 1500, ["ada", "bo", "cy"]
    everything = await one.subscribe()
    seen: list[int] = []

    async def publish(log: EventLog, numbers: range) -> None:
        left = [event(each, *chance.sample(keys, chance.randint(0, 2))) for each in numbers]
        while left:
            size = chance.choice([1, 2, 5, 40])
            await log.publish(left[:size])
            del left[:size]
            await asyncio.sleep(chance.choice([0, 0, 0.002]))

    async def follow() -> None:
        cursor = None
        while True:
            # On one worker or the other, at once or after a while.
            feed = await chance.choice([one, two]).subscribe(agents=["ada", "bo"], after=cursor)
            for _ in range(chance.choice([1, 3, 30, 300])):
                published = await anext(feed)
                if number(published.event) < 0:
                    return
                seen.append(number(published.event))
                cursor = published.cursor
            await feed.aclose()
            # Without a cursor, what comes meanwhile is not promised.
            await asyncio.sleep(chance.choice([0, 0.01, 0.1]))

    follower = asyncio.create_task(follow())
    await asyncio.sleep(0.05)
    await asyncio.gather(publish(one, range(total)), publish(two, range(total, 2 * total)))
    await one.publish([event(-1)])
    expected = []
    while number((published := await asyncio.wait_for(anext(everything), 5)).event) >= 0:
        if not published.event.agents or {"ada", "bo"} & published.event.agents.keys():
            expected.append(number(published.event))
    await asyncio.wait_for(follower, 10)
    assert seen == expected
    assert len(seen) > total


async def test_it_comes_back_over_many_pages(logs: Logs):
    log = logs(waiting=10)
    feed = await log.subscribe()
    await log.publish([event(0)])
    cursor = (await anext(feed)).cursor
    await feed.aclose()
    total = 3 * AT_ONCE + 7
    await log.publish([event(each, "ada") for each in range(1, total)])
    back = await log.subscribe(after=cursor, agents=["ada"])
    assert await take(back, total - 1) == list(range(1, total))
    await log.publish([event(total, "ada")])
    assert await take(back, 1) == [total]


async def test_a_cursor_whose_successors_are_gone_is_told_so(logs: Logs):
    log = logs(retention=50, recent=0)
    feed = await log.subscribe()
    await log.publish([event(1)])
    first = (await anext(feed)).cursor
    for each in range(2, 600):
        await log.publish([event(each)])
        last = await anext(feed)
    with pytest.raises(CursorExpired, match=r"after: .* no longer kept. Subscribe without after"):
        await log.subscribe(after=first)
    back = await log.subscribe(after=last.cursor)
    await log.publish([event(600)])
    assert await take(back, 1) == [600]
    assert log.subscribers == 2


async def test_the_cursor_of_the_last_event_trimmed_still_serves(logs: Logs):
    log = logs(retention=1, recent=0)
    feed = await log.subscribe()
    cursors: list[str] = []
    for each in range(300):
        await log.publish([event(each)])
        cursors.append((await anext(feed)).cursor)
    kept = [place for place, cursor in enumerate(cursors) if await resumes(log, cursor)]
    assert kept
    assert kept == list(range(kept[0], 300))
    back = await log.subscribe(after=cursors[kept[0]])
    assert await take(back, 299 - kept[0]) == list(range(kept[0] + 1, 300))


async def resumes(log: EventLog, cursor: str) -> bool:
    try:
        await (await log.subscribe(after=cursor)).aclose()
    except CursorExpired:
        return False
    return True


async def test_a_large_event_takes_the_place_of_many(logs: Logs):
    log = logs(retained_bytes=20_000, recent=0)
    feed = await log.subscribe()
    await log.publish([event(1)])
    first = (await anext(feed)).cursor
    await log.publish([event(2, *(f"somebody with a long name, number {each}" for each in range(1000)))] * 300)
    assert not await resumes(log, first)


def cursor_of(content: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "é", "x", "####", "A" * 5000, cursor_of({}), cursor_of([]), cursor_of(None), cursor_of(["0123abcd", 1, 2]),
     cursor_of(["0123abcd", 1, 2, 3, 4]), cursor_of(["0123abcd", -1, 2, 3]), cursor_of(["0123abcd", True, 2, 3]),
     cursor_of(["0123abcd", 1.0, 2, 3]), cursor_of(["0123abcd", 2**63, 2, 3]), cursor_of(["", 1, 2, 3]),
     cursor_of([7, 1, 2, 3]), cursor_of("abcd")],
)  # fmt: skip
async def test_what_is_no_cursor_is_refused(logs: Logs, cursor: str):
    log = logs()
    with pytest.raises(BadInput, match="after: this is not the cursor of an event"):
        await log.subscribe(after=cursor)
    assert log.subscribers == 0


async def test_a_cursor_of_another_stream_is_told_so(logs: Logs):
    log = logs()
    feed = await log.subscribe()
    await log.publish([event(1), event(2)])
    cursor = decode_position([await anext(feed) for _ in range(2)][1].cursor)
    foreign = [
        cursor._replace(generation="00000000"),
        cursor._replace(number=cursor.number + 1),
        cursor._replace(number=cursor.number + 1, id=(cursor.id[0], cursor.id[1] + 1)),
        Position("00000000", 1, (1, 1)),
    ]
    for position in foreign:
        assert not await resumes(log, encode_position(position))
    assert await resumes(log, encode_position(cursor))


async def test_a_slow_subscriber_is_told_to_come_back_and_the_others_go_on(logs: Logs):
    log = logs(waiting=10)
    slow, quick = await log.subscribe(), await log.subscribe(agents=["ada"])
    await log.publish([event(0, "ada")])
    assert await take(quick, 1) == [0]
    seen = await anext(slow)
    # More than is read at once waits in Redis, not here.
    for each in range(1, 12):
        await log.publish([event(each, "ada")])
        assert await take(quick, 1) == [each]
    assert len(slow.inbox) == 0
    with pytest.raises(SlowConsumer, match=r"More than 10 events .* after: the cursor of the last event you saw"):
        await anext(slow)
    assert log.subscribers == 1
    back = await log.subscribe(after=seen.cursor)
    assert await take(back, 11) == list(range(1, 12))


async def test_a_subscription_ends_when_it_is_closed(logs: Logs):
    log = logs()
    feed = await log.subscribe(agents=["ada"])
    waiting = asyncio.create_task(anext(feed, None))
    await asyncio.sleep(0.05)
    await feed.aclose()
    assert await asyncio.wait_for(waiting, 5) is None
    assert [each async for each in feed] == []
    assert log.subscribers == 0
    await log.publish([event(1, "ada")])


async def test_the_reader_ends_with_the_last_subscriber_and_starts_with_the_next(logs: Logs):
    before = asyncio.all_tasks()
    log = logs()
    for each in range(3):
        feed = await log.subscribe()
        assert asyncio.all_tasks() != before
        await log.publish([event(each)])
        assert await take(feed, 1) == [each]
        await feed.aclose()
        await asyncio.wait(asyncio.all_tasks() - before, timeout=2)
        assert asyncio.all_tasks() == before


async def test_subscribers_are_told_when_the_server_stops(logs: Logs):
    log = logs()
    feed = await log.subscribe()
    waiting = asyncio.create_task(anext(feed))
    await asyncio.sleep(0.05)
    await log.close()
    with pytest.raises(Unavailable, match="stopping"):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(Unavailable, match="stopping"):
        await log.subscribe()


async def test_a_burst_of_more_than_may_wait_reaches_who_reads_it(logs: Logs):
    log = logs(waiting=2 * AT_ONCE)
    feed = await log.subscribe()
    await log.publish([event(each) for each in range(5000)])
    async with asyncio.timeout(5):
        assert [number((await anext(feed)).event) for _ in range(5000)] == list(range(5000))


async def test_who_reads_more_slowly_than_the_stream_is_trimmed_is_told_so(logs: Logs):
    log = logs(retention=50)
    feed = await log.subscribe()
    await log.publish([event(each) for each in range(1000)])
    with pytest.raises(EventsLost, match=r"may have been lost. Subscribe without after"):
        await asyncio.wait_for(anext(feed), 10)
    back = await log.subscribe()
    await log.publish([event(1000)])
    assert await take(back, 1) == [1000]


async def test_however_many_come_back_at_once_each_gets_its_own(logs: Logs):
    log = logs()
    feed = await log.subscribe()
    cursors: list[str] = []
    for each in range(500):
        await log.publish([event(each, f"agent {each % 10}")])
        cursors.append((await anext(feed)).cursor)
    await feed.aclose()

    async def come_back(place: int) -> list[int]:
        back = await log.subscribe(agents=[f"agent {place % 10}"], after=cursors[place])
        return await take(back, (499 - place) // 10)

    found = await asyncio.gather(*(come_back(place) for place in range(500)))
    assert found == [list(range(place + 10, 500, 10)) for place in range(500)]
    await log.publish([event(500)])
    assert log.lost == 0
