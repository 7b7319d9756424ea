"""Recall from the real database, against a ranking of all memories."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import Database
from graph.ranking import Candidate, Weights, rank
from graph.search import MEMORY_INDEX, read_words
from resolvers import recall as recalling
from resolvers.coalescer import Coalescer
from resolvers.loaders import Loaders
from resolvers.recall import Recalled, recall
from tests.random_society import Society, make_society, write_society

EVERY = """
MATCH (n:Memory {agentId: $agent}) RETURN n.id, n.importance, n.accessedAt.epochMillis
"""
SCORES = f"""
CALL db.index.fulltext.queryNodes('{MEMORY_INDEX}', $query) YIELD node, score
WHERE node.agentId = $agent AND score > 0 RETURN node.id, score
"""
WORDS = ("tea", "cat", "mill", "rain", "harbour", "book", "letter", "doll")


@pytest.fixture(scope="module")
async def society(migrated: Database) -> Society:
    """A society with 300 memories of one agent, many of them equals."""
    draw = random.Random(7)
    society = make_society(9, agents=4, each=300)
    for memory in society.memories:
        memory["content"] = " ".join(draw.choices(WORDS, k=draw.choice([1, 2, 5])))
        if draw.random() < 0.7:
            memory["accessedAt"] = f"2024-03-{draw.randint(1, 28):02}T{draw.randint(0, 23):02}:00:00.000000000Z"
            memory["importance"] = draw.choice([draw.random(), round(draw.random(), 1)])
    await write_society(migrated, society)
    await migrated.read("caught up", "CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()")
    return society


async def slowly(database: Database, agent: str, query: str) -> list[Candidate]:
    """Reads all memories of an agent, with their scores."""
    words = read_words(query)
    rows = await database.read("scores", SCORES, {"query": words, "agent": agent}) if words else []
    scores: dict[str, float] = {id: score for id, score in rows}  # noqa: C416
    return [Candidate(*row, scores.get(row[0])) for row in await database.read("every", EVERY, {"agent": agent})]


async def recalled(coalescer: Coalescer, agents: list[str], **given: Any) -> list[Recalled]:
    step = recall(
        **({"query": None, "vector": None, "first": 10, "weights": Weights(), "touch": False, "at": None} | given)
    )
    loaders = Loaders(coalescer)
    return [await loaders.finish(step([SimpleNamespace(id=agent)])) for agent in agents]  # pyright: ignore[reportArgumentType, reportReturnType]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    agent=st.integers(0, 3),
    query=st.sampled_from(["", "tea", "tea cat", "rain letter doll", "nothing", " ".join(WORDS)]),
    weights=st.tuples(*[st.sampled_from([0.0, 0.1, 1.0, 3.0])] * 3, st.sampled_from([3600.0, 86400.0, 5e5, 1e9])),
    first=st.sampled_from([0, 1, 3, 10, 40]),
    size=st.sampled_from([1, 5, 50]),
)
async def test_the_first_are_those_of_a_ranking_of_all(
    migrated: Database,
    coalescer: Coalescer,
    society: Society,
    agent: int,
    query: str,
    weights: Any,
    first: int,
    size: int,
):
    id = society.agents[agent]["id"]
    weighed = Weights(recency=weights[0], importance=weights[1], relevance=weights[2], half_life=weights[3])
    whole = rank(await slowly(migrated, id, query), weighed)[:first]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recalling, "AT_FIRST", size)
        (found,) = await recalled(coalescer, [id], query=query, weights=weighed, first=first)
    assert [(each.memory.id, pytest.approx(each.score)) for each in found] == [(each.id, each.score) for each in whole]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]


async def test_neither_the_newest_nor_the_most_important_can_be_missed(
    migrated: Database, coalescer: Coalescer, society: Society
):
    id = society.agents[0]["id"]
    every = await slowly(migrated, id, "")
    (newest,) = await recalled(coalescer, [id], first=1, weights=Weights(importance=0, relevance=0))
    (weightiest,) = await recalled(coalescer, [id], first=1, weights=Weights(recency=0, relevance=0))
    accessed = {each.id: each.accessed for each in every}
    assert accessed[newest[0].memory.id] == max(accessed.values())
    assert weightiest[0].memory.importance == max(each.importance for each in every)
