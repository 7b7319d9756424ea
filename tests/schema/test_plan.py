"""What is compiled and what is left to graphql-core, what a plan asks for and when, and what is kept of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import strawberry
from graphql import GraphQLInterfaceType, get_named_type, is_leaf_type, is_required_argument

from graph.database import Database
from graph.eager import MOST_ROWS, EagerLookup, EagerPage
from graph.pages import PageShape
from graph.reads import Key, fetch
from resolvers.coalescer import Coalescer
from resolvers.context import Context
from resolvers.loaders import Loaders
from resolvers.plan import Selection
from schema.answer import Answer
from schema.execution import Operation, execute
from schema.limits import Limits
from schema.planned import Planner
from schema.root import Schema, build_schema
from tests.conftest import ROOT
from tests.random_society import Society, make_society, write_society

# A value for each type of a required argument.
SOME = {"Centrality!": "PAGERANK", "ID!": '"Agent:a"', "[ID!]!": "[]", "String!": '"a"'}

# Plans have a bound of their own, which is to be seen here.
ANY = Limits(cost=10**9, depth=10**6, fields=10**9, aliases=10**9, root_fields=10**6)

PROFILE = """
query Profile($key: String!, $first: Int, $brief: Boolean = false) {
  agent(key: $key) {
    id name socialEnergy
    memories(first: $first, orderBy: [{importance: DESC}]) { edges { node { id content importance } } }
    relationships(first: $first) @skip(if: $brief) { edges { strength node { id name } } }
  }
}
"""


class Recording(Coalescer):
    """Notes what is asked for together."""

    def __init__(self, real: Coalescer) -> None:
        self.real = real
        self.asked: list[list[str]] = []
        self.shapes: list[Any] = []

    async def load_many(self, keys: Sequence[Key]) -> list[Any]:
        self.asked.append(sorted(key.shape.lane for key in keys))
        self.shapes += [key.shape for key in keys]
        return await self.real.load_many(keys)


@pytest.fixture
def schema() -> Schema:
    return build_schema(ANY)


@pytest.fixture(scope="module")
async def society(migrated: Database) -> Society:
    made = make_society(3, agents=5, each=9)
    await write_society(migrated, made)
    return made


@pytest.fixture
async def recording(migrated: Database, society: Society) -> AsyncIterator[Recording]:
    coalescer = Coalescer(lambda shape, keys: fetch(migrated, shape, keys, 10.0))
    yield Recording(coalescer)
    await coalescer.close()


async def run(
    schema: strawberry.Schema, coalescer: Coalescer, text: str, *, deadline: float = 10.0, **variables: Any
) -> Answer:
    context: Any = Context(Loaders(coalescer), None, None)  # pyright: ignore[reportArgumentType]
    return await execute(schema, Operation(text, variables), context, deadline=deadline)


def planner_of(schema: Schema) -> Planner:
    assert schema.planner
    return schema.planner


async def test_what_steps_need_at_a_moment_is_asked_for_together(schema: Schema, recording: Recording):
    answer = await run(schema, recording, PROFILE, key="agent_0", first=3)
    assert "errors" not in answer.payload
    assert answer.payload["data"]["agent"]["relationships"]["edges"]
    # The lists come with the agent, and the agents at the other ends with the relationships.
    assert recording.asked == [["Agent.key and lists"]]
    assert not planner_of(schema).fallbacks


async def test_the_same_is_asked_for_once(schema: Schema, recording: Recording):
    text = """{
      a: agent(key: "agent_0") { name memories { totalCount } }
      b: agent(key: "agent_0") { name memories { totalCount } all: memories(first: 9) { totalCount nodes { id } } } }"""
    await run(schema, recording, text)
    assert recording.asked == [["Agent.key and lists"], ["REMEMBERS.count"]]


@pytest.mark.parametrize(
    ("selection", "asked"),
    [
        ("nodes { memories { nodes { id } } relationships { nodes { name } } } pageInfo { endCursor }", []),
        ("edges { cursor node { own: memories(last: 2) { nodes { id } } } }", []),
        ("edges { node { memories { nodes { id } } } } nodes { knowledge { nodes { id } } }", [["REMEMBERS"] * 2]),
        (
            "nodes { memories { nodes { id } } few: memories(filter: {importance: {gte: 0.5}}) { nodes { id } } }",
            [["REMEMBERS"] * 2],
        ),
    ],
)
async def test_a_page_of_agents_comes_with_their_lists(
    schema: Schema, recording: Recording, selection: str, asked: list[list[str]]
):
    text = f"query ($size: Int) {{ agents(first: $size, orderBy: [{{name: ASC}}]) {{ {selection} }} }}"
    plain = await run(build_schema(ANY, planned=False), recording, text, size=2)
    recording.asked.clear()
    answer = await run(schema, recording, text, size=2)
    assert answer.json == plain.json
    assert recording.asked == [["agents and lists"], *asked]


async def test_long_lists_come_after_their_agents(schema: Schema, recording: Recording):
    text = "query ($size: Int) { agents(first: 9) { nodes { memories(first: $size) { nodes { id } } } } }"
    for size in (MOST_ROWS // 9, MOST_ROWS // 9 + 1):
        await run(schema, recording, text, size=size)
    assert recording.asked == [["agents and lists"], ["agents"], ["REMEMBERS"] * 5]


async def test_other_pages_come_with_the_lists_of_the_agents_on_them(schema: Schema, recording: Recording):
    lists = "memories(first: 2) { nodes { content } } interactions(first: 2) { nodes { id } }"
    ties = "relationships(direction: %s, first: 3) { pageInfo { hasNextPage } edges { strength node { name %s } } }"
    key = (await run(schema, recording, "{ agents(first: 1) { nodes { id } } }")).payload["data"]["agents"]["nodes"][0]
    for text in (
        f"{{ topics(first: 1) {{ nodes {{ knownBy(first: 3) {{ nodes {{ key {lists} }} }} }} }} }}",
        *(f"{{ nodes(ids: [$id]) {{ ... on Agent {{ {ties % (way, lists)} }} }} }}" for way in ("OUT", "IN", "BOTH")),
    ):
        given = {"id": key["id"]} if "$id" in text else {}
        whole = f"query ($id: ID!) {text}" if given else text
        plain = await run(build_schema(ANY, planned=False), recording, whole, **given)
        recording.asked.clear()
        answer = await run(schema, recording, whole, **given)
        assert answer.json == plain.json
        assert len(recording.asked) == 2
        assert recording.asked[1] in (["KNOWN_BY and lists"], ["RELATES_TO and lists"])


async def test_only_what_is_selected_is_read(schema: Schema, recording: Recording):
    await run(schema, recording, PROFILE, key="agent_0", first=3)
    await run(schema, recording, "{ topics(first: 1) { nodes { knownBy { totalCount nodes { persona { age } } } } } }")
    (profile,) = [shape for shape in recording.shapes if isinstance(shape, EagerLookup)]
    assert set(profile.lookup.fields or ()) == {"id", "name", "social_energy"}
    pages = {page.lane: page for page in profile.pages}
    assert set(pages["REMEMBERS"].fields or ()) == {"id", "content", "importance"}
    relationships = pages["RELATES_TO"]
    # Who is at the other end stands in the relationship, too, because the cache keeps the two apart.
    assert set(relationships.fields or ()) == {"target_id", "strength"}
    assert relationships.brings
    assert set(relationships.brings.fields or ()) == {"id", "name"}
    (known,) = [shape for shape in recording.shapes if shape.lane == "KNOWN_BY" and isinstance(shape, PageShape)]
    assert set(known.fields or ()) == {"persona"}


async def test_where_items_are_and_whether_more_follow_is_read_if_it_is_asked(schema: Schema, recording: Recording):
    memories = "agents(first: 1) {{ nodes {{ name memories(first: 3) {{ {} }} }} }}"
    asked = ("nodes { id }", "nodes { id } totalCount", "edges { cursor }", "nodes { id } pageInfo { hasNextPage }")
    for each in asked:
        await run(schema, recording, f"{{ {memories.format(each)} }}")
    found = [shape for shape in recording.shapes if isinstance(shape, EagerPage)]
    pages = [page for shape in found for page in (shape.page, *shape.pages)]
    assert [page.rows for page in pages if page.lane == "agents"] == [1, 1, 1, 1]
    assert [page.rows for page in pages if page.lane == "REMEMBERS"] == [3, 3, 4, 4]


async def test_ids_are_read_for_what_goes_on_from_them(schema: Schema, recording: Recording):
    ties = "relationships(first: 1) { edges { relationship { %s } node { name memories { totalCount } } } }"
    for each in ("kind", "id kind", "source { key }"):
        await run(schema, recording, f'{{ agent(key: "agent_0") {{ {ties % each} }} }}')
    found = [shape.pages[0] for shape in recording.shapes if isinstance(shape, EagerLookup)]
    assert [set(page.fields or ()) for page in found] == [
        {"kind", "target_id"}, {"id", "kind", "target_id"}, {"id", "source_id", "target_id"},
    ]  # fmt: skip


async def test_what_is_known_is_not_asked_for_again(schema: Schema, recording: Recording):
    text = (
        '{ agent(key: "agent_0") { memories(first: 1) { nodes { agent { '
        "memories(first: 1) { nodes { agent { id } } } } } } } }"
    )
    await run(schema, recording, text)
    assert recording.asked == [["Agent.key and lists"], ["Agent.id"]]


async def test_plans_are_kept_for_all_variables_but_those_that_decide_what_is_selected(
    schema: Schema, recording: Recording
):
    for key, first in (("agent_0", 3), ("agent_1", 2), ("nobody", 1)):
        await run(schema, recording, PROFILE, key=key, first=first)
    assert planner_of(schema)._compile.cache_info().currsize == 1
    answer = await run(schema, recording, PROFILE, key="agent_0", brief=True)
    assert "relationships" not in answer.payload["data"]["agent"]
    assert planner_of(schema)._compile.cache_info().currsize == 2


def everything(schema: Schema) -> str:
    """A query that selects each field of each type that can be reached, once."""
    core = schema._schema
    seen: set[str] = set()

    def select(type: Any) -> str:
        if isinstance(type, GraphQLInterfaceType):
            possible = core.get_possible_types(type)
            return "{ __typename id " + " ".join(f"... on {each.name} {select(each)}" for each in possible) + " }"
        if type.name in seen:
            return "{ __typename }"
        seen.add(type.name)
        return "{ " + " ".join(written(*each) for each in type.fields.items()) + " }"

    def written(name: str, field: Any) -> str:
        required = {each: argument for each, argument in field.args.items() if is_required_argument(argument)}
        given = ", ".join(f"{each}: {SOME[str(argument.type)]}" for each, argument in required.items())
        inner = get_named_type(field.type)
        return f"{name}{f'({given})' if given else ''} {'' if is_leaf_type(inner) else select(inner)}"

    return select(core.query_type)


def compiled(schema: Schema, text: str) -> Selection | str:
    """Compiles a valid query, or gives the reason why it cannot be."""
    assert not planner_of(schema)._prepare_anew(text, None).errors
    return planner_of(schema)._compile_anew(text, None, ())


def test_every_field_of_the_reading_side_is_planned(schema: Schema):
    assert isinstance(compiled(schema, everything(schema)), Selection)


def test_every_query_of_the_readme_is_planned(schema: Schema):
    found = re.findall(r"```graphql\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    queries = [each for each in found if not re.match(r"\s*(mutation|subscription)", each)]
    assert len(queries) >= 2
    for each in queries:
        assert isinstance(compiled(schema, each), Selection)


def repeated(times: int) -> str:
    """A small document that asks for very much."""
    parts = [
        f"fragment F{n} on Agent {{ relationshipWith(key: $key) "
        f"{{ a: source {{ ...F{n + 1} }} b: target {{ ...F{n + 1} }} }} }}"
        for n in range(times)
    ]
    head = 'query ($key: String = "b") { agent(key: "nobody") { ...F0 } }'
    return "\n".join([head, *parts, f"fragment F{times} on Agent {{ id }}"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ __schema { queryType { name } } }", "introspection"),
        ('{ agent(key: "agent_0") { id } __type(name: "Agent") { name } }', "introspection"),
        (repeated(12), "size"),
        ("query ($if: Boolean = true) { agents(first: 1) { totalCount @include(if: $if) } }", "condition"),
    ],
)
async def test_what_is_not_planned_is_answered_all_the_same(
    schema: Schema, recording: Recording, text: str, reason: str
):
    plain = await run(
        build_schema(ANY, planned=False), recording, text, **({"if": None} if reason == "condition" else {})
    )
    answer = await run(schema, recording, text, **({"if": None} if reason == "condition" else {}))
    assert answer.json == plain.json
    assert planner_of(schema).fallbacks == {reason: 1}


async def test_a_resolver_of_another_kind_is_left_to_graphql_core(recording: Recording):
    @strawberry.type
    class Query:
        plain: int = 1

        @strawberry.field
        def special(self) -> int:
            return 2

    schema = Schema(Query)
    schema.planner = Planner(schema)
    answer = await run(schema, recording, "{ special }")
    assert answer.payload == {"data": {"special": 2}}
    assert schema.planner.fallbacks == {"resolver of Query.special": 1}


async def test_invalid_documents_and_variables_are_refused_without_graphql_core(schema: Schema, recording: Recording):
    wrong = await run(schema, recording, "{ nothing }")
    assert not wrong.executed
    assert wrong.payload["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    missing = await run(schema, recording, PROFILE)
    assert not missing.executed
    assert missing.payload["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert recording.asked == []
    assert not planner_of(schema).fallbacks


async def test_plans_keep_to_the_deadline(schema: Schema):
    class Stuck(Coalescer):
        def __init__(self) -> None:
            pass

        async def load_many(self, keys: Sequence[Key]) -> list[Any]:
            await asyncio.Event().wait()
            return []

    answer = await run(schema, Stuck(), PROFILE, deadline=0.05, key="agent_0")
    assert answer.payload["errors"][0]["extensions"]["code"] == "TIMEOUT"
