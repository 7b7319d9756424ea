"""The event log: what happens is published once, after its commit, and reaches the subscribers of every worker."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import TypeVar

from redis.exceptions import RedisError

from graph.errors import CursorExpired, EventsLost, Unavailable
from graph.events import Event, EventKind, decode_event
from resolvers.hub import Hub, Inbox, Published, Recent, Wanted
from resolvers.publisher import FIRST_PAUSE, LONGEST_PAUSE, Publisher
from resolvers.stream import START, Entry, Gap, Position, RedisStream, Ring, Stream, decode_position
from resolvers.valkey import Redis

__all__ = ["EventLog", "Feed", "Published"]

T = TypeVar("T")

log = logging.getLogger("ecs.events")

# Some minutes at hundreds of events a second, in a part of the smallest embedded Valkey.
RETENTION = 100_000
RETAINED_BYTES = 32 * 2**20
# More than the largest mutation tells of.
WAITING = 5000
RECENT = 5000
READS_AT_ONCE = 4

READ_ANEW = "Subscribe without after, then read the present state by queries."
EXPIRED = f"the events that followed this cursor are no longer kept. {READ_ANEW}"
LOST = f"Events may have been lost. {READ_ANEW}"
UNREACHABLE = (
    "Events cannot be followed: Redis does not answer. Try again shortly, with after: the last cursor you saw."
)
STOPPING = "The server is stopping. Subscribe again shortly, with after: the cursor of the last event you saw."


class EventLog:
    """Publishes events and lets subscribers follow them, through Redis or, without it, within this process.

    Everybody reads from the stream, one reader a worker while it has subscribers; so each sees every event
    once, in the same order. `retention` events are kept for those who come back, fewer if they are large.
    `observe` is told how late events are handed out, in seconds.
    """

    def __init__(
        self,
        redis: Redis | None,
        *,
        retention: int = RETENTION,
        retained_bytes: int = RETAINED_BYTES,
        waiting: int = WAITING,
        recent: int = RECENT,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self._stream: Stream = (
            RedisStream(redis, longest=retention, largest=retained_bytes)
            if redis
            else Ring(longest=retention, largest=retained_bytes)
        )
        self._waiting = waiting
        self._publisher = Publisher(self._stream)
        # However many subscribers come at once, connections are left for those who publish.
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._hub = Hub()
        self._recent = Recent(recent)
        self._feeds: set[Feed] = set()
        self._reader: asyncio.Task[None] | None = None
        self._position = START
        self._closed = False
        self._observe = observe

    @property
    def lost(self) -> int:
        """How many events this worker could not publish."""
        return self._publisher.lost

    @property
    def subscribers(self) -> int:
        return len(self._feeds)

    async def publish(self, events: Sequence[Event]) -> None:
        """Publishes what was committed; never raises for it, because it is true whether or not it is told."""
        await self._publisher.publish(events)

    async def subscribe(
        self,
        *,
        agents: Collection[str] | None = None,
        kinds: Collection[EventKind] | None = None,
        after: str | None = None,
    ) -> "Feed":
        """Follows events of agents and kinds, None for all: those after a cursor, or from this moment on.

        Raises BadInput for what is no cursor, CursorExpired, and Unavailable.
        """
        wanted = Wanted(None if agents is None else frozenset(agents), None if kinds is None else frozenset(kinds))
        since = None if after is None else decode_position(after)
        async with self._turns:
            tail = await reached(self._stream.tail())
        if self._closed:
            raise Unavailable(STOPPING)
        feed = Feed(self, Inbox(wanted, limit=self._waiting), since or tail)
        self._feeds.add(feed)
        if self._reader is None:
            self._position = tail
            self._reader = asyncio.create_task(self._follow())
        if since is None:
            feed.join()
            return feed
        try:
            await feed.catch_up()
        except BaseException:
            await feed.aclose()
            raise
        return feed

    def join(self, inbox: Inbox, position: Position) -> bool:
        """Lets an inbox that has what comes up to a position have what is live; not if the reader is ahead."""
        if position.id < self._position.id:
            return False
        self._hub.join(inbox, known=position.id)
        return True

    async def page(self, after: Position) -> list[Published]:
        """Gives some of what follows a position, nothing at the end. Raises Gap and Unavailable."""
        async with self._turns:
            if page := self._recent.after(after):
                return page
            return [self._recent.add(read_entry(entry)) for entry in await reached(self._stream.page(after))]

    def leave(self, feed: "Feed") -> None:
        """Lets go of a feed; with the last one the reader ends."""
        self._feeds.discard(feed)
        self._hub.leave(feed.inbox)
        if not self._feeds and self._reader is not None:
            self._reader.cancel()
            self._reader = None
            self._recent.clear()

    def dismiss(self) -> None:
        """Ends all subscriptions, which are told, and takes no more; publishing goes on."""
        self._closed = True
        for feed in list(self._feeds):
            feed.inbox.end(Unavailable(STOPPING))
            self.leave(feed)

    async def close(self) -> None:
        """Ends all that runs; subscribers are told."""
        reader = self._reader
        self.dismiss()
        if reader is not None:
            await asyncio.gather(reader, return_exceptions=True)
        await self._publisher.close()

    async def _follow(self) -> None:
        """Reads the stream and hands out what comes, for as long as there are subscribers."""
        pause = 0.0
        while True:
            try:
                entries = await self._stream.wait(self._position)
                if pause:
                    log.warning("Following events again.")
                    pause = 0.0
                self._deliver(entries)
                # However much there is to read, subscribers get their turn.
                await asyncio.sleep(0)
            except Gap:
                with suppress(RedisError, OSError):
                    position = await self._stream.tail()
                    log.warning("Events were lost or trimmed before they were read; subscribers are told.")
                    self._hub.end(EventsLost(LOST))
                    self._recent.clear()
                    self._position = position
            except (RedisError, OSError) as error:
                if not pause:
                    log.warning("Events cannot be read, trying on: %s: %s", type(error).__name__, error)
                pause = min(2 * pause or FIRST_PAUSE, LONGEST_PAUSE)
                await asyncio.sleep(pause)

    def _deliver(self, entries: list[Entry]) -> None:
        if entries and self._observe:
            self._observe(entries[0].position.age())
        for entry in entries:
            self._position = entry.position
            self._hub.deliver(self._recent.add(read_entry(entry)))


class Feed:
    """One subscriber's events, to be iterated over once and closed: first those since its cursor, then the live."""

    def __init__(self, events: EventLog, inbox: Inbox, position: Position) -> None:
        self.inbox = inbox
        self._log = events
        # Where it is as long as it is not live.
        self._position: Position | None = position

    def __aiter__(self) -> "Feed":
        return self

    async def __anext__(self) -> Published:
        try:
            while not len(self.inbox) and not self.inbox.ended and not self.join():
                await self.catch_up()
            return await self.inbox.take()
        except BaseException:
            await self.aclose()
            raise

    def join(self) -> bool:
        """Goes over to live events, if there are none between; says whether it has."""
        if self._position is not None and self._log.join(self.inbox, self._position):
            self._position = None
        return self._position is None

    async def catch_up(self) -> None:
        """Reads one more page of what came before the live events. Raises CursorExpired and Unavailable."""
        if self._position is None:
            return
        try:
            page = await self._log.page(self._position)
            self.inbox.fill(page)
            self._position = page[-1].position if page else self._position
        except Gap:
            raise CursorExpired(EXPIRED, "after") from None

    async def aclose(self) -> None:
        """Ends the subscription."""
        self.inbox.end(StopAsyncIteration(), drop=True)
        self._log.leave(self)


async def reached(answer: Awaitable[T]) -> T:
    """Waits for what the stream answers. Raises Unavailable."""
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise Unavailable(UNREACHABLE) from error


def read_entry(entry: Entry) -> Published:
    """Reads what an entry tells. Raises Gap for a mark, or what another version of this program wrote."""
    try:
        return Published(decode_event(entry.payload), entry.position)
    except (ValueError, TypeError, LookupError):
        raise Gap from None
