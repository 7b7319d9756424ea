"""What resolvers are given for one request."""

from dataclasses import dataclass

from resolvers.loaders import Loaders


@dataclass(frozen=True, slots=True)
class Context:
    loaders: Loaders
