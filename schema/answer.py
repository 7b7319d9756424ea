"""What clients get for an operation."""

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
        self._payload = payload
        self._json = json

    @property
    def payload(self) -> dict[str, Any]:
        if self._payload is None:
            self._payload = orjson.loads(self.json)
        return self._payload

    @property
    def json(self) -> bytes:
        """The payload as JSON. Raises BadInput if it is too deep."""
        if self._json is None:
            try:
                self._json = orjson.dumps(self._payload)
            except orjson.JSONEncodeError:
                # What GraphQL answers can always be written, but for its depth.
                raise BadInput("The answer is nested too deeply. Ask for fewer levels.") from None
        return self._json

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors in it; what was kept as JSON alone was answered without."""
        return self._payload.get("errors", []) if self._payload else []
