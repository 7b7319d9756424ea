"""How writers keep readers from what is no longer so.

The tags of what a transaction may change are closed before its commit and opened with a new version after it; only
then the write is acknowledged. A writer whom Redis does not answer closes the epoch in the graph, in the transaction
itself, and acknowledges when everybody has seen that.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import TypeVar

from graph.database import Database, Run
from graph.epoch import SEEN_AFTER, close_epoch, renew_epoch
from graph.errors import SocietyError, Unavailable
from graph.writes.change import After, Part, Touched, Work
from resolvers.epoch import Epoch
from resolvers.journal import Journal
from resolvers.lanes import OF_NO_KEY
from resolvers.tags import ALL_AGENTS, ALL_KNOWLEDGE, tag

T = TypeVar("T")


def tags_of(touched: Touched) -> set[str]:
    found = {tag(id, part) for (id, _), parts in touched.parts.items() for part in parts}
    keys = {tag(key, Part.SELF) for (_, key), parts in touched.parts.items() if Part.SELF in parts}
    if keys or touched.newcomers:
        found.add(ALL_AGENTS)
    if any(Part.KNOWLEDGE in parts for parts in touched.parts.values()):
        found.add(ALL_KNOWLEDGE)
    return found | keys


class Transactions:
    """Runs transactions whose changes nobody misses who reads after they are acknowledged."""

    def __init__(self, database: Database, journal: Journal, epoch: Epoch) -> None:
        self._database = database
        self._journal = journal
        self._epoch = epoch

    async def transact(self, name: str, work: Work[T], deadline: float, after: After[T] | None = None) -> T:
        """Runs what a transaction does, which announces what it changes before it does, and gives its result.

        What comes `after` the commit is done while what was closed is opened.
        """
        # For longer than it can last: when its end is unknown, it is over by then.
        closing = Closing(self._database, self._journal, self._epoch, lease=2 * deadline + 2)
        try:
            done = await self._database.transaction(name, lambda run: closing.attempt(run, work), deadline=deadline)
        except SocietyError as error:
            if not isinstance(error, OF_NO_KEY):
                await closing.give_up()
            raise
        if after:
            await asyncio.gather(closing.finish(), after(done))
        else:
            await closing.finish()
        return done


class Closing:
    """What one transaction has closed; `lease` in seconds."""

    def __init__(self, database: Database, journal: Journal, epoch: Epoch, *, lease: float) -> None:
        self._database = database
        self._journal = journal
        self._epoch = epoch
        self._lease = lease
        self._holder = secrets.token_hex(6)
        self._closed: set[str] = set()
        # What says whether Redis has heard of it.
        self._closings: list[asyncio.Task[bool]] = []
        self._closed_epoch: str | None = None
        self._renewed = False

    async def attempt(self, run: Run, work: Work[T]) -> T:
        """Does what there is to do; returns, for the commit, when all that was announced is closed, or the epoch."""
        try:
            done = await work(run, self.announce)
            if not all(await asyncio.gather(*self._closings)):
                self._closed_epoch = await close_epoch(run)
            return done
        finally:
            if self._closings:
                # Nothing may be closed after it is opened.
                await asyncio.wait(self._closings)
                self._closings = []

    async def announce(self, run: Run, touched: Touched) -> None:
        """Begins to close the tags of what will be changed, while it is being changed."""
        if touched.all:
            await renew_epoch(run)
            self._renewed = True
        if tags := tags_of(touched):
            self._closings.append(asyncio.create_task(self._close(tags)))

    async def _close(self, tags: set[str]) -> bool:
        if self._epoch.closed_now:
            return False
        self._closed |= tags
        try:
            await self._journal.close(tags, self._holder, self._lease)
        except Unavailable:
            return False
        return True

    async def finish(self) -> None:
        """Opens what was closed, after the commit; returns when the write may be acknowledged."""
        if self._closed:
            try:
                await self._journal.open(self._closed, self._holder)
            except Unavailable:
                if self._closed_epoch is None:
                    self._closed_epoch = await self._database.transaction("close epoch", close_epoch)
        if self._closed_epoch is not None:
            await self._epoch.closed(self._closed_epoch)
        if self._renewed:
            await asyncio.sleep(SEEN_AFTER)

    async def give_up(self) -> None:
        """Opens what was closed, because nothing was changed; if it can't, it opens by itself."""
        if self._closed:
            with suppress(Unavailable):
                await self._journal.open(self._closed, self._holder)
