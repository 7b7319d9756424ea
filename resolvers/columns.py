"""Code that reads objects' columns straight into the dictionaries that become JSON.

It is generated once for each selection of a plan, because it runs for every object that is ever answered.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from graph.page import RowForm
from graph.reads import CURSOR
from resolvers.plan import Answer, BuildItems, BuildWhole, Child, Leaf, Selection

Build = Callable[[Sequence[Any], list[Any]], list[Answer | None]]

# What a value must be to be answered as it is; everything else is looked at closely. NaN and the infinities are
# the floats that minus themselves are not 0. orjson writes times in UTC as `isoformat` does.
SOUND: dict[Any, str] = {
    str: "{v}.__class__ is str",
    bool: "{v}.__class__ is bool",
    int: "{v}.__class__ is int and -2147483648 <= {v} <= 2147483647",
    float: "{v}.__class__ is float and {v} - {v} == 0.0",
    datetime: "{v}.__class__ is datetime and {v}.tzinfo is UTC",
}

# What of a page the items of a connection are made of. An edge's own attributes have the same names, and `cursor`.
EDGE = "edge"
PARTS = {"node": "page.items", "position": "page.positions", "far": "page.brought"}


def generate(constants: Mapping[str, Any], leaves: Sequence[Leaf]) -> Build:
    """Makes the function that answers objects: constants by name, in which those of leaves are their places.

    It appends objects with a column that is not what it should be to its second argument, and leaves None for them.
    """
    code = Code()
    answer = code.answer("each.", constants, leaves)
    condition = f" if {' and '.join(code.checks)} else odd(each)" if code.checks else ""
    return code.function(
        "def made(objects, strange):",
        "    answers, odd = [], strange.append",
        "    add = answers.append",
        "    for each in objects:",
        *(f"        {read}" for read in code.reads),
        f"        add({answer}{condition})",
        "    return answers",
    )


def generate_whole(constants: Mapping[str, Any], leaves: Sequence[Leaf], parts: Sequence[Child]) -> BuildWhole:
    """Makes the function that answers objects together with the parts that are embedded in them.

    It gives None if anything is not what it should be.
    """
    code = Code()
    answer = code.answer("each.", constants, leaves, parts)
    return code.function(
        "def made(objects):",
        "    answers = []",
        "    add = answers.append",
        "    try:",
        "        for each in objects:",
        *(f"            {line}" for line in code.adding(answer)),
        "    except Exception:",
        "        return None",
        "    return answers",
    )


def generate_items(
    item: str, constants: Mapping[str, Any], leaves: Sequence[Leaf], parts: Sequence[Child]
) -> BuildItems:
    """Makes the function that answers the items of connections' pages: their edges, or one of the `PARTS` of each.

    It gives None if anything is not what it should be.
    """
    from_objects = items_of(item, constants, leaves, parts)

    @lru_cache(maxsize=16)
    def from_rows(form: RowForm) -> BuildItems:
        try:
            return items_of(item, constants, leaves, parts, form)
        except KeyError:
            # The rows do not hold all that is answered.
            return from_objects

    def build(connections: Sequence[Any], pages: Sequence[Any]) -> list[list[Answer]] | None:
        forms = {getattr(page, "form", None) for page in pages}
        form = forms.pop() if len(forms) == 1 else None
        return (from_rows(form) if form else from_objects)(connections, pages)

    return build


def generate_lists(selected: Selection) -> BuildItems | None:
    """Makes the function that answers connections of which nothing is selected but their items, without cursors.

    It takes what the connections would be opened from; None if anything else is selected.
    """
    match selected:
        case Selection(leaves=[], children=[Child(name=name, build_items=build)], blank=blank, names=names):
            if build is None or CURSOR in names:
                return None
        case _:
            return None

    def build_lists(parents: Sequence[Any], pages: Sequence[Any]) -> list[Answer] | None:
        lists = build(parents, pages)
        return None if lists is None else [{**blank, name: each} for each in lists]

    return build_lists


def items_of(
    item: str,
    constants: Mapping[str, Any],
    leaves: Sequence[Leaf],
    parts: Sequence[Child],
    form: RowForm | None = None,
) -> BuildItems:
    """Makes the function that answers items from the objects of pages, or from their rows if these have a form."""
    code = Code(form.places if form else {})
    if item != EDGE:
        code.expect(item)
    answer = code.answer("" if item == EDGE else f"{item}.", constants, leaves, parts)
    cursor = ["cursor = connection.cursor_at(position)"] if "cursor" in code.roots else []
    if form:
        each = "for row in page.rows:"
        position = "".join(f"row[{place}], " for place in form.sorts)
        cursor = [f"position = ({position})", *cursor] if cursor else []
    else:
        read = code.roots | {"position"} if cursor else code.roots
        names = [name for name in PARTS if name in read] or ["node"]
        each = f"for {', '.join(names)}, in zip({', '.join(PARTS[name] for name in names)}, strict=True):"
    return code.function(
        "def made(connections, pages):",
        "    lists = []",
        "    try:",
        "        for connection, page in zip(connections, pages, strict=True):",
        "            lists.append(answers := [])",
        "            add = answers.append",
        f"            {each}",
        *(f"                {line}" for line in (*cursor, *code.adding(answer))),
        "    except Exception:",
        "        return None",
        "    return lists",
    )


class Code:
    """The code that answers objects: which values are read, what they must be, and what its names stand for.

    Of objects that are a `row`, `places` says where in it their attributes are. `roots` are the names that the paths
    of what is read begin with.
    """

    def __init__(self, places: Mapping[str, Mapping[str, int]] | None = None) -> None:
        self.reads: list[str] = []
        self.checks: list[str] = []
        self.roots: set[str] = set()
        self._places = places or {}
        self._names: dict[str, Any] = {"datetime": datetime, "UTC": UTC}

    def answer(
        self, prefix: str, constants: Mapping[str, Any], leaves: Sequence[Leaf], parts: Sequence[Child] = ()
    ) -> str:
        """Writes the answer of one object as a dictionary; what is read of the object is read under a prefix."""
        values = {name: "None" if value is None else repr(value) for name, value in constants.items()}
        for leaf in leaves:
            variable = self._read(prefix + leaf.path)
            if (check := sound(leaf, variable, self._names)) != "True":
                self.checks.append(f"({check})")
            values[leaf.name] = written(leaf, variable)
        for part in parts:
            variable = self._read(f"{prefix}{part.embedded}")
            self.expect(variable)
            if selection := part.selection:
                values[part.name] = self.answer(f"{variable}.", selection.blank, selection.leaves, selection.children)
        return "{" + ", ".join(f"{name!r}: {value}" for name, value in values.items()) + "}"

    def expect(self, variable: str) -> None:
        """Checks that something is there, as a row is."""
        if variable not in self._places:
            self.checks.append(f"{variable} is not None and not isinstance({variable}, Exception)")

    def adding(self, answer: str) -> list[str]:
        """Writes the lines that add an object's answer, or end it all if anything is not what it should be."""
        return [*self.reads, f"if not ({' and '.join(self.checks) or True}): return None", f"add({answer})"]

    def function(self, *lines: str) -> Any:
        """Makes the function `made` of its lines."""
        exec("\n".join(lines), self._names)  # noqa: S102 — the schema's own names; a client's aliases stand in it as literals
        return self._names["made"]

    def _read(self, path: str) -> str:
        """Reads what lies at a path into a variable. Raises KeyError for what a row does not hold."""
        if path in self._places:
            return path
        root, _, attribute = path.partition(".")
        self.roots.add(root)
        variable = f"v{len(self.reads)}"
        in_row = bool(self._places) and root in PARTS
        source = f"row[{self._places[root][attribute]}]" if in_row else path
        self.reads.append(f"{variable} = {source}")
        return variable


def sound(leaf: Leaf, variable: str, names: dict[str, Any]) -> str:
    """Says in Python that a value may be answered as it is."""
    kind, shape = leaf.kind, leaf.shape
    if isinstance(kind, type) and issubclass(kind, Enum):
        names[kind.__name__] = kind
        check = f"{variable}.__class__ is {kind.__name__}"
    elif shape.items and kind is str:
        check = f"{variable}.__class__ is list and all([item.__class__ is str for item in {variable}])"
    elif shape.items or kind not in SOUND:
        check = "False"
    else:
        check = SOUND[kind].format(v=variable)
    return f"{variable} is None or {check}" if shape.nullable else check


def written(leaf: Leaf, variable: str) -> str:
    if isinstance(leaf.kind, type) and issubclass(leaf.kind, Enum):
        name = f"{variable}._name_"
        return f"(None if {variable} is None else {name})" if leaf.shape.nullable else name
    return variable
