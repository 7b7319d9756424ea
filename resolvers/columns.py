"""Code that reads objects' columns straight into the dictionaries that become JSON.

It is generated once for each selection of a plan, because it runs for every object that is ever answered.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from resolvers.plan import Answer, Leaf

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


def generate(constants: Mapping[str, Any], leaves: Sequence[Leaf]) -> Build:
    """Makes the function that answers objects: constants by name, in which those of leaves are their places.

    It appends objects with a column that is not what it should be to its second argument, and leaves None for them.
    """
    names: dict[str, Any] = {"datetime": datetime, "UTC": UTC}
    values = {name: "None" if value is None else repr(value) for name, value in constants.items()}
    reads, checks = list[str](), list[str]()
    for number, leaf in enumerate(leaves):
        variable = f"v{number}"
        reads.append(f"        {variable} = each.{leaf.path}")
        if (check := sound(leaf, variable, names)) != "True":
            checks.append(f"({check})")
        values[leaf.name] = written(leaf, variable)
    answer = "{" + ", ".join(f"{name!r}: {value}" for name, value in values.items()) + "}"
    condition = f" if {' and '.join(checks)} else odd(each)" if checks else ""
    code = "\n".join([
        "def build(objects, strange):",
        "    answers, odd = [], strange.append",
        "    add = answers.append",
        "    for each in objects:",
        *reads,
        f"        add({answer}{condition})",
        "    return answers",
    ])  # fmt: skip
    exec(code, names)  # noqa: S102 — the schema's own names; a client's aliases stand in it as literals
    return names["build"]


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
