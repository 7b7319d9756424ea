"""Fields that are more than a column: each is declared once, for graphql-core and for plans."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from resolvers.context import Context
from resolvers.loaders import Step
from schema.inputs import to_tree
from schema.view import Request

# Makes a field's step from its arguments, inputs as nested mappings. Raises BadInput for those that make no sense.
Bind = Callable[..., Step]
# Makes what a field does, and gives, from its arguments, likewise.
BindAct = Callable[..., Callable[[Context], Awaitable[Any]]]

# Under which names a field's metadata keeps what makes its step or its act, which attribute it is, what its step
# reads, which attribute mostly holds what the step leads to, which arguments are cursors, and as which part of a page
# the step finds its values.
BIND = "bind"
ATTRIBUTE = "attribute"
READS = "reads"
EMBEDDED = "embedded"
CURSORS = "cursors"
ITEM = "item"


def answered(
    bind: Bind,
    description: str,
    *,
    reads: Sequence[str] = (),
    embedded: str | None = None,
    cursors: Sequence[str] = (),
    item: str | None = None,
) -> Any:
    """A field that is answered by the step that `bind` makes of its arguments.

    What `bind` takes are the field's arguments; those that a client leaves out are not passed. `reads` are the
    attributes, other than its id, that the step needs of its objects. Where `embedded` is set, that attribute holds
    what the step would lead to, if it holds anything. `cursors` are the arguments that the step takes later as well,
    by a method `between`. Where `item` is set, what the step leads to are the items of pages, see `generate_items`.
    """

    def resolve(self: Any, info: Request, **arguments: Any) -> Any:
        step = bind(**{name: to_tree(value) for name, value in arguments.items() if value is not UNSET})
        found = step([self])
        if not isinstance(found, list):
            return info.context.loaders.finish(found)
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    take_arguments(resolve, bind)
    metadata = {BIND: bind, READS: reads, EMBEDDED: embedded, CURSORS: cursors, ITEM: item}
    return strawberry.field(resolver=resolve, description=description, metadata=metadata)


def done(act: BindAct, description: str) -> Any:
    """A field at the root of all writing: what `act` makes of its arguments is done, one field after another."""

    async def resolve(self: Any, info: Request, **arguments: Any) -> Any:
        return await act(**{name: to_tree(value) for name, value in arguments.items()})(info.context)

    take_arguments(resolve, act)
    return strawberry.field(resolver=resolve, description=description, metadata={BIND: act})


def take_arguments(resolve: Any, source: Callable[..., Any]) -> None:
    """Lets a resolver take the arguments of another function, where Strawberry reads them: in its signature."""
    own = [parameter("self"), parameter("info", Request)]
    arguments = inspect.signature(source).parameters.values()
    resolve.__signature__ = inspect.Signature([*own, *arguments])
    resolve.__annotations__ = {each.name: each.annotation for each in (*own[1:], *arguments)}


def stepped(
    step: Step, description: str, *, reads: Sequence[str] = (), embedded: str | None = None, item: str | None = None
) -> Any:
    """A field without arguments that is answered by a step; see `answered`."""
    return answered(lambda: step, description, reads=reads, embedded=embedded, item=item)


def held(attribute: str, description: str) -> Any:
    """A field that an attribute holds, which may be another object's: `node.strength`."""
    read = attrgetter(attribute)

    def resolve(self: Any) -> Any:
        return read(self)

    return strawberry.field(resolver=resolve, description=description, metadata={ATTRIBUTE: attribute})


def described(annotation: Any, description: str, *, name: str | None = None) -> Any:
    """An argument's type with what clients read about it, and its name where Python has another."""
    return Annotated[annotation, strawberry.argument(description=description, name=name)]


def parameter(name: str, annotation: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)


def given(value: Any) -> Any:
    """Makes what was left out None."""
    return None if value is UNSET else value
