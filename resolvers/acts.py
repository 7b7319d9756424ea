"""What the fields of a mutation do: each makes a change, and those of one operation share a transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graph.errors import SocietyError
from graph.writes.change import Change
from resolvers.context import Context
from resolvers.writes import LARGEST


@dataclass(frozen=True, slots=True)
class Act:
    """Reads a field's input into a change, or raises SocietyError; makes its payload of what came of the change."""

    read: Callable[[], Change]
    make_payload: Callable[[dict[str, Any]], Any]

    async def __call__(self, context: Context) -> Any:
        (found,) = await do_all([self], context)
        if isinstance(found, SocietyError):
            raise found
        return found


async def do_all(acts: Sequence[Act], context: Context) -> list[Any]:
    """Does the first of these, and as many more as share its transaction, until one fails.

    Gives the payload of each, the error of one that failed in its place.
    """
    try:
        found = await context.writes.commit_all(read_all(acts))
    except SocietyError as error:
        found = [error]
    else:
        # What the payloads lead to must be read anew.
        context.renew()
    return [
        at_input(each) if isinstance(each, SocietyError) else act.make_payload(each)
        for act, each in zip(acts, found, strict=False)
    ]


def read_all(acts: Sequence[Act]) -> list[Change]:
    """Reads the inputs that one transaction takes, but raises only what is wrong with the first."""
    first, *others = acts
    changes = [first.read()]
    size = changes[0].size
    for each in others:
        try:
            change = each.read()
        except SocietyError:
            # It is told in its turn.
            break
        size += change.size
        if size > LARGEST:
            break
        changes.append(change)
    return changes


def at_input(error: SocietyError) -> SocietyError:
    found = error.within("input")
    found.__cause__ = error
    return found
