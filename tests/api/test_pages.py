"""Pages, counts and figures of lists, end to end, in a society known by heart."""

from typing import Any

import pytest

from tests.api.conftest import BO, Read

pytestmark = pytest.mark.usefixtures("society")


async def test_pages_forward_and_backward(read: Read):
    query = """query ($first: Int, $after: String, $last: Int, $before: String) {
      agent(key: "ada") {
        memories(first: $first, after: $after, last: $last, before: $before) {
          totalCount
          edges { cursor node { id } }
          nodes { id }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    }"""

    async def page(**window: Any) -> dict[str, Any]:
        found = (await read(query, **window))["agent"]["memories"]
        assert found["totalCount"] == 4
        assert found["nodes"] == [edge["node"] for edge in found["edges"]]
        info, cursors = found["pageInfo"], [edge["cursor"] for edge in found["edges"]] or [None]
        assert (info["startCursor"], info["endCursor"]) == (cursors[0], cursors[-1])
        names = [node["id"].removeprefix("Memory:") for node in found["nodes"]]
        return {"names": names, "before": info["hasPreviousPage"], "after": info["hasNextPage"], "cursors": cursors}

    def shown(page: dict[str, Any]) -> tuple[list[str], bool, bool]:
        return page["names"], page["before"], page["after"]

    start = await page(first=2)
    assert shown(start) == (["friends", "tea"], False, True)
    rest = await page(first=2, after=start["cursors"][-1])
    assert shown(rest) == (["mill", "rain"], True, False)
    assert shown(await page(first=2, after=rest["cursors"][-1])) == ([], True, False)
    end = await page(last=1)
    assert shown(end) == (["rain"], True, False)
    assert shown(await page(last=2, before=end["cursors"][0])) == (["tea", "mill"], True, True)
    between = await page(first=9, after=start["cursors"][0], before=end["cursors"][0])
    assert shown(between) == (["tea", "mill"], True, True)
    assert shown(await page(first=0)) == ([], False, True)
    assert shown(await page(last=0)) == ([], True, False)
    assert shown(await page()) == (["friends", "tea", "mill", "rain"], False, False)


async def test_figures_of_lists(read: Read):
    query = """{
      agents { aggregate { __typename count socialEnergy { __typename min max average sum } } }
      agent(key: "ada") {
        memories { aggregate { count importance { min max average sum } } }
        relationships { aggregate { count strength { min max } trust { average sum } } }
        in: relationships(direction: IN) { aggregate { count strength { sum } } }
      }
    }"""
    energy = {"__typename": "FloatSummary", "min": 0.5, "max": 0.75, "average": pytest.approx(1.75 / 3), "sum": 1.75}
    importance = {"min": 0.25, "max": 1.0, "average": 0.5625, "sum": 2.25}
    ties = {"count": 2, "strength": {"min": 0.25, "max": 0.75}, "trust": {"average": 0.75, "sum": 1.5}}
    assert await read(query) == {
        "agents": {"aggregate": {"__typename": "AgentAggregate", "count": 3, "socialEnergy": energy}},
        "agent": {
            "memories": {"aggregate": {"count": 4, "importance": importance}},
            "relationships": {"aggregate": ties},
            "in": {"aggregate": {"count": 1, "strength": {"sum": 0.5}}},
        },
    }


async def test_figures_of_filtered_and_empty_lists(read: Read):
    query = """{
      tired: agents(filter: {socialEnergy: {lt: 0.6}}, first: 1) { aggregate { count socialEnergy { average sum } } }
      none: agents(filter: {key: {eq: ""}}) { aggregate { count socialEnergy { min max average sum } } }
      ada: agent(key: "ada") { memories(filter: {aboutAgent: "bo"}) { aggregate { count importance { sum } } } }
      cy: agent(key: "cy/ü %2F") {
        memories { totalCount aggregate { count importance { min max average sum } } }
        relationships { aggregate { count strength { min sum } trust { max average } } }
      }
    }"""
    empty = {"min": None, "max": None, "average": None, "sum": 0.0}
    no_ties = {"count": 0, "strength": {"min": None, "sum": 0.0}, "trust": {"max": None, "average": None}}
    assert await read(query) == {
        "tired": {"aggregate": {"count": 2, "socialEnergy": {"average": 0.5, "sum": 1.0}}},
        "none": {"aggregate": {"count": 0, "socialEnergy": empty}},
        "ada": {"memories": {"aggregate": {"count": 2, "importance": {"sum": 1.0}}}},
        "cy": {
            "memories": {"totalCount": 0, "aggregate": {"count": 0, "importance": empty}},
            "relationships": {"aggregate": no_ties},
        },
    }


async def test_counts_follow_the_filter_not_the_page(read: Read):
    query = """{
      agents(first: 1, filter: {socialEnergy: {eq: 0.5}}) { totalCount nodes { key } pageInfo { hasNextPage } }
      agent(key: "ada") {
        interactions(first: 0, filter: {withAgent: "bo"}) { totalCount edges { cursor } }
        knowledge(last: 1) { totalCount nodes { topic { name } } }
      }
    }"""
    assert await read(query) == {
        "agents": {"totalCount": 2, "nodes": [BO], "pageInfo": {"hasNextPage": True}},
        "agent": {
            "interactions": {"totalCount": 2, "edges": []},
            "knowledge": {"totalCount": 2, "nodes": [{"topic": {"name": "mills"}}]},
        },
    }
