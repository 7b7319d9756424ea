"""The society's network and an agent's place in it, end to end, over the characters of Les Misérables."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from math import log
from typing import Any

import httpx
import networkx as nx
import pytest

from graph.analytics.engine import Choice
from graph.database import Database
from graph.ingest.les_miserables import read_les_miserables, seed_les_miserables
from server.app import create_app
from server.settings import Settings
from tests.api.conftest import Ask, Read, client_of
from tests.conftest import WIPE

CLOSE = 1e-6


@pytest.fixture(scope="module", autouse=True)
async def characters(migrated: Database) -> None:
    await migrated.write("wipe", WIPE, deadline=60)
    await seed_les_miserables(migrated, max_agents=1000)


@pytest.fixture(scope="module", params=[Choice.IGRAPH, Choice.GDS], ids=lambda choice: choice.value)
async def edge(
    request: pytest.FixtureRequest, settings: Settings, characters: None
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_copy(update={"analytics": request.param}))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    graph = nx.DiGraph()
    society = read_les_miserables()
    graph.add_nodes_from(agent.key for agent in society.agents)
    graph.add_weighted_edges_from(
        ((each.source, each.target, each.strength) for each in society.relationships), weight="strength"
    )
    return graph


def undirected(graph: nx.DiGraph) -> nx.Graph:
    found = nx.Graph()
    found.add_nodes_from(graph)
    for source, target, strength in graph.edges(data="strength"):
        before = found.get_edge_data(source, target, {"strength": 0.0})["strength"]
        found.add_edge(source, target, strength=before + strength)
    return found


async def test_figures(read: Read, graph: nx.DiGraph):
    fields = "density reciprocity averageClustering components assortativity asOf agents relationships"
    found = (await read(f"{{ society {{ {fields} }} }}"))["society"]
    assert found.pop("asOf") > "2024"
    assert found == {
        "density": pytest.approx(nx.density(graph)),
        "reciprocity": pytest.approx(nx.overall_reciprocity(graph)),
        "averageClustering": pytest.approx(nx.average_clustering(undirected(graph))),
        "components": nx.number_weakly_connected_components(graph),
        "assortativity": pytest.approx(nx.degree_assortativity_coefficient(graph)),
        "agents": 77,
        "relationships": 508,
    }


@pytest.mark.parametrize("direction", ["IN", "OUT", "BOTH"])
async def test_degree_distribution(read: Read, graph: nx.DiGraph, direction: str):
    degrees = {"IN": graph.in_degree, "OUT": graph.out_degree, "BOTH": graph.degree}[direction]
    found = await read(f"{{ society {{ degreeDistribution(direction: {direction}) {{ degree agents }} }} }}")
    expected = [degree for _, degree in degrees]
    assert found["society"]["degreeDistribution"] == [
        {"degree": degree, "agents": expected.count(degree)} for degree in sorted(set(expected))
    ]


CENTRALITIES = {
    "DEGREE": nx.degree_centrality,
    "STRENGTH": lambda graph: dict(graph.degree(weight="strength")),
    "EIGENVECTOR": lambda graph: nx.eigenvector_centrality(undirected(graph), 10_000, 1e-12, weight="strength"),
    "BETWEENNESS": nx.betweenness_centrality,
    "CLOSENESS": nx.closeness_centrality,
}


@pytest.mark.parametrize("by", CENTRALITIES)
async def test_rankings_page_through_all(read: Read, graph: nx.DiGraph, by: str):
    expected, after, found = CENTRALITIES[by](graph), None, list[dict[str, Any]]()
    query = f"""query($after: String) {{ society {{ ranking(by: {by}, first: 30, after: $after) {{
      totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} nodes {{ key }}
      edges {{ cursor rank score node {{ key network {{ centrality(by: {by}) }} }} }} }} }} }}"""
    for size in (30, 30, 17):
        page = (await read(query, after=after))["society"]["ranking"]
        assert [each["node"]["key"] for each in page["edges"]] == [each["key"] for each in page["nodes"]]
        assert len(page["edges"]) == size
        assert page["totalCount"] == 77
        assert page["pageInfo"] == {
            "hasNextPage": size == 30,
            "hasPreviousPage": after is not None,
            "startCursor": page["edges"][0]["cursor"],
            "endCursor": page["edges"][-1]["cursor"],
        }
        after = page["pageInfo"]["endCursor"]
        found += page["edges"]
    assert [each["rank"] for each in found] == list(range(1, 78))
    assert sorted(each["node"]["key"] for each in found) == sorted(graph)
    for each in found:
        assert each["score"] == pytest.approx(expected[each["node"]["key"]], abs=CLOSE)
        assert each["node"]["network"]["centrality"] == each["score"]
    for one, next in pairwise(found):
        assert (-one["score"], one["node"]["key"]) < (-next["score"], next["node"]["key"])


async def test_the_page_rank_of_valjean_is_the_highest(read: Read):
    page = (await read("{ society { ranking(by: PAGERANK) { nodes { key } edges { score } } } }"))["society"]["ranking"]
    assert page["nodes"][0] == {"key": "jean_valjean"}
    assert len(page["nodes"]) == 20


@pytest.mark.parametrize("algorithm", ["LEIDEN", "LOUVAIN", "LABEL_PROPAGATION", "COMPONENTS"])
async def test_communities(read: Read, graph: nx.DiGraph, algorithm: str):
    query = f"""{{ society {{ communities(algorithm: {algorithm}, first: 50) {{
      totalCount modularity pageInfo {{ hasNextPage }} nodes {{ id }}
      edges {{ cursor node {{ id key size density internalStrength topics(first: 2) {{ name }}
        members(first: 100) {{ totalCount aggregate {{ count socialEnergy {{ max }} }} nodes {{ key network {{
          community(algorithm: {algorithm}) {{ id }} }} }} }} }} }} }} }} }}"""
    page = (await read(query))["society"]["communities"]
    found = [each["node"] for each in page["edges"]]
    assert [{"id": each["id"]} for each in found] == page["nodes"]
    groups = [{member["key"] for member in each["members"]["nodes"]} for each in found]
    assert sorted(key for group in groups for key in group) == sorted(graph)
    assert page["totalCount"] == len(found)
    whole = undirected(graph)
    assert page["modularity"] == pytest.approx(nx.community.modularity(whole, groups, weight="strength"))
    if algorithm in {"LEIDEN", "LOUVAIN"}:
        theirs = nx.community.louvain_communities(whole, weight="strength", seed=1)
        assert page["modularity"] >= nx.community.modularity(whole, theirs, weight="strength") - 1e-9
    for each, group in zip(found, groups, strict=True):
        part = graph.subgraph(group)
        assert each["size"] == each["members"]["totalCount"] == each["members"]["aggregate"]["count"] == len(group)
        assert each["key"] == min(group)
        assert each["id"] == f"Community:{algorithm}:{each['key']}"
        assert each["density"] == pytest.approx(nx.density(part))
        assert each["internalStrength"] == pytest.approx(part.size(weight="strength"))
        assert all(member["network"]["community"]["id"] == each["id"] for member in each["members"]["nodes"])
    second = f"""query($after: String) {{ society {{ communities(algorithm: {algorithm}, first: 1, after: $after) {{
      nodes {{ id }} }} }} }}"""
    if len(found) > 1:
        rest = await read(second, after=page["edges"][0]["cursor"])
        assert rest["society"]["communities"]["nodes"] == [{"id": found[1]["id"]}]


async def test_the_members_of_a_community_are_paged(read: Read):
    query = """query($after: String) { node(id: "Community:COMPONENTS:jean_valjean") { id ... on Community {
      key size members(first: 40, after: $after) { nodes { key } pageInfo { hasNextPage endCursor } } } } }"""
    first = (await read(query))["node"]
    assert first["id"] == f"Community:COMPONENTS:{first['key']}"
    second = (await read(query, after=first["members"]["pageInfo"]["endCursor"]))["node"]
    keys = [each["key"] for page in (first, second) for each in page["members"]["nodes"]]
    assert keys == sorted(keys)
    assert len(keys) == first["size"] == 77


async def test_ids_of_communities_that_are_none(ask: Ask, read: Read):
    assert await read('{ node(id: "Community:LEIDEN:nobody") { id } }') == {"node": None}
    query = '{ nodes(ids: ["Community:LEIDEN:javert", "Community:TEA:javert"]) { __typename } }'
    answer = await ask(query)
    assert answer["data"] == {"nodes": [{"__typename": "Community"}, None]}
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("weighting", ["HOPS", "STRENGTH"])
async def test_paths(read: Read, graph: nx.DiGraph, weighting: str):
    costs = graph.copy()
    for *_, data in costs.edges(data=True):
        data["cost"] = 1.0 if weighting == "HOPS" else -log(data["strength"])
    fields = "agents { key } relationships { source { key } target { key } strength } hops cost"
    query = f"""query($to: String!) {{
      society {{ path(from: "old_man", to: $to, weighting: {weighting}, maxHops: 10) {{ {fields} }} }}
      agent(key: "old_man") {{ network {{
        pathTo(key: $to, weighting: {weighting}, maxHops: 10) {{ {fields} }} }} }} }}"""
    source = next(key for key in sorted(graph) if graph.out_degree(key) == 1)
    query = query.replace("old_man", source)
    for target in sorted(graph)[::6]:
        answer = await read(query, to=target)
        path = answer["society"]["path"]
        keys = [agent["key"] for agent in path["agents"]]
        assert (keys[0], keys[-1]) == (source, target)
        steps = [(each["source"]["key"], each["target"]["key"]) for each in path["relationships"]]
        assert steps == list(pairwise(keys))
        assert path["hops"] == len(steps)
        assert path["cost"] == pytest.approx(nx.shortest_path_length(costs, source, target, weight="cost"), abs=1e-9)
        assert path["cost"] == pytest.approx(sum(costs.edges[step]["cost"] for step in steps))
        assert answer["agent"]["network"]["pathTo"]["cost"] == path["cost"]


async def test_paths_that_are_not_there(read: Read, ask: Ask):
    for weighting in ("HOPS", "STRENGTH"):
        query = f"""{{ agent(key: "javert") {{ network {{
          pathTo(key: "javert", weighting: {weighting}) {{ hops cost agents {{ key }} }} }} }}
        society {{
          nobody: path(from: "javert", to: "nobody", weighting: {weighting}) {{ hops }}
          from: path(from: "nobody", to: "javert", weighting: {weighting}) {{ hops }}
          far: path(from: "napoleon", to: "mme_hucheloup", weighting: {weighting}, maxHops: 1) {{ hops }}
          self: path(from: "javert", to: "javert", weighting: {weighting}) {{ hops cost agents {{ key }} }} }} }}"""
        own = {"hops": 0, "cost": 0.0, "agents": [{"key": "javert"}]}
        found = await read(query)
        assert found["society"] == {"nobody": None, "from": None, "far": None, "self": own}
        assert found["agent"]["network"]["pathTo"] == own
    answer = await ask('{ society { path(from: "javert", to: "fantine", maxHops: 11) { hops } } }')
    assert "maxHops: must lie between 1 and 10" in answer["errors"][0]["message"]


async def test_ego_networks(read: Read, graph: nx.DiGraph):
    query = """query($radius: Int!, $least: Float!, $limit: Int!) { agent(key: "fantine") { network {
      ego(radius: $radius, minStrength: $least, limit: $limit) {
        truncated agents { key } relationships { source { key } target { key } } } } } }"""
    for radius, least in ((1, 0.0), (1, 0.5), (2, 0.0), (2, 0.55), (3, 0.6)):
        found = (await read(query, radius=radius, least=least, limit=200))["agent"]["network"]["ego"]
        strong = nx.DiGraph([(s, t) for s, t, strength in graph.edges(data="strength") if strength >= least])
        expected = nx.ego_graph(strong, "fantine", radius=radius, undirected=True) if "fantine" in strong else None
        assert not found["truncated"]
        if expected is None:
            assert found == {"truncated": False, "agents": [{"key": "fantine"}], "relationships": []}
            continue
        assert sorted(each["key"] for each in found["agents"]) == sorted(expected)
        ties = [(each["source"]["key"], each["target"]["key"]) for each in found["relationships"]]
        assert sorted(ties) == sorted(expected.edges)
        cut = (await read(query, radius=radius, least=least, limit=3))["agent"]["network"]["ego"]
        assert cut["truncated"] == (len(expected) > 3)
        assert len(cut["agents"]) == min(len(expected), 3)
        assert cut["agents"][0] == {"key": "fantine"}


async def test_acquaintances_in_common(read: Read, graph: nx.DiGraph):
    whole = undirected(graph)
    query = (
        """query($other: String!) { agent(key: "javert") { network { mutual(with: $other, first: 100) { key } } } }"""
    )
    for other in ("fantine", "jean_valjean", "napoleon"):
        found = [each["key"] for each in (await read(query, other=other))["agent"]["network"]["mutual"]]
        expected = nx.common_neighbors(whole, "javert", other)
        weight = {key: whole["javert"][key]["strength"] + whole[other][key]["strength"] for key in expected}
        assert found == sorted(weight, key=lambda key: (-round(weight[key], 9), key))
    assert (await read(query, other="nobody"))["agent"]["network"]["mutual"] == []
    assert (await read(query, other="javert"))["agent"]["network"]["mutual"] == []


async def test_suggestions(read: Read, graph: nx.DiGraph):
    query = """query($key: String!) { agent(key: $key) { network {
      suggestions(first: 100) { agent { key } score mutualCount } } } }"""
    whole = undirected(graph)
    for key in ("javert", "napoleon", "jean_valjean"):
        scores: dict[str, tuple[float, int]] = {}
        for other in nx.non_neighbors(whole, key):
            common = list(nx.common_neighbors(whole, key, other))
            share = [
                (closest(graph, key, each) + closest(graph, each, other)) / 2 / log(whole.degree(each))
                for each in common
            ]
            if common:
                scores[other] = sum(share), len(common)
        found = (await read(query, key=key))["agent"]["network"]["suggestions"]
        assert [each["agent"]["key"] for each in found] == sorted(
            scores, key=lambda other: (-round(scores[other][0], 9), other)
        )
        for each in found:
            expected = scores[each["agent"]["key"]]
            assert (each["score"], each["mutualCount"]) == (pytest.approx(expected[0]), expected[1])


def closest(graph: nx.DiGraph, a: str, b: str) -> float:
    return max(graph.get_edge_data(*pair, {"strength": 0.0})["strength"] for pair in ((a, b), (b, a)))


async def test_what_is_out_of_bounds_is_refused(ask: Ask):
    for field, told in {
        "ego(radius: 4) { truncated }": "radius: must lie between 1 and 3",
        "ego(minStrength: -1) { truncated }": "minStrength: must lie between 0 and 1",
        "ego(limit: 1001) { truncated }": "limit: must lie between 1 and 1000",
        "suggestions(first: 101) { score }": "first: must lie between 0 and 100",
        'mutual(with: "javert", first: -1) { key }': "first: must lie between 0 and 100",
    }.items():
        (error,) = (await ask(f'{{ agent(key: "javert") {{ network {{ {field} }} }} }}'))["errors"]
        assert told in error["message"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
    for cursor, told in {"x": "not a cursor", "WyI4YTFlMWQ5OTJlMzEiLDEsImEiXQ": "another list"}.items():
        query = "query($after: String) { society { ranking(by: DEGREE, after: $after) { totalCount } } }"
        (error,) = (await ask(query, after=cursor))["errors"]
        assert told in error["message"]


async def test_figures_are_reused_until_fresh_ones_are_asked_for(read: Read, migrated: Database):
    query = "{ old: society { asOf components } fresh: society(fresh: true) { asOf components } }"
    before = (await read("{ society { asOf components } }"))["society"]
    await migrated.write(
        "add",
        "CREATE (:Agent {id: 'Agent:hermit', key: 'hermit', name: 'H', socialEnergy: 1.0, "
        "learningRate: 0.1, memoryCapacity: 1, importanceThreshold: 0.5, createdAt: datetime(), "
        "updatedAt: datetime()})",
    )
    try:
        found = await read(query)
        assert found["old"] == before
        assert found["fresh"]["components"] == before["components"] + 1
        assert found["fresh"]["asOf"] > before["asOf"]
        assert (await read("{ society { asOf components } }"))["society"] == found["fresh"]
        hermit = '{ agent(key: "hermit") { network { centrality(by: DEGREE) community { key size } } } }'
        assert (await read(hermit))["agent"]["network"] == {
            "centrality": 0.0,
            "community": {"key": "hermit", "size": 1},
        }
    finally:
        await migrated.write("remove", "MATCH (a:Agent {key: 'hermit'}) DELETE a")
    rest = await read("{ society { ranking(by: DEGREE, first: 100) { totalCount edges { rank } nodes { key } } } }")
    assert rest["society"]["ranking"]["totalCount"] == 78
    assert len(rest["society"]["ranking"]["nodes"]) == len(rest["society"]["ranking"]["edges"]) == 77
    await read("{ society(fresh: true) { asOf } }")


async def test_who_came_since_the_snapshot_is_found(read: Read, ask: Ask):
    await read("{ society(fresh: true) { asOf } }")
    await asyncio.sleep(1.1)
    await ask('mutation { createAgents(input: {agents: [{key: "late", name: "Late"}]}) { agents { id } } }')
    await ask(
        'mutation { setRelationship(input: {source: "late", target: "javert", strength: 0.5}) { clientMutationId } }'
    )
    try:
        found = await read(
            '{ agent(key: "late") { network { centrality(by: STRENGTH) pathTo(key: "javert") { hops } } } }'
        )
        assert found["agent"]["network"] == {"centrality": 0.5, "pathTo": {"hops": 1}}
    finally:
        await ask('mutation { deleteAgents(input: {keys: ["late"]}) { deletedIds } }')
        await read("{ society(fresh: true) { asOf } }")
