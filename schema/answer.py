"""What clients get for an operation."""

from functools import cached_property
from typing import Any

import orjson

from graph.errors import BadInput


class Answer:
    """A response as the GraphQL specification lays it out, given as an object or as JSON.

    `executed` is False if it failed before it began.
    """

    def __init__(
        self, payload: dict[str, Any] | None = None, *, executed: bool = True, json: bytes | None = None
    ) -> None:
        self.executed = executed
        # What is given need not be made.
        self.__dict__ |= {name: each for name, each in (("payload", payload), ("json", json)) if each is not None}

    @cached_property
    def payload(self) -> dict[str, Any]:
        return orjson.loads(self.json)

    @cached_property
    def json(self) -> bytes:
        """The payload as JSON. Raises BadInput if it is too deep."""
        try:
            return orjson.dumps(self.payload)
        except orjson.JSONEncodeError:
            # What GraphQL answers can always be written, but for its depth.
            raise BadInput("The answer is nested too deeply. Ask for fewer levels.") from None
