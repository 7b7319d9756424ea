"""The one read for scripts and curl: an agent's memories, page by page, by the code that answers GraphQL."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from graph import edges, model
from graph.errors import BadInput, DeadlineExceeded, Internal, NotFound, SocietyError, Unavailable
from graph.lookups import AGENT_BY_KEY
from graph.rows import camel
from resolvers.connections import LARGEST_SIZE, Window, connect
from resolvers.context import Context
from schema.errors import mask
from schema.view import public_fields

STATUS = {BadInput.code: 422, NotFound.code: 404, Unavailable.code: 503, DeadlineExceeded.code: 504}
DEFAULT_SIZE = 50
LAST_PAGE = 1_000_000

WHOLE = re.compile(r"\d{1,9}", re.ASCII)
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e-?\d+)?", re.ASCII | re.IGNORECASE)


class AgentMemories:
    """GET /agents/{key}/memories?page=1&size=50&importance_min=0.5"""

    def __init__(self, make_context: Callable[[], Context], *, deadline: float) -> None:
        self._make_context = make_context
        self._deadline = deadline

    async def answer(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(self._deadline):
                return json_response(await self._page(request))
        except TimeoutError:
            return refuse(504, DeadlineExceeded.code, f"The request took longer than {self._deadline:g} s. Try again.")
        except SocietyError as error:
            if error.code in STATUS:
                return refuse(STATUS[error.code], error.code, error.message)
            return refuse(500, Internal.code, mask(error))
        except Exception as error:
            return refuse(500, Internal.code, mask(error))

    async def _page(self, request: Request) -> dict[str, Any]:
        size = whole(request, "size", default=DEFAULT_SIZE, most=LARGEST_SIZE)
        page = whole(request, "page", default=1, most=LAST_PAGE)
        least = fraction(request, "importance_min")
        loaders = self._make_context().loaders
        key = request.path_params["key"]
        agent: model.Agent | None = await loaders.one(AGENT_BY_KEY, key)
        if agent is None:
            raise NotFound(f"There is no agent with the key {key[:60]!r}.")
        memories = connect(
            loaders,
            edges.REMEMBERS,
            parent=agent.id,
            window=Window(first=size, skip=(page - 1) * size),
            filter={"importance": {"gte": least}} if least else None,
        )
        found, total = await asyncio.gather(memories.nodes(), memories.total_count())
        pagination = {"page": page, "size": size, "total": total, "pages": -(-total // size)}
        return {"memories": [plain(memory) for memory in found], "pagination": pagination}


def whole(request: Request, name: str, *, default: int, most: int) -> int:
    """Reads a whole number between 1 and `most`. Raises BadInput."""
    text = request.query_params.get(name, str(default))
    if not (WHOLE.fullmatch(text) and 1 <= int(text) <= most):
        raise BadInput(f"{name}: must be a whole number between 1 and {most}, is {text[:40]!r}.")
    return int(text)


def fraction(request: Request, name: str) -> float | None:
    """Reads a number between 0 and 1, or None if it is not there. Raises BadInput."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (NUMBER.fullmatch(text) and 0 <= float(text) <= 1):
        raise BadInput(f"{name}: must be a number between 0 and 1, is {text[:40]!r}.")
    return float(text)


def plain(row: Any) -> dict[str, Any]:
    """Lists a row's public fields under the names that they have in GraphQL."""
    return {camel(name): getattr(row, name) for name in public_fields(type(row))}


def json_response(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


async def refuse_address(_: Request, error: Exception) -> Response:
    """Answers that nothing is there, or nothing for this method."""
    if not isinstance(error, HTTPException) or error.status_code != 405:
        return refuse(404, NotFound.code, "There is nothing at this address.")
    refusal = refuse(405, BadInput.code, "This address takes no requests of this method.")
    refusal.headers.update(error.headers or {})
    return refusal


def refuse(status: int, code: str, message: str) -> Response:
    return json_response({"error": {"code": code, "message": message}}, status)
