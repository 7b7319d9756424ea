"""Every field of the read API, end to end, in a society known by heart."""

from typing import Any

import pytest

from tests.api.conftest import ADA, BO, CY, Read, day

pytestmark = pytest.mark.usefixtures("society")


def ids(*names: str) -> list[dict[str, str]]:
    return [{"id": name} for name in names]


async def test_every_field_of_an_agent_and_its_persona(read: Read):
    query = """{
      agent(key: "ada") {
        __typename id key name socialEnergy learningRate memoryCapacity importanceThreshold createdAt updatedAt
        persona { __typename summary traits age lifestyle currently extra }
      }
    }"""
    assert await read(query) == {
        "agent": {
            "__typename": "Agent",
            "id": "Agent:ada",
            "key": "ada",
            "name": "Ada Byron",
            "socialEnergy": 0.75,
            "learningRate": 0.2,
            "memoryCapacity": 100,
            "importanceThreshold": 0.25,
            "createdAt": "2024-01-01T08:00:00+00:00",
            "updatedAt": "2024-01-02T08:00:00.250000+00:00",
            "persona": {
                "__typename": "Persona",
                "summary": "Counts things.",
                "traits": ["curious", "blunt"],
                "age": 36,
                "lifestyle": "up early",
                "currently": "counting",
                "extra": {"house": {"rooms": 3}, "pets": ["cat", None], "tall": True, "big": 12345678901234},
            },
        }
    }


async def test_what_is_absent_is_null(read: Read):
    query = """{
      bo: agent(key: "bo") { persona { summary traits age lifestyle currently extra } }
      cy: agent(id: "Agent:cy") { persona { summary } relationshipWith(key: "ada") { id } }
      nobody: agent(key: "nobody") { id }
      none: agent(id: "Agent:none") { id }
      other: agent(id: "Memory:tea") { id }
      topic(name: "none") { id }
      node(id: "Memory:none") { id }
    }"""
    persona = {"summary": "Makes tea.", "traits": [], "age": None, "lifestyle": None, "currently": None, "extra": None}
    assert await read(query) == {
        "bo": {"persona": persona},
        "cy": {"persona": None, "relationshipWith": None},
        "nobody": None,
        "none": None,
        "other": None,
        "topic": None,
        "node": None,
    }


async def test_every_kind_of_node_is_found_by_its_id(read: Read):
    query = """query ($ids: [ID!]!) {
      nodes(ids: $ids) {
        __typename
        id
        ... on Agent { key }
        ...Remembered
        ... on Relationship {
          source { key } target { key } kind strength trust interactionCount firstMetAt lastInteractionAt
        }
        ... on Interaction { kind said: content impact at source { key } target { key } }
        ... on Knowledge { topic { id name } content confidence heardFrom: source learnedAt agent { key } }
        ... on Topic { name }
      }
    }
    fragment Remembered on Memory {
      memoryKind: kind content importance createdAt accessedAt accessCount
      agent { key } about { key } evidence { id }
    }"""
    wanted = [
        "Memory:friends", "Agent:bo", "Memory:none", "Relationship:ada-bo", "Interaction:hello", "Knowledge:brew",
        "Topic:teapots: a history", "Agent:bo", "Topic:none", "Memory:tea", "Memory:rain", "Relationship:ada-cy",
        "Interaction:help", "Knowledge:grind",
    ]  # fmt: skip
    nodes = (await read(query, ids=wanted))["nodes"]
    assert [node and node["id"] for node in nodes] == [None if "none" in each else each for each in wanted]
    assert nodes[0] == {
        "__typename": "Memory",
        "id": "Memory:friends",
        "memoryKind": "REFLECTION",
        "content": "Tea makes friends",
        "importance": 1.0,
        "createdAt": day(4),
        "accessedAt": day(4),
        "accessCount": 0,
        "agent": ADA,
        "about": [],
        "evidence": ids("Memory:mill", "Memory:tea"),
    }
    assert nodes[1] == nodes[7] == {"__typename": "Agent", "id": "Agent:bo", **BO}
    assert nodes[3] == {
        "__typename": "Relationship",
        "id": "Relationship:ada-bo",
        "source": ADA,
        "target": BO,
        "kind": "friend",
        "strength": 0.75,
        "trust": 0.5,
        "interactionCount": 2,
        "firstMetAt": day(1),
        "lastInteractionAt": day(4),
    }
    assert nodes[4] == {
        "__typename": "Interaction",
        "id": "Interaction:hello",
        "kind": "chat",
        "said": "Hello",
        "impact": 0.5,
        "at": day(3),
        "source": ADA,
        "target": BO,
    }
    assert nodes[5] == {
        "__typename": "Knowledge",
        "id": "Knowledge:brew",
        "topic": {"id": "Topic:tea", "name": "tea"},
        "content": "Brew it at 80 °C",
        "confidence": 1.0,
        "heardFrom": "Bo",
        "learnedAt": day(3),
        "agent": ADA,
    }
    assert nodes[6] == {"__typename": "Topic", "id": "Topic:teapots: a history", "name": "teapots: a history"}
    assert nodes[9]["about"] == [BO, CY]
    assert (nodes[10]["accessedAt"], nodes[10]["accessCount"]) == (day(9), 4)
    assert nodes[11]["lastInteractionAt"] is nodes[12]["said"] is nodes[13]["heardFrom"] is None


