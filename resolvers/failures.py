"""What becomes of failures: which are told, and how far up null spreads.

A value that failed is null. Where it may not be null, what holds it is null instead, and so on up. Of the failures
in what became null the first is told, in the order of the data; so the answer doesn't depend on what was read first.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any

from resolvers.loaders import Values
from resolvers.plan import Answer, Batch, Child, Failure, Leaf, Shape

AT_ONCE = 1000

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An error that clients learn of, the field that it is an error of and the path to where it is."""

    error: Exception
    field: Leaf | Child
    path: Path


@dataclass(frozen=True, slots=True)
class Position:
    """A value in the answer: the dictionary or list that holds it, under which name or at which place."""

    holder: Any
    path: Path
    nullable: bool

    def clear(self) -> None:
        self.holder[self.path[-1]] = None


async def settle(data: Answer, failures: Sequence[Failure]) -> tuple[Answer | None, list[Told]]:
    """Makes null what failed, and gives the data that is left and the errors that are told."""
    told: list[Told] = []
    cleared: set[Path] = set()
    for number, failure in enumerate(sorted(failures, key=order_of)):
        if number % AT_ONCE == AT_ONCE - 1:
            # Others have their turn, and the deadline is kept.
            await asyncio.sleep(0)
        positions = list(climb(failure))
        path = positions[0].path
        if any(path[:length] in cleared for length in range(len(path) + 1)):
            continue
        told.append(Told(failure.error, failure.field, path))
        nullable = next((each for each in positions if each.nullable), None)
        if nullable is None:
            return None, told
        nullable.clear()
        cleared.add(nullable.path)
    return data, told


def order_of(failure: Failure) -> tuple[int, ...]:
    """Tells where in the data a failure is, so that sorting gives the order of the data."""
    steps: list[int] = [*reversed(failure.places), failure.field.place]
    for _, _, place, child in ancestors(failure.batch, failure.index):
        steps += [child.place] if place is None else [place, child.place]
    return tuple(reversed(steps))


def climb(failure: Failure) -> Iterator[Position]:
    """Yields the value that failed, then what holds it, and so on up."""
    steps: list[str | int] = []
    lineage = list(ancestors(failure.batch, failure.index))
    for _, _, place, child in reversed(lineage):
        steps += [child.name] if place is None else [child.name, place]
    yield from within(failure.batch.answers[failure.index], tuple(steps), failure.field, failure.places)
    for batch, index, place, child in lineage:
        steps = steps[: -1 if place is None else -2]
        yield from within(batch.answers[index], tuple(steps), child, () if place is None else (place,))


def within(answer: Answer, path: Path, field: Leaf | Child, places: tuple[int, ...]) -> Iterator[Position]:
    """Yields an item of a list in an answer's field, then the field itself."""
    holder: Any = answer
    shape: Shape | None = field.shape
    found: list[Position] = []
    for name in (field.name, *places):
        path = (*path, name)
        if shape:
            found.append(Position(holder, path, shape.nullable))
            holder, shape = holder and holder[name], shape.items
    yield from reversed(found)


def ancestors(batch: Batch, index: int) -> Iterator[tuple[Batch, int, int | None, Child]]:
    """Yields what leads to an object: the batch and object above it, the place in the list and the child there."""
    while batch.parent and batch.child:
        owner, place = batch.slot(index)
        yield batch.parent, owner, place, batch.child
        batch, index = batch.parent, owner


def is_sound(values: Values) -> bool:
    """Says whether nothing is null and nothing an exception."""
    return not any(map(is_fault, set(map(type, values))))


@lru_cache(maxsize=1024)
def is_fault(kind: type) -> bool:
    return issubclass(kind, NoneType | Exception)
