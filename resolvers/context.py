"""What resolvers are given for one request."""

from dataclasses import dataclass

from resolvers.loaders import Loaders
from resolvers.writes import Writes


@dataclass(frozen=True, slots=True)
class Context:
    loaders: Loaders
    writes: Writes
