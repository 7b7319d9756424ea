"""Every filter and order of the read API, end to end, in a society known by heart."""

import pytest

from tests.api.conftest import Read

pytestmark = pytest.mark.usefixtures("society")

# Each list of nodes or edges, and what its items are called here.
LISTS = {
    "agents": ("list: agents(%s) { nodes { name: id } }", "Agent:"),
    "memories": ('agent(key: "ada") { list: memories(%s) { nodes { name: id } } }', "Memory:"),
    "knowledge": ('agent(key: "ada") { list: knowledge(%s) { nodes { name: id } } }', "Knowledge:"),
    "interactions": ('agent(key: "ada") { list: interactions(%s) { nodes { name: id } } }', "Interaction:"),
    "ties": ('agent(key: "ada") { list: relationships(%s) { nodes { name: id } } }', "Agent:"),
}


async def listed(read: Read, kind: str, arguments: str) -> str:
    text, prefix = LISTS[kind]
    data = await read(f"{{ {text % arguments} }}")
    nodes = data.get("agent", data)["list"]["nodes"]
    return " ".join(node["name"].removeprefix(prefix) for node in nodes)


@pytest.mark.parametrize(
    ("kind", "filter", "expected"),
    [
        ("agents", "{}", "ada bo cy"),
        ("agents", "null", "ada bo cy"),
        ("agents", '{key: {eq: "bo"}}', "bo"),
        ("agents", '{key: {in: ["bo", "ada", "x"]}}', "ada bo"),
        ("agents", "{key: {in: []}}", ""),
        ("agents", '{key: {gt: "ada", lt: "c"}}', "bo"),
        ("agents", '{key: {gte: "ada", lte: "bo"}}', "ada bo"),
        ("agents", '{name: {startsWith: "Ada"}}', "ada"),
        ("agents", '{name: {contains: "y"}}', "ada cy"),
        ("agents", '{name: {endsWith: "o"}}', "bo"),
        ("agents", '{name: {contains: "BO"}}', ""),
        ("agents", "{socialEnergy: {eq: 0.5}}", "bo cy"),
        ("agents", "{socialEnergy: {gt: 0.5}}", "ada"),
        ("agents", "{socialEnergy: {gte: 0.5, lte: 0.5}}", "bo cy"),
        ("agents", "{socialEnergy: {lt: 0.5}}", ""),
        ("agents", "{socialEnergy: {in: [0.75, 1]}}", "ada"),
        ("agents", '{createdAt: {eq: "2024-01-02T08:00:00Z"}}', "bo"),
        ("agents", '{createdAt: {gt: "2024-01-02T09:00:00+02:00"}}', "bo cy"),
        ("agents", '{createdAt: {gte: "2024-01-02T08:00:00Z", lt: "2024-01-03T08:00:00Z"}}', "bo"),
        ("agents", '{createdAt: {lte: "2024-01-01T08:00:00Z"}}', "ada"),
        ("agents", '{and: [{key: {gt: "ada"}}, {socialEnergy: {eq: 0.5}}]}', "bo cy"),
        ("agents", '{or: [{key: {eq: "ada"}}, {name: {eq: "Cy"}}]}', "ada cy"),
        ("agents", '{not: {key: {eq: "ada"}}}', "bo cy"),
        ("agents", "{and: []}", "ada bo cy"),
        ("agents", "{or: []}", ""),
        ("agents", "{not: {}}", ""),
        ("agents", "{memories: {some: {importance: {gte: 0.5}}}}", "ada"),
        ("agents", "{memories: {none: {kind: [PLAN, CHAT]}}}", "cy"),
        ("agents", "{memories: {all: {kind: [PLAN]}}}", "bo cy"),
        ("agents", '{memories: {some: {aboutAgent: "cy/ü %2F"}}}', "ada"),
        ("agents", '{relationships: {some: {kind: {eq: "friend"}}}}', "ada bo"),
        ("agents", "{relationships: {all: {strength: {gte: 0.5}}}}", "bo cy"),
        ("agents", '{relationships: {some: {agent: {key: {eq: "ada"}}}}}', "bo"),
        ("agents", '{relationships: {none: {agent: {relationships: {some: {agent: {key: {eq: "bo"}}}}}}}}', "ada cy"),
        ("agents", '{knowledge: {some: {topic: {startsWith: "tea"}}}}', "ada bo"),
        ("agents", "{knowledge: {none: {confidence: {gt: 0.75}}}}", "bo cy"),
        ("agents", '{knowledge: {all: {content: {contains: "Po"}}}}', "bo cy"),
        ("memories", "{kind: [CHAT, REFLECTION]}", "friends rain"),
        ("memories", "{kind: []}", ""),
        ("memories", "{importance: {lt: 0.5}}", "rain"),
        ("memories", '{createdAt: {gt: "2024-01-02T08:00:00Z"}}', "friends rain"),
        ("memories", '{content: {contains: "ea"}}', "friends tea"),
        ("memories", '{aboutAgent: "bo"}', "tea mill"),
        ("memories", '{aboutAgent: "nobody"}', ""),
        ("memories", '{not: {aboutAgent: "bo"}, importance: {gt: 0.25}}', "friends"),
        ("memories", '{or: [{kind: [CHAT]}, {and: [{kind: [THOUGHT]}, {aboutAgent: "cy/ü %2F"}]}]}', "tea rain"),
        ("ties", '{kind: {eq: "friend"}}', "bo"),
        ("ties", "{strength: {lt: 0.5}}", "cy"),
        ("ties", "{trust: {gte: 0.5}}", "bo cy"),
        ("ties", '{lastInteractionAt: {gte: "2024-01-01T00:00:00Z"}}', "bo"),
        ("ties", "{lastInteractionAt: {eq: null}}", "cy"),
        ("ties", '{not: {lastInteractionAt: {gte: "2024-01-01T00:00:00Z"}}}', "cy"),
        ("ties", '{agent: {name: {eq: "Cy"}}}', "cy"),
        ("ties", '{or: [{agent: {key: {eq: "bo"}}}, {trust: {eq: 1}}]}', "bo cy"),
        ("interactions", '{kind: {in: ["chat", "help"]}}', "help hello"),
        ("interactions", "{impact: {lt: 0}}", "row"),
        ("interactions", '{at: {gte: "2024-01-04T08:00:00Z"}}', "row help"),
        ("interactions", '{withAgent: "bo"}', "help hello"),
        ("interactions", '{withAgent: "cy/ü %2F"}', "row"),
        ("interactions", '{withAgent: "ada"}', ""),
        ("interactions", '{withAgent: "bo", impact: {gt: 0.5}}', "help"),
        ("knowledge", '{topic: {eq: "tea"}}', "brew"),
        ("knowledge", '{content: {contains: "°"}}', "brew"),
        ("knowledge", "{confidence: {lte: 0.5}}", "grind"),
        ("knowledge", '{not: {topic: {eq: "tea"}}}', "grind"),
        ("knowledge", '{or: [{topic: {eq: "tea"}}, {confidence: {eq: 0.5}}]}', "brew grind"),
        ("knowledge", '{and: [{topic: {eq: "tea"}}, {confidence: {eq: 0.5}}]}', ""),
    ],
)
async def test_a_filter_lets_through(read: Read, kind: str, filter: str, expected: str):
    assert await listed(read, kind, f"filter: {filter}") == expected


