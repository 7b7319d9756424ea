"""Walking every list by its cursors gives what sorting all of it in Python gives."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from graph.database import Database
from graph.edges import (
    ABOUT,
    AGENTS,
    EVIDENCE,
    INTERACTIONS,
    KNOWN_BY,
    LEARNED,
    RELATES_TO,
    REMEMBERS,
    TOPICS,
    Direction,
    Edge,
    Order,
)
from graph.pages import complete_order
from resolvers.coalescer import Coalescer
from resolvers.connections import Connection, Window, connect, read_order
from resolvers.loaders import Loaders
from tests.random_society import Row, Society, make_society, write_society

IN, OUT, BOTH = Direction.IN, Direction.OUT, Direction.BOTH
LISTS = [(edge, direction) for edge in (AGENTS, TOPICS, REMEMBERS, LEARNED, INTERACTIONS, RELATES_TO, ABOUT, EVIDENCE,
         KNOWN_BY) for direction in edge.ways]  # fmt: skip


@pytest.fixture(scope="module")
async def society(migrated: Database) -> Society:
    made = make_society(1)
    await write_society(migrated, made)
    return made


def between(rows: list[Row], direction: Direction, agent: str) -> list[Row]:
    """Rows that go out from an agent, come in, or both."""
    return [
        row
        for row in rows
        if (row["sourceId"] == agent and direction is not IN) or (row["targetId"] == agent and direction is not OUT)
    ]


def listed(society: Society, edge: Edge, direction: Direction) -> tuple[str | None, list[Row]]:
    """A parent with many items, and all of them in no order."""
    agent, memory = society.agents[0]["id"], society.memories[0]["id"]
    agents = {row["id"]: row for row in society.agents}
    match edge.name:
        case "agents":
            return None, society.agents
        case "topics":
            return None, society.topics
        case "REMEMBERS":
            return agent, [row for row in society.memories if row["agentId"] == agent]
        case "LEARNED":
            return agent, [row for row in society.knowledge if row["agentId"] == agent]
        case "INTERACTIONS":
            return agent, between(society.interactions, direction, agent)
        case "RELATES_TO":
            return agent, between(society.relationships, direction, agent)
        case "ABOUT":
            return memory, [agents[id] for id in society.about[memory]]
        case "EVIDENCE":
            return memory, [row for row in society.memories if row["id"] in society.evidence[memory]]
        case _:
            topic = society.knowledge[0]["topicName"]
            return topic, [
                agents[id] for id in {row["agentId"] for row in society.knowledge if row["topicName"] == topic}
            ]


def sorted_rows(rows: list[Row], order: Sequence[Order], *, indexed: bool) -> list[Row]:
    """Sorts as the contract says: by each property, an absent time first.

    Texts sort by code points where an index has them, else by UTF-16.
    """
    for place, item in reversed(list(enumerate(order))):

        def value(row: Row, name: str = item.property, by_code_point: bool = indexed and place == 0) -> Any:
            found = "" if row[name] is None else row[name]
            return found.encode("utf-16-be") if isinstance(found, str) and not by_code_point else found

        rows = sorted(rows, key=value, reverse=item.descending)
    return rows


def orders_of(edge: Edge, draw: random.Random) -> list[list[Mapping[str, str]]]:
    """No order, each one both ways, and some of several."""
    single: list[list[Mapping[str, str]]] = [[{name: way}] for name in edge.orders for way in ("ASC", "DESC")]
    several = [
        [{name: draw.choice(("ASC", "DESC"))} for name in draw.sample(list(edge.orders), size)]
        for size in (2, len(edge.orders))
        if edge.orders
    ]
    return [[], *single, *several]


async def walk(open: Any, *, backward: bool, draw: random.Random, total: int) -> list[str]:
    """Goes from page to page until there are no more, and checks what each page says of its place."""
    found: list[str] = []
    cursor = None
    for _ in range(total + 2):
        size = draw.randint(1, 9)
        window = Window(last=size, before=cursor) if backward else Window(first=size, after=cursor)
        connection: Connection = open(window)
        edges = await connection.edges()
        found = [*(edge.node.id for edge in edges), *found] if backward else [*found, *(edge.node.id for edge in edges)]
        assert len(edges) == min(size, total - len(found) + len(edges))
        assert [edge.cursor for edge in (edges[0], edges[-1])] == [
            await connection.start_cursor(), await connection.end_cursor()]  # fmt: skip
        onward, back = await connection.has_next_page(), await connection.has_previous_page()
        if backward:
            onward, back = back, onward
        assert back == (cursor is not None)
        assert onward == (len(found) < total)
        if not onward:
            return found
        cursor = edges[0 if backward else -1].cursor
    raise AssertionError("the list has no end")


@pytest.mark.parametrize(("edge", "direction"), LISTS, ids=lambda each: getattr(each, "name", each))
async def test_all_pages_together_are_the_sorted_list(
    society: Society, coalescer: Coalescer, edge: Edge, direction: Direction
):
    draw = random.Random(f"{edge.name} {direction}")
    parent, rows = listed(society, edge, direction)
    assert len(rows) > 1
    indexed = bool(edge.ways[direction][0].label)
    for order in orders_of(edge, draw):
        total_order = complete_order(edge, [read_order(edge, item, 0) for item in order], direction)
        expected = [row["id"] for row in sorted_rows(rows, total_order, indexed=indexed)]

        def open(window: Window, order: Sequence[Mapping[str, str]] = order) -> Connection:
            return connect(Loaders(coalescer), edge, parent=parent, window=window, direction=direction, order=order)

        for backward in (False, True):
            found = await walk(open, backward=backward, draw=draw, total=len(rows))
            assert found == expected, (order, "backward" if backward else "forward")
        assert await open(Window()).total_count() == len(rows)
