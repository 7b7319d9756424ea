"""A society without members."""

from typing import Any


async def test_every_list_is_empty(api: Any):
    page = "totalCount edges { cursor } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    answer = await api(
        f'{{ agents {{ {page} aggregate {{ count }} }} topics {{ {page} }} agent(key: "ada") {{ id }} }}'
    )
    empty: dict[str, Any] = {
        "totalCount": 0,
        "edges": [],
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }
    assert answer == {"data": {"agents": empty | {"aggregate": {"count": 0}}, "topics": empty, "agent": None}}


async def test_a_count_alone_costs_one_query(api: Any, graph_log: Any):
    assert await api("{ agents { totalCount } }") == {"data": {"agents": {"totalCount": 0}}}
    assert graph_log.names == ["agents.count"]