@pytest.mark.parametrize(
    ("kind", "filter", "count"),
    [
        ("agents", '{or: [{key: {eq: "ada"}}, {name: {eq: "Cy"}}]}', 2),
        ("agents", "{memories: {none: {kind: [PLAN, CHAT]}}}", 1),
        ("memories", '{aboutAgent: "bo"}', 2),
        ("memories", "{importance: {lt: 0}}", 0),
        ("ties", '{agent: {name: {eq: "Cy"}}}', 1),
        ("interactions", '{withAgent: "bo"}', 2),
        ("knowledge", '{topic: {eq: "tea"}}', 1),
    ],
)
async def test_a_count_is_that_of_the_filtered_list(read: Read, kind: str, filter: str, count: int):
    text = LISTS[kind][0].replace("nodes { name: id }", "totalCount")
    data = await read(f"{{ {text % f'first: 1, filter: {filter}'} }}")
    assert data.get("agent", data)["list"] == {"totalCount": count}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('direction: IN, filter: {withAgent: "bo"}', "help"),
        ('direction: OUT, filter: {withAgent: "bo"}', "hello"),
        ('direction: IN, filter: {kind: {eq: "chat"}}', ""),
        ('direction: BOTH, filter: {at: {lt: "2024-01-04T08:00:00Z"}}', "hello"),
        ("direction: null, filter: {impact: {lt: 2}}", "row help hello"),
    ],
)
async def test_interactions_are_filtered_each_way(read: Read, arguments: str, expected: str):
    assert await listed(read, "interactions", arguments) == expected


@pytest.mark.parametrize(
    ("kind", "order", "expected"),
    [
        ("agents", "[]", "ada bo cy"),
        ("agents", "null", "ada bo cy"),
        ("agents", "[{key: DESC}]", "cy bo ada"),
        ("agents", "{key: DESC}", "cy bo ada"),
        ("agents", "[{name: DESC}]", "cy bo ada"),
        ("agents", "[{socialEnergy: ASC}]", "bo cy ada"),
        ("agents", "[{socialEnergy: ASC}, {name: DESC}]", "cy bo ada"),
        ("agents", "[{createdAt: DESC}]", "cy bo ada"),
        ("memories", "[]", "friends tea mill rain"),
        ("memories", "[{importance: ASC}]", "rain mill tea friends"),
        ("memories", "[{createdAt: ASC}]", "mill tea rain friends"),
        ("memories", "[{createdAt: DESC}]", "friends rain tea mill"),
        ("memories", "[{accessedAt: DESC}]", "rain friends tea mill"),
        ("memories", "[{importance: DESC}, {createdAt: ASC}]", "friends mill tea rain"),
        ("ties", "[]", "bo cy"),
        ("ties", "[{strength: ASC}]", "cy bo"),
        ("ties", "[{trust: DESC}]", "cy bo"),
        ("ties", "[{lastInteractionAt: ASC}]", "cy bo"),
        ("ties", "[{lastInteractionAt: DESC}]", "bo cy"),
        ("knowledge", "[]", "brew grind"),
        ("knowledge", "[{learnedAt: ASC}]", "grind brew"),
        ("knowledge", "[{topic: ASC}]", "grind brew"),
        ("knowledge", "[{confidence: DESC}]", "brew grind"),
    ],
)
async def test_an_order_sorts(read: Read, kind: str, order: str, expected: str):
    assert await listed(read, kind, f"orderBy: {order}") == expected
