"""What inputs and payloads of mutations have in common."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any, get_type_hints

import strawberry

from graph.rows import split_optional
from schema.inputs import absent

# How types of the model appear in inputs, where that differs.
ENTERED: dict[Any, Any] = {Any: strawberry.scalars.JSON}


def draft(model: type, *, optional: bool = False, required: Collection[str] = ()) -> Callable[[type], Any]:
    """Makes a class the input of what a client may say about a model: it gets the model's public fields.

    Fields with a default may be left out, but for those `required`; all of them if `optional`.
    """

    def decorate(cls: type) -> Any:
        hints, entered = get_type_hints(model), dict[str, Any]()
        for item in fields(model):
            if not (description := item.metadata.get("doc")):
                continue
            annotation = ENTERED.get(hint := split_optional(hints[item.name])[0], hint)
            needed = item.name in required or (item.default is MISSING and item.default_factory is MISSING)
            if needed and not optional:
                entered[item.name] = annotation
                setattr(cls, item.name, strawberry.field(description=description))
                continue
            entered[item.name] = annotation | None
            shown = not optional and isinstance(item.default, Enum)
            field = strawberry.field(description=description, default=item.default) if shown else absent(description)
            setattr(cls, item.name, field)
        cls.__annotations__ = entered | inspect.get_annotations(cls)
        made = strawberry.input(cls, description=(cls.__doc__ or model.__doc__ or "").strip())
        ENTERED[model] = made
        return made

    return decorate


@strawberry.input
class MutationInput:
    client_mutation_id: str | None = absent("Echoed in the payload.")
    idempotency_key: str | None = absent(
        "A name for this mutation: sent again under the same name it is answered as the first time and writes nothing."
    )


@strawberry.type
class MutationPayload:
    client_mutation_id: str | None = strawberry.field(description="The one that the input had.", default=None)
