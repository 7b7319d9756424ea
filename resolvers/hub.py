"""The subscribers of this process: whom an event concerns, and what waits for each of them."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from graph.errors import SlowConsumer, SocietyError
from graph.events import Event, EventKind
from resolvers.stream import AT_ONCE, Position, encode_position

TOO_SLOW = (
    "More than {limit} events wait for this subscriber, who does not read them fast enough. "
    "Subscribe again with after: the cursor of the last event you saw; ask for fewer agents or kinds, or read faster."
)


class Published(NamedTuple):
    """An event and where it stands in the stream."""

    event: Event
    position: Position

    @property
    def cursor(self) -> str:
        """What to go on from after it."""
        return encode_position(self.position)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscriber wants: events of these agents and kinds, None for all."""

    agents: frozenset[str] | None = None
    kinds: frozenset[EventKind] | None = None

    def takes(self, event: Event) -> bool:
        """Says whether a subscriber wants an event; one without agents concerns all."""
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        return self.agents is None or not event.agents or not self.agents.isdisjoint(event.agents)


class Inbox:
    """The events that wait for one subscriber, `limit` at most; with one more it ends, and they go."""

    def __init__(self, wanted: Wanted, *, limit: int) -> None:
        self.wanted = wanted
        self._limit = limit
        self._events: deque[Published] = deque()
        self._end: Exception | None = None
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def ended(self) -> bool:
        return self._end is not None

    def fill(self, page: Iterable[Published]) -> None:
        """Takes those of a page of earlier events that are wanted, when no others wait."""
        self._events.extend(each for each in page if self.wanted.takes(each.event))

    def put(self, published: Published) -> None:
        if self._end is None and len(self._events) >= self._limit:
            self.end(SlowConsumer(TOO_SLOW.format(limit=self._limit)), drop=True)
        if self._end is None:
            self._events.append(published)
            self._changed.set()

    def end(self, error: Exception, *, drop: bool = False) -> None:
        """Lets the subscriber meet an error after the events that still wait, or at once if those are dropped."""
        self._end = self._end or error
        if drop:
            self._events.clear()
        self._changed.set()

    async def take(self) -> Published:
        """Gives the next event, or raises what the inbox ended with."""
        while not self._events:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()


class Recent:
    """The events that were read last, `size` at most: many who come back at once read them once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._by_number: dict[int, Published] = {}

    def add(self, published: Published) -> Published:
        self._by_number[published.position.number] = published
        if len(self._by_number) > self._size:
            del self._by_number[next(iter(self._by_number))]
        return published

    def after(self, position: Position) -> list[Published]:
        """Gives a page of what follows a position, as far as it is here."""
        page: list[Published] = []
        for number in range(position.number + 1, position.number + 1 + AT_ONCE):
            published = self._by_number.get(number)
            if published is None or published.position.generation != position.generation:
                break
            page.append(published)
        return page

    def clear(self) -> None:
        self._by_number.clear()


class Hub:
    """Finds the inboxes that an event concerns, at a cost in proportion to these, not to all."""

    def __init__(self) -> None:
        # Each with the id of the last entry that its subscriber knows already.
        self._known: dict[Inbox, tuple[int, int]] = {}
        self._of_agent: defaultdict[str, set[Inbox]] = defaultdict(set)
        self._of_all: set[Inbox] = set()

    def join(self, inbox: Inbox, *, known: tuple[int, int]) -> None:
        """Lets an inbox have what is delivered from now on, but for entries up to the one `known`."""
        self._known[inbox] = known
        if inbox.wanted.agents is None:
            self._of_all.add(inbox)
        for key in inbox.wanted.agents or ():
            self._of_agent[key].add(inbox)

    def leave(self, inbox: Inbox) -> None:
        if self._known.pop(inbox, None) is None:
            return
        self._of_all.discard(inbox)
        for key in inbox.wanted.agents or ():
            self._of_agent[key].discard(inbox)
            if not self._of_agent[key]:
                del self._of_agent[key]

    def deliver(self, published: Published) -> None:
        event, id = published.event, published.position.id
        for inbox in self._concerned(event):
            kinds = inbox.wanted.kinds
            if (kinds is None or event.kind in kinds) and self._known[inbox] < id:
                inbox.put(published)
                if inbox.ended:
                    self.leave(inbox)

    def _concerned(self, event: Event) -> Iterable[Inbox]:
        if not event.agents:
            return list(self._known)
        of_agents = [self._of_agent[key] for key in event.agents if key in self._of_agent]
        return self._of_all.union(*of_agents)

    def end(self, error: SocietyError) -> None:
        """Ends all inboxes; what was delivered before is still read."""
        for inbox in list(self._known):
            inbox.end(error)
            self.leave(inbox)
