"""The one read for scripts and curl: an agent's memories, page by page, by the code that answers GraphQL."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from graph import edges, model
from graph.errors import DeadlineExceeded, SocietyError, Unavailable
from graph.lookups import AGENT_BY_KEY
from graph.rows import camel
from resolvers.connections import LARGEST_SIZE, Window, connect
from resolvers.context import Context
from schema.errors import mask
from schema.view import public_fields

STATUS = {Unavailable.code: 503, DeadlineExceeded.code: 504, "BAD_USER_INPUT": 422, "NOT_FOUND": 404}
DEFAULT_SIZE = 50


def json_response(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def refuse(status: int, code: str, message: str) -> Response:
    return json_response({"error": {"code": code, "message": message}}, status)


class Invalid(Exception):
    """A query parameter that makes no sense."""


def whole(request: Request, name: str, default: int, most: int) -> int:
    """Reads a whole number between 1 and `most`."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise Invalid(f"{name}: must be a whole number between 1 and {most}, is {text[:40]!r}.")
    return int(text)


def fraction(request: Request, name: str) -> float | None:
    """Reads a number between 0 and 1."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise Invalid(f"{name}: must be a number between 0 and 1, is {text[:40]!r}.")
    return value


def plain(row: Any) -> dict[str, Any]:
    """Writes a row's public fields under the names that they have in GraphQL."""
    return {camel(name): written(getattr(row, name)) for name in public_fields(type(row))}


def written(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case _:
            return value


class AgentMemories:
    """GET /agents/{key}/memories?page=1&size=50&importance_min=0.5"""

    def __init__(self, make_context: Callable[[], Context]) -> None:
        self._make_context = make_context

    async def answer(self, request: Request) -> Response:
        try:
            return await self._page(request)
        except Invalid as error:
            return refuse(422, "BAD_USER_INPUT", str(error))
        except SocietyError as error:
            if error.code in STATUS:
                return refuse(STATUS[error.code], error.code, error.message)
            return refuse(500, "INTERNAL", mask(error))

    async def _page(self, request: Request) -> Response:
        size = whole(request, "size", DEFAULT_SIZE, LARGEST_SIZE)
        page = whole(request, "page", 1, 1_000_000)
        least = fraction(request, "importance_min")
        loaders = self._make_context().loaders
        key = request.path_params["key"]
        agent: model.Agent | None = await loaders.one(AGENT_BY_KEY, key)
        if agent is None:
            return refuse(404, "NOT_FOUND", f"There is no agent with the key {key!r}.")
        memories = connect(
            loaders,
            edges.REMEMBERS,
            parent=agent.id,
            window=Window(first=size, skip=(page - 1) * size),
            filter={"importance": {"gte": least}} if least is not None else None,
        )
        found, total = await asyncio.gather(memories.nodes(), memories.total_count())
        pagination = {"page": page, "size": size, "total": total, "pages": -(-total // size)}
        return json_response({"memories": [plain(memory) for memory in found], "pagination": pagination})
