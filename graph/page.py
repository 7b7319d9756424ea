"""A page of a list: the objects in it, or the rows that they are made of once somebody asks for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What a row is sorted by.
Values = tuple[Any, ...]


class Page:
    """A page's items in the list's order, the sort values of each, and whether more follow its far end.

    `brought` is the agent at the other end of each item, if they were read along.
    """

    def __init__(self, items: list[Any], positions: list[Values], more: bool, brought: list[Any] | None = None) -> None:
        self.items = items
        self.positions = positions
        self.more = more
        self.brought = brought

    @property
    def alone(self) -> "Page":
        """The page without what it brought along."""
        return Page(self.items, self.positions, self.more) if self.brought else self


@dataclass(frozen=True, slots=True, eq=False)
class RowForm:
    """What rows are made of: an item (`node`) and the agent at its other end (`far`), if they were read along.

    `readers` make objects of these, and `places` are those of their attributes, if all are in the rows.
    `sorts` are the places of what the rows are sorted by. What is stored as text but is none is appended to rows by
    `convert`. If they are `plain`, rows can be answered without making objects of them, which might fail.
    """

    readers: Mapping[str, Callable[[list[Any]], Any]]
    places: Mapping[str, Mapping[str, int]]
    sorts: tuple[int, ...]
    convert: Callable[[list[list[Any]]], None] | None = None
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", self.places.keys() == self.readers.keys())


class RowPage(Page):
    """A page as rows. `form_alone` is the form of the same rows but for what they brought along."""

    def __init__(self, rows: list[list[Any]], more: bool, form: RowForm, form_alone: RowForm) -> None:
        self.rows = rows
        self.more = more
        self.form = form
        self._form_alone = form_alone

    def __getattr__(self, name: str) -> Any:
        """Makes objects of the rows the first time."""
        match name:
            case "items":
                found = list(map(self.form.readers["node"], self.rows))
            case "positions":
                found = [tuple([row[place] for place in self.form.sorts]) for row in self.rows]
            case "brought":
                read = self.form.readers.get("far")
                found = list(map(read, self.rows)) if read else None
            case _:
                raise AttributeError(f"A page has no {name}.")
        setattr(self, name, found)
        return found

    @property
    def alone(self) -> Page:
        alone = self._form_alone
        return self if self.form is alone else RowPage(self.rows, self.more, alone, alone)
