"""The REST routes as an OpenAPI document, written by hand and tested against the routes."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from graph import model
from graph.rows import camel
from resolvers.connections import LARGEST_SIZE
from schema.view import public_fields
from server.metrics import find_version
from server.rest import DEFAULT_SIZE, LAST_PAGE

# What JSON makes of a memory's fields.
TIME = {"type": "string", "format": "date-time"}
COUNT = {"type": "integer", "minimum": 0}
TYPES: dict[str, dict[str, Any]] = {
    "id": {"type": "string"},
    "content": {"type": "string"},
    "importance": {"type": "number", "minimum": 0, "maximum": 1},
    "kind": {"type": "string", "enum": [each.value for each in model.MemoryKind]},
    "created_at": TIME,
    "accessed_at": TIME,
    "access_count": COUNT,
}
MEMORY = {camel(name): TYPES[name] | {"description": said} for name, (_, said) in public_fields(model.Memory).items()}

REFUSALS = {
    401: "No credential, or one that is not known.",
    403: "The caller may not read.",
    404: "There is no such agent.",
    422: "A parameter is wrong.",
    429: "Too many requests.",
    500: "Something went wrong; the log has the details under the id in the message.",
    503: "The database does not answer, or there is too much to do.",
    504: "It took too long.",
}


def describe_api() -> dict[str, Any]:
    """Describes what is answered beside GraphQL."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ECS Memory & Interaction System",
            "version": find_version(),
            "description": "Reading for scripts, and health. Everything else is GraphQL, at /graphql.",
        },
        "paths": {
            "/agents/{key}/memories": {"get": MEMORIES_OF_AGENT},
            "/health": {"get": health("How the server and its parts are.", "healthy", "degraded", "unhealthy")},
            "/health/live": {"get": health("Whether the process runs.", "alive", fails=False)},
            "/health/ready": {"get": health("Whether requests can be served.", "ready", "degraded", "unavailable")},
        },
        "components": {
            "schemas": {
                "Memory": record(MEMORY),
                "Pagination": record(dict.fromkeys(("page", "size", "total", "pages"), COUNT)),
                "Error": record({"error": record({"code": {"type": "string"}, "message": {"type": "string"}})}),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def record(properties: dict[str, Any]) -> dict[str, Any]:
    """Describes an object that has all of these properties."""
    return {"type": "object", "required": list(properties), "properties": properties}


def refer(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def answer(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": content}}}


def parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def health(summary: str, *states: str, fails: bool = True) -> dict[str, Any]:
    state = {"type": "object", "required": ["status"], "properties": {"status": {"enum": list(states)}}}
    answers = {"200": answer("It is so.", state)}
    if fails:
        answers["503"] = answer("The database does not answer.", state)
    return {"summary": summary, "responses": answers, "security": []}


MEMORIES_OF_AGENT = {
    "summary": "An agent's memories, the most important first.",
    "parameters": [
        {
            "name": "key",
            "in": "path",
            "required": True,
            "description": "The agent's key.",
            "schema": {"type": "string", "minLength": 1, "examples": ["jean_valjean"]},
        },
        parameter("page", "Which page.", type="integer", minimum=1, maximum=LAST_PAGE, default=1),
        parameter("size", "How many a page.", type="integer", minimum=1, maximum=LARGEST_SIZE, default=DEFAULT_SIZE),
        parameter("importance_min", "The least importance.", type="number", minimum=0, maximum=1),
    ],
    "responses": {
        "200": answer(
            "The page.",
            record({"memories": {"type": "array", "items": refer("Memory")}, "pagination": refer("Pagination")}),
        ),
        **{str(status): answer(said, refer("Error")) for status, said in REFUSALS.items()},
    },
    # Without authentication nothing is asked for.
    "security": [{"bearer": []}, {"key": []}, {}],
}


async def openapi(_: Request) -> Response:
    """Answers the document."""
    return Response(orjson.dumps(describe_api()), media_type="application/json")
