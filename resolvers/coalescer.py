"""Joins what all requests in flight ask for into few, large queries."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from graph.eager import MOST_ROWS, EagerPage
from graph.reads import Key, Shape
from resolvers.futures import all_done
from resolvers.lanes import Fetch, Lane


class Coalescer:
    """Sends keys of one query together; while its queries run, whatever arrives rides the next.

    At most `in_flight` queries of a lane run at once, of at most `largest` keys each. What arrives in an idle moment is
    sent in the same turn of the event loop; what many requests ask for is divided, so that the database answers some
    while the answers to others are made use of.
    A query belongs to no request, so that a cancelled request cancels no one else's. A key that waits is everybody's
    who asks for it; one that was sent is sent again, because what was written since must be seen.
    """

    def __init__(self, fetch: Fetch, *, in_flight: int = 2, largest: int = 256) -> None:
        self._fetch = fetch
        self._in_flight = in_flight
        self._largest = largest
        self._lanes: dict[str, Lane] = {}
        self._closed = False

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        """Answers keys in their order, each with a value or with the exception that befell it."""
        answers: list[asyncio.Future[Any]] = []
        for shape, alike in groupby(keys, attrgetter("shape")):
            answers += self._lane(shape).add_all(list(alike))
        await all_done(answers)
        return [answer.exception() or answer.result() for answer in answers]

    def _lane(self, shape: Shape) -> Lane:
        lane = self._lanes.get(shape.lane)
        if lane is None:
            largest, weigh = self._largest, None
            if isinstance(shape, EagerPage):
                largest, weigh = MOST_ROWS, weigh_rows
            lane = self._lanes[shape.lane] = Lane(
                self._fetch, self._in_flight, largest, weigh=weigh, closed=self._closed
            )
        return lane

    async def close(self) -> None:
        """Ends the queries that still run; whoever waits for them, or asks later, is told."""
        self._closed = True
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))


def weigh_rows(key: Any) -> int:
    return key.shape.rows
