"""Generated code that answers objects together with what is embedded in them."""

from types import SimpleNamespace
from typing import Any

import pytest

from graph.page import Page, RowForm, RowPage
from resolvers.columns import EDGE, generate, generate_items, generate_whole
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


class Numbered:
    """A connection whose cursors are its number and the position."""

    def __init__(self, number: int) -> None:
        self._number = number

    def cursor_at(self, position: tuple[float, ...]) -> str:
        return f"{self._number}:{position[0]}"


FAR = part("node", "far", {"name": None}, leaf("name", "title", str))
EDGE_LEAVES = [leaf("cursor", "cursor", str), leaf("size", "node.size", float)]
EDGES = generate_items(EDGE, {"cursor": None, "size": None, "node": None}, EDGE_LEAVES, [FAR])
NODES = generate_items("node", {"size": None}, [leaf("size", "size", float)], [])
COUNTED = generate_items("node", {"__typename": "Thing"}, [], [])


def page(*sizes: Any, far: Any = None) -> Page:
    items = [SimpleNamespace(size=size) for size in sizes]
    return Page(
        items, [(size,) for size in sizes], False, far or [SimpleNamespace(title=f"far {size}") for size in sizes]
    )


def test_edges_are_answered_from_their_pages():
    assert EDGES([Numbered(1), Numbered(2), Numbered(3)], [page(0.5, 0.25), page(), page(1.0)]) == [
        [
            {"cursor": "1:0.5", "size": 0.5, "node": {"name": "far 0.5"}},
            {"cursor": "1:0.25", "size": 0.25, "node": {"name": "far 0.25"}},
        ],
        [],
        [{"cursor": "3:1.0", "size": 1.0, "node": {"name": "far 1.0"}}],
    ]


def test_nodes_are_answered_from_their_pages():
    pages = [page(0.5), page(0.25, 1.0)]
    assert NODES([None, None], pages) == [[{"size": 0.5}], [{"size": 0.25}, {"size": 1.0}]]
    assert COUNTED([None, None], pages) == [[{"__typename": "Thing"}], [{"__typename": "Thing"}] * 2]


class Made(SimpleNamespace):
    """What a row was made into, which a test may forbid."""

    allowed = False

    def __init__(self, **values: Any) -> None:
        assert self.allowed, "No object was to be made."
        super().__init__(**values)


ALONE = RowForm({"node": lambda row: Made(size=row[1])}, {"node": {"size": 1}}, (1,))
FORM = RowForm({**ALONE.readers, "far": lambda row: Made(title=row[0])}, {**ALONE.places, "far": {"title": 0}}, (1,))


def rows(*sizes: Any, form: RowForm = FORM) -> RowPage:
    return RowPage([[f"far {size}", size] for size in sizes], False, form, ALONE)


def test_pages_of_rows_are_answered_as_those_of_objects_but_without_making_any():
    connections = [Numbered(1), Numbered(2)]
    assert EDGES(connections, [rows(0.5, 0.25), rows()]) == EDGES(connections, [page(0.5, 0.25), page()])
    assert NODES(connections, [rows(0.5), rows(0.25)]) == [[{"size": 0.5}], [{"size": 0.25}]]
    assert COUNTED(connections, [rows(0.5), rows()]) == [[{"__typename": "Thing"}], []]
    for odd in (rows(None), rows(float("inf")), rows(0.5, form=ALONE)):
        assert EDGES(connections, [rows(0.5), odd]) is None


def test_objects_are_made_of_rows_that_do_not_hold_what_is_answered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Made, "allowed", True)
    doubled = generate_items("node", {"twice": None}, [leaf("twice", "size.real", float)], [])
    assert doubled([None], [rows(0.5)]) == [[{"twice": 0.5}]]
    assert EDGES([Numbered(1), Numbered(2)], [rows(0.5), page(0.25)]) == EDGES(
        [Numbered(1), Numbered(2)], [page(0.5), page(0.25)]
    )
    found = rows(0.5, 0.25)
    assert found.positions == [(0.5,), (0.25,)]
    assert found.brought == [Made(title="far 0.5"), Made(title="far 0.25")]
    assert found.alone.brought is None
    assert found.alone.items == found.items == [Made(size=0.5), Made(size=0.25)]
    assert found.items is found.items


def test_nothing_is_answered_of_pages_if_anything_is_odd():
    failed = ValueError("It failed.")
    odd: list[Any] = [
        failed,
        None,
        page(float("inf")),
        page(None),
        page(0.5, 0.25, far=[SimpleNamespace(title="a")]),
        page(0.5, far=[failed]),
        page(0.5, far=[SimpleNamespace(title=None)]),
        Page([SimpleNamespace(size=0.5)], [(0.5,)], False),
        Page([failed], [(0.5,)], False, [SimpleNamespace(title="a")]),
    ]
    for each in odd:
        assert EDGES([Numbered(1), Numbered(2)], [page(0.5), each]) is None
    for item in (None, failed):
        assert NODES([None], [Page([item], [(0.5,)], False)]) is None
        assert COUNTED([None], [Page([item], [(0.5,)], False)]) is None
    assert NODES([None], [page(0.5), page(0.5)]) is None
