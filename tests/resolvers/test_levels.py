"""What queries cost: one a level whatever the size, or one for two, and nothing for what is not selected."""

from collections import Counter

import pytest

from graph.database import Database
from tests.conftest import Api, GraphLog
from tests.random_society import make_society, write_society

LEVELS = """
query ($first: Int!) { agents(first: $first) { nodes {
  memories(first: 5) { edges { cursor node { content agent { name } about { key } evidence { id } } } }
  relationships(first: 5) { edges { strength relationship { trust source { key } } node { name } } nodes { key } }
  knowledge(first: 5) { nodes { content topic { name knownBy(first: 2) { nodes { key } } } } }
  interactions(first: 5) { nodes { impact source { key } target { key } } }
  persona { summary }
} } }
"""


@pytest.fixture
async def filled(database: Database) -> Database:
    await write_society(database, make_society(9, agents=60, each=15))
    return database


async def queries(api: Api, log: GraphLog, query: str, **variables: object) -> Counter[str]:
    """Runs a query and counts what it sent to the database."""
    log.names.clear()
    answer = await api(query, **variables)
    assert "errors" not in answer
    return Counter(log.names)


async def test_each_level_costs_one_query_whatever_its_size(filled: Database, api: Api, graph_log: GraphLog):
    one = await queries(api, graph_log, LEVELS, first=1)
    fifty = await queries(api, graph_log, LEVELS, first=50)
    lists = {"agents and lists", "KNOWN_BY"}
    assert {name: fifty[name] for name in lists} == dict.fromkeys(lists, 1)
    # What 250 memories lead to is read by two queries side by side.
    assert {name: fifty[name] for name in ("ABOUT", "EVIDENCE")} == {"ABOUT": 2, "EVIDENCE": 2}
    # The agents that objects name become known with the lists that lead to them, at two moments at most.
    assert fifty.keys() == lists | {"ABOUT", "EVIDENCE", "Agent.id"}
    assert fifty["Agent.id"] <= 4
    assert one.keys() <= fifty.keys()


@pytest.mark.parametrize(
    ("selection", "sent"),
    [
        ("totalCount", ["Agent.key", "REMEMBERS.count"]),
        ("aggregate { count }", ["Agent.key", "REMEMBERS.count"]),
        (
            "totalCount aggregate { count importance { min max average sum } }",
            ["Agent.key", "REMEMBERS.count", "REMEMBERS.summary"],
        ),
        ("nodes { id }", ["Agent.key and lists"]),
        (
            "edges { cursor node { id } } nodes { id } pageInfo { hasNextPage startCursor endCursor } totalCount",
            ["Agent.key and lists", "REMEMBERS.count"],
        ),
        ("pageInfo { hasNextPage hasPreviousPage }", ["Agent.key and lists"]),
    ],
)
async def test_only_what_is_selected_is_asked_for(
    filled: Database, api: Api, graph_log: GraphLog, selection: str, sent: list[str]
):
    found = await queries(api, graph_log, f'{{ agent(key: "agent_0") {{ memories(first: 3) {{ {selection} }} }} }}')
    assert found == Counter(sent)


async def test_looking_back_past_a_cursor_costs_one_more_query(filled: Database, api: Api, graph_log: GraphLog):
    query = (
        'query ($after: String) { agent(key: "agent_0") { memories(first: 3, after: $after) '
        "{ nodes { id } pageInfo { endCursor hasNextPage %s } } } }"
    )
    answer = await api(query % "")
    cursor = answer["data"]["agent"]["memories"]["pageInfo"]["endCursor"]
    assert (await queries(api, graph_log, query % "", after=cursor))["REMEMBERS"] == 1
    assert (await queries(api, graph_log, query % "hasPreviousPage", after=cursor))["REMEMBERS"] == 2


async def test_counts_of_fifty_agents_cost_one_query(filled: Database, api: Api, graph_log: GraphLog):
    query = "{ agents(first: 50) { totalCount nodes { memories { totalCount } relationships { totalCount } } } }"
    assert await queries(api, graph_log, query) == Counter(
        ["agents", "agents.count", "REMEMBERS.count", "RELATES_TO.count"]
    )


async def test_the_same_thing_asked_for_twice_is_read_once(filled: Database, api: Api, graph_log: GraphLog):
    query = """{ a: agent(key: "agent_0") { id memories { nodes { id } } }
                 b: agent(key: "agent_0") { id memories { nodes { id } totalCount } } }"""
    assert await queries(api, graph_log, query) == Counter(["Agent.key and lists", "REMEMBERS.count"])


FILTERED = """
query ($low: Float!, $high: Float!) { agents(first: 9) { nodes {
  low: memories(first: 50, filter: {importance: {gte: $low}}) { ...found }
  high: memories(first: 50, filter: {importance: {gte: $high}}) { ...found }
} } }
fragment found on MemoryConnection { totalCount aggregate { importance { min } } nodes { importance } }
"""


async def test_filters_that_differ_in_their_values_share_queries(filled: Database, api: Api, graph_log: GraphLog):
    answer = await api(FILTERED, low=0.25, high=0.75)
    assert Counter(graph_log.names) == {"agents": 1, "REMEMBERS": 1, "REMEMBERS.count": 1, "REMEMBERS.summary": 1}
    sizes = Counter[str]()
    for agent in answer["data"]["agents"]["nodes"]:
        for name, least in (("low", 0.25), ("high", 0.75)):
            found = [each["importance"] for each in agent[name]["nodes"]]
            assert all(each >= least for each in found)
            assert agent[name]["totalCount"] == len(found)
            assert agent[name]["aggregate"]["importance"]["min"] == min(found, default=None)
            sizes[name] += len(found)
    assert sizes["low"] > sizes["high"] > 0


async def test_so_do_those_of_searches(filled: Database, api: Api, graph_log: GraphLog):
    query = """{
      low: searchMemories(text: "tea", first: 50, filter: {importance: {lt: 0.5}}) { totalCount nodes { importance } }
      high: searchMemories(text: "tea", first: 50, filter: {importance: {lt: 1}}) { totalCount nodes { importance } } }
    """
    found = (await api(query))["data"]
    assert Counter(graph_log.names) == {"search memories": 1, "search memories.tally": 1}
    assert found["low"]["totalCount"] < found["high"]["totalCount"]
    assert all(each["importance"] < 0.5 for each in found["low"]["nodes"])
    assert any(each["importance"] > 0.5 for each in found["high"]["nodes"])
