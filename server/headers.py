"""The headers of a request or socket, read once for all layers."""

from starlette.types import Scope

NAME = "ecs.headers"


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Gives the headers by name, in small letters, what was sent several times with commas between."""
    found: dict[bytes, bytes] | None = scope.get(NAME)
    if found is None:
        found = scope[NAME] = {}
        for name, value in scope["headers"]:
            found[name] = found[name] + b", " + value if name in found else value
    return found
