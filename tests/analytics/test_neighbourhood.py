"""Questions about an agent's surroundings stay bounded and exact next to agents whom everybody knows."""

import asyncio
from math import log

import networkx as nx
import pytest

from graph.analytics.network import Network
from graph.database import Database
from graph.neighbourhood import MUTUAL, SUGGESTIONS, Subgraph, Suggestion, ego
from graph.paths import Path, fewest_hops
from graph.questions import Asking, Question, QuestionKey, fetch_answers

from .conftest import put
from .networks import Relationships, directed, network_of, undirected

AGENTS = 1500
HUBS = (0, 1)


def crowd() -> Network:
    """Two whom everybody knows, of whom one knows everybody, too, and a ring of those who know the next two."""
    found: Relationships = {}
    for i in range(2, AGENTS):
        found[0, i] = 0.1 + 0.8 * (i % 97) / 97
        found[i, 0] = 0.3
        found[i, 1] = 0.2 + 0.6 * (i % 89) / 89
        for step in (1, 2):
            found[i, 2 + (i - 2 + step) % (AGENTS - 2)] = 0.5 + 0.4 * (i % 7) / 7
    return network_of(AGENTS, found)


NETWORK = crowd()
GRAPH, WHOLE = directed(NETWORK), undirected(NETWORK)


@pytest.fixture(scope="module", autouse=True)
async def crowded(migrated: Database) -> None:
    await put(migrated, NETWORK)


def number(key: str) -> int:
    return int(key.removeprefix("agent_"))


async def ask(database: Database, question: Question, agent: int, other: int = 0, **parameters: object) -> object:
    shape = Asking(question, tuple(parameters.items()))
    key = QuestionKey(shape, f"Agent:{agent}", f"agent_{other:04}")
    (answer,) = await fetch_answers(database, shape, [key], 20)
    return answer


def closest(a: int, b: int) -> float:
    return max(GRAPH.get_edge_data(*pair, {"strength": 0.0})["strength"] for pair in ((a, b), (b, a)))


@pytest.mark.parametrize("agent", [0, 1, 700])
@pytest.mark.parametrize(("radius", "limit"), [(1, 50), (2, 50), (3, 50), (1, 1000), (2, 1000)])
async def test_ego_networks_are_cut(migrated: Database, agent: int, radius: int, limit: int):
    bounds = {"least": 0.0, "limit": limit, "width": 2 * limit, "most": 20 * limit}
    found = await ask(migrated, ego(radius), agent, **bounds)
    assert isinstance(found, Subgraph)
    numbers = [number(each.key) for each in found.agents]
    reached = nx.ego_graph(WHOLE, agent, radius=radius)
    assert found.truncated == (len(reached) > limit)
    assert len(set(numbers)) == len(numbers) == min(len(reached), limit)
    assert numbers[0] == agent
    assert set(numbers) <= set(reached)
    near = sorted(WHOLE[agent], key=lambda other: (-closest(agent, other), other))[: limit - 1]
    assert numbers[1 : 1 + len(near)] == near
    ties = {
        (int(each.source_id.partition(":")[2]), int(each.target_id.partition(":")[2])) for each in found.relationships
    }
    assert ties == set(GRAPH.subgraph(numbers).edges)


async def test_acquaintances_in_common_with_those_whom_everybody_knows(migrated: Database):
    for agent, other in ((0, 1), (1, 0), (700, 0), (700, 702)):
        found = await ask(migrated, MUTUAL, agent, other, first=100)
        assert isinstance(found, list)
        common = nx.common_neighbors(WHOLE, agent, other)
        weight = {each: round(WHOLE[agent][each]["strength"] + WHOLE[other][each]["strength"], 9) for each in common}
        assert [number(each.key) for each in found] == sorted(weight, key=lambda each: (-weight[each], each))[:100]


async def test_those_whom_everybody_knows_add_to_suggestions_and_make_none(migrated: Database):
    found = await ask(migrated, SUGGESTIONS, 700, first=50)
    assert isinstance(found, list)
    degrees = {each: len(WHOLE[each]) for each in WHOLE} | {hub: GRAPH.degree(hub) for hub in HUBS}
    scores = {
        other: round(sum((closest(700, each) + closest(each, other)) / 2 / log(degrees[each]) for each in common), 9)
        for other in nx.non_neighbors(WHOLE, 700)
        if set(common := list(nx.common_neighbors(WHOLE, 700, other))).difference(HUBS)
    }
    assert all(isinstance(each, Suggestion) for each in found)
    assert [number(each.agent.key) for each in found] == sorted(scores, key=lambda each: (-scores[each], each))
    assert {number(each.agent.key): round(each.score, 9) for each in found} == scores
    assert all(each.mutual_count >= len(HUBS) for each in found)


async def test_paths_lead_through_the_one_who_knows_everybody(migrated: Database):
    for target in (1, 703, 1100):
        found = await ask(migrated, fewest_hops(6), 700, target)
        assert isinstance(found, Path)
        assert found.hops == nx.shortest_path_length(GRAPH, 700, target)
    # She knows nobody.
    assert await ask(migrated, fewest_hops(6), 1, 700) is None


async def test_many_ask_at_once(migrated: Database):
    bounds = {"least": 0.0, "limit": 200, "width": 400, "most": 4000}
    async with asyncio.timeout(20):
        for question, parameters in ((ego(2), bounds), (SUGGESTIONS, {"first": 10}), (MUTUAL, {"first": 10})):
            shape = Asking(question, tuple(parameters.items()))
            keys = [QuestionKey(shape, f"Agent:{agent}", "agent_0000") for agent in range(40)]
            assert len(await fetch_answers(migrated, shape, keys, 20)) == 40
