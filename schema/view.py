"""GraphQL types that are views of the model: its public fields, and what leads on from them.

The rows that the graph gives are the objects that clients see; nothing is copied into a second class.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

import strawberry
from strawberry.types import Info

from graph.rows import split_optional
from resolvers.context import Context

Request = Info[Context, None]

# How types of the model appear in the schema, where that differs.
SHOWN: dict[Any, Any] = {Any: strawberry.scalars.JSON}


@cache
def public_fields(model: type) -> dict[str, tuple[Any, str]]:
    """Gives each public field's annotation and description, in the order in which they are written."""
    hints = get_type_hints(model)
    found: dict[str, tuple[Any, str]] = {}
    for item in fields(model):
        if description := item.metadata.get("doc"):
            hint, nullable = split_optional(hints[item.name])
            shown = SHOWN.get(hint, hint)
            found[item.name] = (shown | None if nullable else shown, description)
    return found


def view(model: type, *, shows: type | None = None) -> Callable[[type], Any]:
    """Makes a class the GraphQL type of a model's rows: it gets the model's public fields and description."""

    def decorate(cls: type) -> Any:
        own = inspect.get_annotations(cls)
        inherited = {name for base in cls.__mro__[1:] for name in inspect.get_annotations(base)}
        annotations: dict[str, Any] = {}
        for name, (annotation, description) in public_fields(model).items():
            if name not in inherited:
                annotations[name] = annotation
                setattr(cls, name, strawberry.field(description=description))
        cls.__annotations__ = annotations | own
        cls.is_type_of = classmethod(lambda _, row, __: isinstance(row, model))  # pyright: ignore[reportAttributeAccessIssue]
        shown = strawberry.type(cls, description=(model.__doc__ or "").strip())
        SHOWN[model] = shown
        return shown

    return decorate
