"""Plans: what an operation asks of the objects of each type, whatever the objects are."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Answer = dict[str, Any]
BuildWhole = Callable[[Sequence[Any]], list[Answer] | None]
# Takes connections, or what they are opened from, and their pages.
BuildItems = Callable[[Sequence[Any], Sequence[Any]], list[Any] | None]

# The name under which a connection's fields ask for its page.
PAGE = "page"


@dataclass(frozen=True, slots=True)
class Shape:
    """Which values a field may have: null or not, and of a list what its items may be."""

    nullable: bool
    items: "Shape | None" = None


@dataclass(slots=True, eq=False)
class Leaf:
    """What is answered of each object as it is: a scalar, an enum's value or a list of them.

    `path` names the attribute that holds it, and `kind` is the Python type that is answered without a look, None if
    there is none; `complete` turns any value into what is answered, or raises. `place` is where the field stands in
    the answer; `nodes` and `label` say in errors where it is.
    """

    name: str
    shape: Shape
    place: int
    label: str
    nodes: Sequence[Any]
    complete: Callable[[Any], Any]
    path: str
    kind: Any


@dataclass(slots=True, eq=False)
class Child:
    """What each object leads to by a step: a value if there is `complete`, else objects.

    `bind` makes the step from the operation's variables, or raises; at the root of a mutation it makes what is to be
    done with the request's context, which leads to what it gives. `selection` says what is answered of the objects;
    where they may be of several types, `selections` does, by the class of their rows. `names` are the fields that
    rows are read for, None for all. `embedded` names the attribute that holds what the step would lead to, if it holds
    anything. `lists` are the children of what is asked for at the root, or of a page's items, that may lead to lists
    whose pages are read.

    `build_items`, if the child is the items of a connection's page, answers them straight from the pages, or gives
    None if anything is not what it should be. `build_lists` does so for a connection of which nothing else is selected.
    Where `closed`, nothing has to be read for what is selected of what it leads to.
    """

    name: str
    shape: Shape
    place: int
    label: str
    nodes: Sequence[Any]
    complete: Callable[[Any], Any] | None
    bind: Callable[[Any], Any]
    selection: "Selection | None" = None
    selections: "Mapping[type, Selection] | None" = None
    names: frozenset[str] | None = None
    embedded: str | None = None
    lists: "tuple[Child, ...]" = ()
    build_items: BuildItems | None = None
    build_lists: BuildItems | None = None
    closed: bool = False
    # Whether nothing that it leads to may be null.
    bare: bool = field(init=False)

    def __post_init__(self) -> None:
        self.bare = not self.shape.nullable and not (self.shape.items and self.shape.items.nullable)


@dataclass(slots=True, eq=False)
class Selection:
    """What is answered of objects of one type.

    `blank` is an answer without values. `build` answers objects, but for what children lead to; it appends to its
    second argument every object with a column that is not what it should be, and leaves None in its place. `names`
    are the attributes that are read in it and below.

    `others` are the children that lead to more than what is embedded in the objects. `build_whole`, if there are any
    that do not, answers objects together with these, or gives None if anything is not what it should be.
    """

    build: Callable[[Sequence[Any], list[Any]], list[Any]]
    blank: Answer
    leaves: Sequence[Leaf]
    children: list[Child]
    names: frozenset[str]
    build_whole: BuildWhole | None = None
    others: Sequence[Child] = ()


# Where an object lies below its parent batch: in which answer, and there at which place of the list if it is one.
Slot = tuple[int, int | None]


@dataclass(slots=True, eq=False)
class Batch:
    """Objects that a child leads to, by their answers.

    Where they lie is told by `slots`; without them by the `ends` of lists laid one after the other, one for each
    answer of the parent; without these, too, there is one for each.
    """

    answers: list[Answer]
    parent: "Batch | None" = None
    child: Child | None = None
    ends: Sequence[int] | None = None
    slots: Sequence[Slot] | None = None
    # Whether nothing from here to the root may be null.
    bare: bool = field(init=False)

    def __post_init__(self) -> None:
        self.bare = (self.parent is None or self.parent.bare) and (self.child is None or self.child.bare)

    def put(self, name: str, values: Sequence[Any]) -> None:
        """Puts a value into each answer."""
        for answer, value in zip(self.answers, values, strict=True):
            answer[name] = value

    def slot(self, index: int) -> Slot:
        if self.slots is not None:
            return self.slots[index]
        if self.ends is None:
            return index, None
        owner = bisect_right(self.ends, index)
        return owner, index - (self.ends[owner - 1] if owner else 0)


@dataclass(slots=True, eq=False)
class Failure:
    """What befell a value: that of a field of a batch's object, or an item of its list at these places."""

    error: Exception
    batch: Batch
    index: int
    field: Leaf | Child
    places: tuple[int, ...]
