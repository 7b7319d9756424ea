"""What a page holds and says of its place, whatever window is asked for and whatever happens between pages."""

import random

import pytest

from graph.database import Database
from graph.edges import AGENTS, REMEMBERS
from graph.errors import BadInput
from resolvers.coalescer import Coalescer
from resolvers.connections import Connection, Window, connect
from resolvers.loaders import Loaders
from tests.random_society import Row, make_agent, make_memory, write_rows

ORDER = [{"importance": "DESC"}, {"createdAt": "ASC"}]
DELETE = "UNWIND $ids AS id MATCH (n:Memory {id: id}) DETACH DELETE n"


def in_order(memories: list[Row]) -> list[str]:
    return [row["id"] for row in sorted(memories, key=lambda row: (-row["importance"], row["createdAt"], row["id"]))]


async def fill(database: Database, draw: random.Random, count: int) -> tuple[Row, list[Row]]:
    """Writes an agent with memories."""
    agent = make_agent(draw, 0)
    memories = [make_memory(draw, agent) for _ in range(count)]
    await write_rows(database, "agents", [agent])
    await write_rows(database, "memories", memories)
    return agent, memories


def open_list(coalescer: Coalescer, agent: Row, window: Window) -> Connection:
    return connect(Loaders(coalescer), REMEMBERS, parent=agent["id"], window=window, order=ORDER)


async def test_every_window_is_cut_as_relay_says_even_at_rows_that_are_gone(database: Database, coalescer: Coalescer):
    draw = random.Random(2)
    agent, memories = await fill(database, draw, 9)
    edges = await open_list(coalescer, agent, Window(first=9)).edges()
    assert [edge.node.id for edge in edges] == in_order(memories)
    cursors = [edge.cursor for edge in edges]
    gone = {0, 3, 4, 8}
    await database.transact("delete", (DELETE, {"ids": [edges[place].node.id for place in gone]}))
    alive = [place for place in range(9) if place not in gone]
    for _ in range(150):
        after, before = draw.choice((None, *range(9))), draw.choice((None, *range(9)))
        size, forward = draw.choice((0, 1, 2, 5, 9)), draw.random() < 0.5
        cut = [i for i in alive if (after is None or i > after) and (before is None or i < before)]
        connection = open_list(
            coalescer,
            agent,
            Window(
                first=size if forward else None,
                last=None if forward else size,
                after=None if after is None else cursors[after],
                before=None if before is None else cursors[before],
            ),
        )
        page = cut[:size] if forward else cut[len(cut) - min(size, len(cut)) :]
        more, earlier = len(cut) > size, after is not None and any(i <= after for i in alive)
        later = before is not None and any(i >= before for i in alive)
        assert [node.id for node in await connection.nodes()] == [edges[place].node.id for place in page]
        assert await connection.has_next_page() == ((more and forward) or later)
        assert await connection.has_previous_page() == ((more and not forward) or earlier)
        assert await connection.start_cursor() == (cursors[page[0]] if page else None)
        assert await connection.end_cursor() == (cursors[page[-1]] if page else None)


@pytest.mark.parametrize("backward", [False, True])
async def test_rows_that_stay_are_seen_once_while_others_come_and_go(
    database: Database, coalescer: Coalescer, backward: bool
):
    draw = random.Random(3)
    agent, memories = await fill(database, draw, 60)
    stay, go = memories[:30], [row["id"] for row in memories[30:]]
    seen: list[str] = []
    cursor = None
    while True:
        size = draw.randint(1, 7)
        window = Window(last=size, before=cursor) if backward else Window(first=size, after=cursor)
        connection = open_list(coalescer, agent, window)
        edges = await connection.edges()
        seen += [edge.node.id for edge in (reversed(edges) if backward else edges)]
        if not (await connection.has_previous_page() if backward else await connection.has_next_page()):
            break
        cursor = edges[0 if backward else -1].cursor
        # Now and then the very row that the cursor came from goes as well.
        leaving = [go.pop() for _ in range(min(2, len(go)))] + [id for id in seen[-1:] if id in go]
        await database.transact("delete", (DELETE, {"ids": leaving}))
        await write_rows(database, "memories", [make_memory(draw, agent) for _ in range(2 if len(seen) < 80 else 0)])
    assert len(seen) == len(set(seen))
    expected = in_order(stay)
    staying = [id for id in seen if id in set(expected)]
    assert staying == (expected[::-1] if backward else expected)


async def test_numbered_pages_are_slices_of_the_list(database: Database, coalescer: Coalescer):
    agent, memories = await fill(database, random.Random(4), 23)
    for skip in (0, 1, 10, 22, 23, 1000):
        page = await open_list(coalescer, agent, Window(first=10, skip=skip)).nodes()
        assert [node.id for node in page] == in_order(memories)[skip : skip + 10]


async def test_twenty_unless_told_and_at_most_a_thousand(database: Database, coalescer: Coalescer):
    agent, _ = await fill(database, random.Random(5), 25)
    assert len(await open_list(coalescer, agent, Window()).nodes()) == 20
    assert len(await open_list(coalescer, agent, Window(first=1000)).nodes()) == 25


async def test_an_unknown_parent_has_an_empty_list(database: Database, coalescer: Coalescer):
    nobody = {"id": "Agent:nobody"}
    for window in (Window(), Window(last=5), Window(first=0)):
        connection = open_list(coalescer, nobody, window)
        assert await connection.edges() == []
        assert not await connection.has_next_page()
        assert not await connection.has_previous_page()
        assert await connection.end_cursor() is None
        assert await connection.total_count() == 0
    summary = await open_list(coalescer, nobody, Window()).summary("importance")
    assert (summary.min, summary.max, summary.average, summary.sum) == (None, None, None, 0.0)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"first": 1, "last": 1}, "first and last exclude each other"),
        ({"first": -1}, "first: must lie between 0 and 1000, is -1"),
        ({"last": -5}, "last: must lie between 0 and 1000, is -5"),
        ({"first": 1001}, "first: must lie between 0 and 1000, is 1001"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(sizes: dict[str, int], said: str):
    with pytest.raises(BadInput, match=said):
        Window(**sizes)


@pytest.mark.parametrize(
    ("item", "said"),
    [({}, "exactly one field"), ({"key": "ASC", "name": "ASC"}, "exactly one field"), ({"id": "ASC"}, "by id")],
)
def test_orders_that_make_no_sense_are_refused(coalescer: Coalescer, item: dict[str, str], said: str):
    with pytest.raises(BadInput, match=said):
        connect(Loaders(coalescer), AGENTS, order=[item])
