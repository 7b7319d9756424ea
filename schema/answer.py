"""What clients get for an operation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from graph.errors import BadInput


@dataclass(frozen=True)
class Answer:
    """A response as the GraphQL specification lays it out. `executed` is False if it failed before it began."""

    payload: dict[str, Any]
    executed: bool = True

    @cached_property
    def json(self) -> bytes:
        """The payload as JSON. Raises BadInput if it is too deep."""
        try:
            return orjson.dumps(self.payload)
        except orjson.JSONEncodeError:
            # What GraphQL answers can always be written, but for its depth.
            raise BadInput("The answer is nested too deeply. Ask for fewer levels.") from None