async def test_the_same_id_finds_the_same_object_every_way(read: Read):
    query = """{
      node(id: "Agent:ada") { id ... on Agent { name } }
      agent(id: "Agent:ada") { id name }
      byVariableNull: agent(id: null, key: "ada") { id }
    }"""
    ada = {"id": "Agent:ada", "name": "Ada Byron"}
    assert await read(query) == {"node": ada, "agent": ada, "byVariableNull": {"id": "Agent:ada"}}


async def test_relationship_with(read: Read):
    query = """{ agent(key: "ada") {
      bo: relationshipWith(key: "bo") { id strength source { key } target { key } }
      cy: relationshipWith(key: "cy/ü %2F") { id }
      self: relationshipWith(key: "ada") { id }
    } }"""
    assert await read(query) == {
        "agent": {
            "bo": {"id": "Relationship:ada-bo", "strength": 0.75, "source": ADA, "target": BO},
            "cy": {"id": "Relationship:ada-cy"},
            "self": None,
        }
    }


async def test_topics_and_who_knows_of_them(read: Read):
    query = """{
      topic(name: "tea") {
        __typename id name
        knownBy(first: 1) {
          totalCount nodes { key } edges { node { key } } pageInfo { hasNextPage }
          aggregate { count socialEnergy { sum } }
        }
      }
      topics { totalCount nodes { id name } edges { node { name } } }
      prefixed: topics(prefix: "tea", last: 1) { totalCount nodes { name } pageInfo { hasPreviousPage } }
      none: topics(prefix: "zz") { totalCount nodes { name } pageInfo { startCursor endCursor } }
      all: topics(prefix: "") { totalCount }
      cased: topics(prefix: "Tea") { totalCount }
    }"""
    names = ["mills", "tea", "teapots: a history"]
    assert await read(query) == {
        "topic": {
            "__typename": "Topic",
            "id": "Topic:tea",
            "name": "tea",
            "knownBy": {
                "totalCount": 2,
                "nodes": [ADA],
                "edges": [{"node": ADA}],
                "pageInfo": {"hasNextPage": True},
                "aggregate": {"count": 2, "socialEnergy": {"sum": 1.25}},
            },
        },
        "topics": {
            "totalCount": 3,
            "nodes": [{"id": f"Topic:{name}", "name": name} for name in names],
            "edges": [{"node": {"name": name}} for name in names],
        },
        "prefixed": {"totalCount": 2, "nodes": [{"name": names[2]}], "pageInfo": {"hasPreviousPage": True}},
        "none": {"totalCount": 0, "nodes": [], "pageInfo": {"startCursor": None, "endCursor": None}},
        "all": {"totalCount": 3},
        "cased": {"totalCount": 0},
    }


