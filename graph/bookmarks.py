"""Bookmarks: what a follower must have caught up with before it answers, shared by all who use one cluster.

Whoever commits puts the transaction's bookmark onto a shelf before the write is acknowledged, in place of those that
the transaction began with. Whoever begins takes what is on the shelf.
"""

import logging
from collections.abc import Collection
from itertools import count
from typing import Protocol

from neo4j.api import AsyncBookmarkManager

from graph.errors import Unavailable

log = logging.getLogger("ecs.database")


class Shelf(Protocol):
    """Where bookmarks are kept for everybody. Both raise Unavailable."""

    async def take(self) -> Collection[str]: ...

    async def replace(self, old: Collection[str], new: Collection[str]) -> None: ...


class Bookmarks(AsyncBookmarkManager):
    """The bookmarks that this process knows, as the driver asks for them."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: set[str] = set()
        # Of this process' own commits, in case the shelf loses them.
        self._own: set[str] = set()
        self._turns = count(1)
        self._latest = 0
        self._reached = True

    async def refresh(self) -> bool:
        """Takes what is on the shelf; says whether that could be done."""
        turn = next(self._turns)
        try:
            found = set(await self._shelf.take())
            if lost := self._own - found:
                await self._shelf.replace((), lost)
        except Unavailable:
            self._tell(reached=False)
            return False
        self._tell(reached=True)
        # What was asked for earlier and comes later is out of date.
        if turn > self._latest:
            self._latest = turn
            self._known = found | self._own
        return True

    async def get_bookmarks(self) -> Collection[str]:
        return self._known

    async def update_bookmarks(self, previous_bookmarks: Collection[str], new_bookmarks: Collection[str]) -> None:
        if not new_bookmarks:
            return
        self._known = self._known.difference(previous_bookmarks).union(new_bookmarks)
        self._own = self._own.difference(previous_bookmarks).union(new_bookmarks)
        try:
            await self._shelf.replace(previous_bookmarks, new_bookmarks)
        except Unavailable:
            # Who can't look either reads from the leader; who can is told with the next refresh here.
            self._tell(reached=False)

    def _tell(self, *, reached: bool) -> None:
        if reached != self._reached:
            self._reached = reached
            log.warning("Bookmarks are shared again." if reached else "Bookmarks cannot be shared: the leader is read.")
