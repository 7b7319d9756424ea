"""Filtered lists hold what a second reading of the contract lets through, in the list's order."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from graph.database import Database
from graph.edges import AGENTS, INTERACTIONS, LEARNED, RELATES_TO, REMEMBERS, Direction, Edge
from resolvers.coalescer import Coalescer
from resolvers.connections import Window, connect
from resolvers.loaders import Loaders
from tests import filter_trees as trees
from tests.random_society import Row, Society, make_society, write_society

STEADY = settings(
    derandomize=True, deadline=None, max_examples=25, database=None, suppress_health_check=list(HealthCheck)
)
BOTH = Direction.BOTH


@pytest.fixture(scope="module")
async def society(migrated: Database) -> Society:
    made = make_society(8)
    await write_society(migrated, made)
    return made


class Lists:
    """Compares filtered lists of the most active agent with what the judge lets through."""

    def __init__(self, society: Society, coalescer: Coalescer) -> None:
        self.society = society
        self.judge = trees.Judge(society)
        self.coalescer = coalescer
        self.first: str = society.agents[0]["id"]

    async def compare(self, edge: Edge, rows: list[Row], tree: trees.Tree, **options: Any) -> None:
        agents = self.judge.agents
        expected = [row for row in rows if self.judge.passes(row, tree, self.first, agents.get(self.other_end(row)))]
        by = edge.default.property
        tie = edge.ways[options.get("direction", Direction.OUT)][0].tie
        expected.sort(key=lambda row: (row[by], row[tie]), reverse=edge.default.descending)
        parent = None if edge is AGENTS else self.first
        connection = connect(
            Loaders(self.coalescer), edge, parent=parent, filter=tree, window=Window(first=1000), **options
        )
        assert [row.id for row in await connection.nodes()] == [row["id"] for row in expected]
        assert await connection.total_count() == len(expected)

    def other_end(self, row: Row) -> str:
        return row.get("targetId", "") if row.get("sourceId") == self.first else row.get("sourceId", "")

    def of_first(self, kind: str) -> list[Row]:
        rows: list[Row] = getattr(self.society, kind)
        return [row for row in rows if self.first in {row.get("agentId"), row.get("sourceId"), row.get("targetId")}]


@pytest.fixture(scope="module")
def lists(society: Society, coalescer: Coalescer) -> Lists:
    return Lists(society, coalescer)


@STEADY
@given(trees.agents)
async def test_agents(lists: Lists, tree: trees.Tree):
    await lists.compare(AGENTS, lists.society.agents, tree)


@STEADY
@given(trees.memories)
async def test_memories(lists: Lists, tree: trees.Tree):
    await lists.compare(REMEMBERS, lists.of_first("memories"), tree)


@STEADY
@given(trees.relationships)
async def test_relationships(lists: Lists, tree: trees.Tree):
    await lists.compare(RELATES_TO, lists.of_first("relationships"), tree, direction=BOTH)


@STEADY
@given(trees.knowledge)
async def test_knowledge(lists: Lists, tree: trees.Tree):
    await lists.compare(LEARNED, lists.of_first("knowledge"), tree)


@STEADY
@given(trees.interactions)
async def test_interactions(lists: Lists, tree: trees.Tree):
    await lists.compare(INTERACTIONS, lists.of_first("interactions"), tree, direction=BOTH)


@pytest.mark.parametrize("operator", ["eq", "gt", "startsWith", "contains", "endsWith"])
async def test_words_that_look_like_cypher_are_only_words(lists: Lists, operator: str):
    for word in (*trees.PLAIN_WORDS, "' OR 1=1 //", "$f0", "{", "\\", "\\u0022", "*:*", "/* */", "\0", "k.id"):
        await lists.compare(REMEMBERS, lists.of_first("memories"), {"content": {operator: word}})


async def test_a_list_of_values_in_any_order_leaves_the_order_of_the_list(lists: Lists):
    await lists.compare(REMEMBERS, lists.of_first("memories"), {"importance": {"in": [0.1, 1.0, 0.3, 0.1, -0.0]}})
    await lists.compare(AGENTS, lists.society.agents, {"key": {"in": ["agent_3", "agent_1", "agent_2"]}})


async def test_both_zeros_are_one(lists: Lists):
    for operator in ("eq", "gte", "lte", "gt", "lt"):
        await lists.compare(REMEMBERS, lists.of_first("memories"), {"importance": {operator: -0.0}})