async def test_relationships_each_way_and_the_agent_at_the_other_end(read: Read):
    part = "totalCount nodes { key } edges { strength node { key } relationship { id } }"
    query = f"""{{ agent(key: "ada") {{
      default: relationships {{ {part} }}
      out: relationships(direction: OUT) {{ {part} }}
      in: relationships(direction: IN) {{ {part} }}
      both: relationships(direction: BOTH) {{ {part} }}
      null: relationships(direction: null) {{ totalCount }}
    }} }}"""
    to_bo = {"strength": 0.75, "node": BO, "relationship": {"id": "Relationship:ada-bo"}}
    from_bo = {"strength": 0.5, "node": BO, "relationship": {"id": "Relationship:bo-ada"}}
    to_cy = {"strength": 0.25, "node": CY, "relationship": {"id": "Relationship:ada-cy"}}
    out = {"totalCount": 2, "nodes": [BO, CY], "edges": [to_bo, to_cy]}
    assert (await read(query))["agent"] == {
        "default": out,
        "out": out,
        "in": {"totalCount": 1, "nodes": [BO], "edges": [from_bo]},
        "both": {"totalCount": 3, "nodes": [BO, BO, CY], "edges": [to_bo, from_bo, to_cy]},
        "null": {"totalCount": 2},
    }


async def test_interactions_each_way(read: Read):
    part = "totalCount nodes { id } edges { node { id } }"
    query = f"""{{ agent(key: "ada") {{
      default: interactions {{ {part} }}
      out: interactions(direction: OUT) {{ {part} }}
      in: interactions(direction: IN) {{ {part} }}
      page: interactions(last: 2) {{ {part} pageInfo {{ hasPreviousPage hasNextPage }} }}
    }} }}"""

    def listed(*names: str, total: int) -> dict[str, Any]:
        nodes = ids(*(f"Interaction:{name}" for name in names))
        return {"totalCount": total, "nodes": nodes, "edges": [{"node": node} for node in nodes]}

    assert (await read(query))["agent"] == {
        "default": listed("row", "help", "hello", total=3),
        "out": listed("row", "hello", total=2),
        "in": listed("help", total=1),
        "page": listed("help", "hello", total=3) | {"pageInfo": {"hasPreviousPage": True, "hasNextPage": False}},
    }


async def test_fragments_directives_and_aliases(read: Read):
    query = """query ($no: Boolean!) {
      node(id: "Topic:tea") {
        ...Named
        ... on Topic @skip(if: $no) { name }
        ... on Agent { key }
        ... @include(if: $no) { kind: __typename }
      }
    }
    fragment Named on Node { __typename id }"""
    topic = {"__typename": "Topic", "id": "Topic:tea"}
    assert await read(query, no=True) == {"node": topic | {"kind": "Topic"}}
    assert await read(query, no=False) == {"node": topic | {"name": "tea"}}


async def test_one_request_may_walk_the_society(read: Read):
    query = """{ agent(key: "bo") {
      knowledge(first: 1) { nodes { topic { knownBy { nodes { key memories(last: 1) { nodes { content } } } } } } }
      relationships { nodes { relationships(direction: BOTH) { edges { node { name } } } } }
    } }"""
    knower = BO | {"memories": {"nodes": [{"content": "Buy tea"}]}}
    names = [{"node": {"name": name}} for name in ("Bo", "Bo", "Cy")]
    assert await read(query) == {
        "agent": {
            "knowledge": {"nodes": [{"topic": {"knownBy": {"nodes": [knower]}}}]},
            "relationships": {"nodes": [{"relationships": {"edges": names}}]},
        }
    }
