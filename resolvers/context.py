"""What resolvers are given for one request."""

import asyncio
from dataclasses import dataclass

from resolvers.events import EventLog
from resolvers.loaders import Loaders
from resolvers.writes import Writes


@dataclass(slots=True)
class Context:
    loaders: Loaders
    writes: Writes
    events: EventLog
    timeout: asyncio.Timeout | None = None

    def extend(self, seconds: float) -> None:
        """Gives the request so many seconds from now, whatever its deadline was."""
        if self.timeout:
            self.timeout.reschedule(asyncio.get_running_loop().time() + seconds)
