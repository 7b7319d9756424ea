"""What resolvers are given for one request."""

import asyncio
from dataclasses import dataclass

from resolvers.cache import Moment
from resolvers.deadline import Deadline
from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.watched import Watched
from resolvers.writes import Writes


@dataclass(slots=True)
class Context:
    """The loaders of a request, and where it writes; `moment` is what it has of the cache, if there is one.

    `watched` tells what it read.
    """

    loaders: Loaders
    writes: Writes
    events: EventLog
    moment: Moment | None = None
    deadline: Deadline | None = None
    watched: Watched | None = None

    def renew(self) -> None:
        """Forgets what was read, because something was written since."""
        self.loaders.clear()
        if self.moment:
            self.moment.renew()

    def extend(self, seconds: float) -> None:
        """Gives the request so many seconds from now, unless it has more."""
        if self.deadline:
            self.deadline.postpone(asyncio.get_running_loop().time() + seconds)
