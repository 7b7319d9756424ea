"""Generated code that answers objects together with what is embedded in them."""

from types import SimpleNamespace
from typing import Any

import pytest

from resolvers.columns import generate, generate_whole
from resolvers.plan import Child, Leaf, Selection, Shape

SOUND = Shape(nullable=False)


def leaf(name: str, path: str, kind: type) -> Leaf:
    return Leaf(name, SOUND, 0, f"Thing.{name}", [], lambda value: value, path, kind)


def part(name: str, path: str, constants: dict[str, Any], *leaves: Leaf, parts: tuple[Child, ...] = ()) -> Child:
    selection = Selection(generate(constants, leaves), constants, leaves, list(parts), frozenset())
    return Child(name, SOUND, 0, f"Thing.{name}", [], None, lambda _: None, selection, embedded=path)


INNER = part("inner", "core", {"__typename": "Core"})
NODE = part("node", "item.far", {"inner": None, "name": None}, leaf("name", "title", str), parts=(INNER,))
CONSTANTS = {"node": None, "__typename": "Thing", "size": None}
BUILD = generate_whole(CONSTANTS, [leaf("size", "item.size", float)], [NODE])


def thing(size: Any = 0.5, far: Any = None, **changes: Any) -> SimpleNamespace:
    own = {"title": "a", "core": object()} | changes
    return SimpleNamespace(item=SimpleNamespace(size=size, far=far or SimpleNamespace(**own)))


def test_what_is_embedded_is_answered_in_its_place():
    first, second = BUILD([thing(), thing(0.25, title="b")]) or ()
    assert first == {"node": {"inner": {"__typename": "Core"}, "name": "a"}, "__typename": "Thing", "size": 0.5}
    assert second["node"]["name"] == "b"
    assert [list(first), list(first["node"])] == [["node", "__typename", "size"], ["inner", "name"]]


@pytest.mark.parametrize(
    "odd",
    [
        thing(float("nan")),
        thing(title=None),
        thing(title=7),
        thing(core=None),
        thing(core=ValueError("It failed.")),
        thing(far=AttributeError("It failed.", name="title")),
        SimpleNamespace(item=SimpleNamespace(size=0.5, far=None)),
        SimpleNamespace(item=ValueError("It failed.")),
        None,
    ],
)
def test_nothing_is_answered_if_anything_is_odd(odd: Any):
    assert BUILD([thing(), odd, thing()]) is None
