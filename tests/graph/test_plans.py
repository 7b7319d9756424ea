"""Every query that reads is planned without scans, and takes its order from an index where there is one."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import ModuleType
from typing import Any

import pytest

from graph import advance, figures, neighbourhood, paths, prefixes, search
from graph.database import Database
from graph.eager import EagerLookup, EagerPage, eager_text, has_agents
from graph.edges import (
    AGENTS,
    EDGES,
    INTERACTIONS,
    KNOWN_BY,
    LEARNED,
    RELATES_TO,
    REMEMBERS,
    TOPICS,
    Direction,
    Edge,
    Order,
)
from graph.filters import compile_filter
from graph.ingest.embeddings import FILL, LACKING
from graph.listing import count_text, summary_text
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, LOOKUPS, Lookup
from graph.migrations import DONE, MENTION, NAME_ENDS, UNMENTIONED
from graph.pages import Listing, PageShape, complete_order, selection, text_of
from graph.questions import Question
from graph.reads import FAR, far_name, narrow_page
from graph.recall import recall_text
from graph.records import Kind
from graph.related import RELATED
from graph.search import search_text as found_text
from graph.tables import COUNTS, LINK_EVIDENCE, TABLES
from graph.writes import agents, group, interactions, knowledge, memories, relationships, requests, touch
from graph.writes.relationships import DEFAULTS
from tests.conftest import WIPE
from tests.random_society import make_society, write_society

Plan = dict[str, Any]

WINDOWS: dict[str, dict[str, Any]] = {
    "first": {},
    "first after": {"after": True},
    "first before": {"before": True},
    "first after before": {"after": True, "before": True},
    "last": {"backward": True},
    "last after": {"backward": True, "after": True},
    "last before": {"backward": True, "before": True},
    "last after before": {"backward": True, "after": True, "before": True},
    "anything from": {"after": True, "inclusive": True},
    "anything up to": {"backward": True, "before": True, "inclusive": True},
    "numbered": {"skip": 40},
    "items alone": {"placed": False},
}
FILTERS: list[tuple[Edge, Mapping[str, Any]]] = [
    (AGENTS, {"name": {"contains": "a"}, "socialEnergy": {"gte": 0.5}}),
    (AGENTS, {"memories": {"some": {"importance": {"gt": 0.9}, "aboutAgent": "agent_1"}}}),
    (AGENTS, {"memories": {"all": {"not": {"kind": ["PLAN"]}}}, "knowledge": {"none": {"topic": {"eq": "tea"}}}}),
    (AGENTS, {"relationships": {"some": {"strength": {"gt": 0.5}, "agent": {"key": {"eq": "agent_1"}}}}}),
    (REMEMBERS, {"kind": ["EVENT", "CHAT"], "importance": {"gte": 0.5}}),
    (REMEMBERS, {"or": [{"importance": {"gt": 0.9}}, {"importance": {"lt": 0.1}}, {"content": {"contains": "a"}}]}),
    (REMEMBERS, {"importance": {"in": [0.9, 0.1]}, "aboutAgent": "agent_1"}),
    (RELATES_TO, {"kind": {"eq": "friend"}, "strength": {"gt": 0.5}, "lastInteractionAt": {"eq": None}}),
    (RELATES_TO, {"agent": {"key": {"eq": "agent_1"}}}),
    (RELATES_TO, {"or": [{"agent": {"memories": {"some": {"aboutAgent": "a"}}}}, {"trust": {"lt": 0.2}}]}),
    (INTERACTIONS, {"withAgent": "agent_1", "impact": {"lt": 0.0}}),
    (LEARNED, {"or": [{"topic": {"eq": "tea"}}, {"topic": {"startsWith": "c"}}]}),
    (TOPICS, {"name": {"startsWith": "te"}}),
]


# Reads anew how much the indexes hold, and forgets all plans.
COUNT = "CALL db.prepareForReplanning(60)"


@pytest.fixture(scope="module", params=[True, False], ids=["counted", "uncounted"])
async def counted(migrated: Database, request: pytest.FixtureRequest) -> bool:
    """Whether the planner knows what the indexes hold. After the first import it takes them for empty for a while."""
    if request.param:
        await write_society(migrated, make_society(6, agents=30, each=90))
        await migrated.write("statistics", COUNT, deadline=60)
    return request.param


@pytest.fixture
async def planned(migrated: Database, counted: bool) -> Database:
    """A database with some rows of every kind."""
    if not counted:
        await migrated.write("wipe", WIPE, deadline=60)
        await migrated.write("statistics", COUNT, deadline=60)
        await write_society(migrated, make_society(6, agents=5, each=10))
        await migrated.write("plans", "CALL db.clearQueryCaches()")
    return migrated


def label(value: Any) -> str:
    """Names a case."""
    return getattr(value, "name", None) or str(value)


def operators(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("children", ()):
        yield from operators(child)


def name_of(plan: Plan) -> str:
    return plan["operatorType"].partition("@")[0]


def names(plan: Plan) -> list[str]:
    return [name_of(each) for each in operators(plan)]


def one_row(plan: Plan) -> bool:
    """Says whether an operator finds one row at most."""
    return name_of(plan) in {"NodeUniqueIndexSeek", "NodeUniqueIndexSeek(Locking)"}


def refuse_scans(plan: Plan, *, all_nodes: bool = False, writes: bool = False) -> None:
    """Fails on whatever reads more than was asked for; a list of `all_nodes` of a label may walk along an index."""
    for each in operators(plan):
        name = name_of(each)
        if name == "CartesianProduct":
            # Two single rows side by side, between which relationships are looked up.
            assert all(map(one_row, each["children"])), names(plan)
        assert not name.endswith("Scan") or (all_nodes and name == "NodeIndexScan"), names(plan)
        assert name != "Eager" or writes, names(plan)


def is_single(edge: Edge, direction: Direction, order: tuple[Order, ...]) -> bool:
    """Says whether an order is by one property and at most what breaks ties."""
    return [item.property for item in order[1:]] in ([], [edge.ways[direction][0].tie])


def refuse_sorts(plan: Plan, edge: Edge, direction: Direction, order: tuple[Order, ...]) -> None:
    """Fails where rows are sorted that an index has in order."""
    ways, found = edge.ways[direction], names(plan)
    if not ways[0].sorts(order[0].property):
        return
    assert "Sort" not in found
    if len(ways) > 1:
        # One page of each way, merged.
        assert found.count("Top") == 1
        assert found.index("Top") < found.index("Union")
        assert found.count("Limit") == len(ways)
    else:
        assert "Top" not in found
    assert "PartialTop" not in found or not is_single(edge, direction, order)


def orders_of(edge: Edge, direction: Direction) -> Iterator[tuple[Order, ...]]:
    for order in edge.orders.values() or [edge.default]:
        for each in (order, order.reversed()):
            yield complete_order(edge, [each], direction)
    # Those of several differ in nothing but the first, which an index may have.
    several = list(permutations(edge.orders.values(), 2)) if edge is not RELATES_TO else []
    for first, second in several[::3]:
        yield complete_order(edge, [first.reversed(), second], direction)


# As many keys as a lane asks for at once; how many there are is all that the planner looks at.
MANY: list[Any] = [{}] * 100
PARAMETERS: dict[str, Any] = {"keys": MANY, "limit": 21, "skip": 40}


async def explain(database: Database, *texts: str, **parameters: Any) -> list[Plan]:
    """Plans queries, some at a time."""
    return await asyncio.gather(*(database.explain(text, PARAMETERS | parameters) for text in texts))


def unseen(texts: Iterable[str], seen: set[str]) -> list[str]:
    """Leaves out what was planned before; which letter a bound has makes no difference."""
    fresh: list[str] = []
    for text in texts:
        same = text.replace("k.b", "k.a") if "k.a0" not in text else text
        if same not in seen:
            fresh.append(same)
            seen.add(same)
    return fresh


@pytest.mark.parametrize(("edge", "direction"), [(edge, way) for edge in EDGES for way in edge.ways], ids=label)
async def test_pages(planned: Database, edge: Edge, direction: Direction):
    seen: set[str] = set()
    for order in orders_of(edge, direction):
        # Where no index gives the order, bounds are conditions like others.
        every = edge.ways[direction][0].sorts(order[0].property) and is_single(edge, direction, order)
        windows = list(WINDOWS.values())[: None if every else 3]
        shapes = [PageShape(Listing(edge, direction), order, 20, **window) for window in windows]
        for plan in await explain(planned, *unseen(map(text_of, shapes), seen)):
            refuse_scans(plan, all_nodes=edge in {AGENTS, TOPICS})
            refuse_sorts(plan, edge, direction, order)


async def test_whom_a_relationship_is_towards_comes_from_the_index(planned: Database):
    whole = PageShape(Listing(RELATES_TO), complete_order(RELATES_TO, []), 20)
    text = text_of(narrow_page(whole, frozenset({"strength", FAR, far_name("id"), far_name("name")})))
    assert "o.name" in text
    assert "o.id" not in text
    details = [each["args"].get("Details", "") for each in operators(await planned.explain(text, PARAMETERS))]
    assert any("RANGE INDEX" in detail and "cache[n.targetId]" in detail for detail in details)


@pytest.mark.parametrize("lookup", LOOKUPS, ids=lambda lookup: lookup.name)
async def test_lookups(planned: Database, lookup: Lookup):
    plan = await planned.explain(lookup.text, PARAMETERS)
    refuse_scans(plan)
    assert any("UniqueIndexSeek" in name for name in names(plan))


@pytest.mark.parametrize("lookup", [AGENT_BY_KEY, AGENT_BY_ID], ids=lambda lookup: lookup.name)
async def test_eager_lookups(planned: Database, lookup: Lookup):
    lists = [(edge, direction) for edge in (REMEMBERS, LEARNED, INTERACTIONS, RELATES_TO) for direction in edge.ways]
    for backward in (False, True):
        pages = [
            PageShape(Listing(*each), order, 20, backward=backward)
            for each in lists
            for order in list(orders_of(*each))[:2]
        ]
        for page in pages:
            plan = await planned.explain(eager_text(EagerLookup(lookup, (page,))), PARAMETERS | {"limit0": 21})
            refuse_scans(plan)
            refuse_sorts(plan, page.listing.edge, page.listing.direction, page.order)
        limits = {f"limit{number}": 21 for number in range(len(pages))}
        refuse_scans(await planned.explain(eager_text(EagerLookup(lookup, tuple(pages))), PARAMETERS | limits))


@pytest.mark.parametrize(("edge", "direction"), [(edge, way) for edge in EDGES for way in edge.ways], ids=label)
async def test_eager_pages(planned: Database, edge: Edge, direction: Direction):
    lists = [PageShape(Listing(each), complete_order(each, []), 20) for each in (REMEMBERS, RELATES_TO)]
    limits = {f"limit{number}": 21 for number in range(len(lists))}
    for order in list(orders_of(edge, direction))[:4]:
        for window in ("first", "first after", "last before", "items alone"):
            whole = PageShape(Listing(edge, direction), order, 20, **WINDOWS[window])
            page = narrow_page(whole, frozenset({"id", FAR, far_name("name")}))
            if not has_agents(page):
                return
            plan = await planned.explain(eager_text(EagerPage(page, tuple(lists))), PARAMETERS | limits)
            refuse_scans(plan, all_nodes=edge is AGENTS)
            if edge.ways[direction][0].sorts(order[0].property):
                refuse_sorts(plan, edge, direction, order)


@pytest.mark.parametrize(
    "question", [*figures.QUESTIONS, *neighbourhood.QUESTIONS, *paths.QUESTIONS], ids=lambda question: question.name
)
async def test_questions(planned: Database, question: Question):
    plan = await planned.explain(question.text, PARAMETERS)
    refuse_scans(plan)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
async def test_counts_and_summaries(planned: Database, edge: Edge):
    for direction in edge.ways:
        plan = await planned.explain(count_text(edge, direction, ""), PARAMETERS)
        refuse_scans(plan)
        if edge in {AGENTS, TOPICS}:
            assert "NodeCountFromCountStore" in names(plan)
        elif edge is not KNOWN_BY:
            details = [each["args"].get("Details", "") for each in operators(plan)]
            assert any("getDegree" in detail for detail in details)
            assert not any(name.startswith("Expand") for name in names(plan))
        if edge.summaries:
            plan = await planned.explain(summary_text(edge, direction, ""), PARAMETERS)
            refuse_scans(plan, all_nodes=edge is AGENTS)


@pytest.mark.parametrize(("edge", "tree"), FILTERS, ids=label)
async def test_filters(planned: Database, edge: Edge, tree: Mapping[str, Any]):
    filter = compile_filter(edge.row, tree)
    assert filter
    parameters = PARAMETERS | dict(filter.parameters)
    all_nodes = edge in {AGENTS, TOPICS}
    for direction in edge.ways:
        listing = Listing(edge, direction, filter)
        for order in list(orders_of(edge, direction))[:2]:
            shapes = [PageShape(listing, order, 20, after=after) for after in (False, True)]
            for plan in await explain(planned, *map(text_of, shapes), **dict(filter.parameters)):
                refuse_scans(plan, all_nodes=all_nodes)
                refuse_sorts(plan, edge, direction, order)
        refuse_scans(await planned.explain(count_text(*selection(listing)), parameters), all_nodes=all_nodes)
        if edge.summaries:
            refuse_scans(await planned.explain(summary_text(*selection(listing)), parameters), all_nodes=all_nodes)


async def test_an_agent_named_by_its_key_is_sought_not_walked_to(planned: Database):
    for tree in ({"key": {"eq": "a"}}, {"key": {"in": ["a", "b"]}}):
        filter = compile_filter(AGENTS.row, tree)
        assert filter
        text = text_of(PageShape(Listing(AGENTS, filter=filter), complete_order(AGENTS, []), 20))
        refuse_scans(await planned.explain(text, PARAMETERS | dict(filter.parameters)))


SEARCHES = {
    "memories": found_text("", after=False, before=False),
    "memories after": found_text("n.importance > 0.5", after=True, before=True),
    "memories counted": search.tally_text("", summary=False),
    "memories summarised": search.tally_text("", summary=True),
    **{f"knowledge {owned} {after}": prefixes.page_text(owned=owned, after=after)
       for owned in (False, True) for after in (False, True)},
    **{f"knowledge before {owned}": prefixes.before_text(owned=owned) for owned in (False, True)},
    **{f"knowledge counted {owned}": prefixes.tally_text(owned=owned) for owned in (False, True)},
    **{f"recall {words} {vector}": recall_text(words=words, vector=vector)
       for words in (False, True) for vector in (False, True)},
    "related": RELATED,
}  # fmt: skip


@pytest.mark.parametrize("name", SEARCHES)
async def test_searches(planned: Database, name: str):
    given = PARAMETERS | {"size": 100, "vector": [0.0] * 1536, "first": 10, "limit": 10}
    plan = await planned.explain(SEARCHES[name], given)
    refuse_scans(plan)
    found = names(plan)
    if name.startswith(("knowledge", "recall")):
        # The indexes give the order.
        assert not {"Sort", "Top", "PartialTop", "PartialSort"} & set(found), found
        assert any(each.startswith(("DirectedRelationshipIndexSeek", "NodeIndexSeek")) for each in found)


async def test_what_fills_in_what_is_lacking_reads_along_an_index(planned: Database):
    given = {"after": "", "most": 10, "rows": MANY, "others": True, "dimension": 384}
    for text in (MENTION, FILL, NAME_ENDS):
        refuse_scans(await planned.explain(text, given), writes=True)
    for text in (UNMENTIONED, LACKING):
        plan = await planned.explain(text, given)
        refuse_scans(plan, all_nodes=True)
        assert not {"Sort", "Top"} & set(names(plan))


@pytest.mark.parametrize("kind", Kind)
async def test_bulk_writes(planned: Database, kind: Kind):
    table = TABLES[kind]
    for plan in await explain(planned, table.create, table.known, table.remove, LINK_EVIDENCE, ids=MANY, rows=MANY):
        refuse_scans(plan, writes=True)
    [plan] = await explain(planned, COUNTS[kind])
    assert any(name.endswith("CountFromCountStore") for name in names(plan))


async def test_the_record_of_migrations(planned: Database):
    refuse_scans(await planned.explain(DONE))


def statements(*modules: ModuleType) -> Iterator[Any]:
    """Finds the statements among modules' constants."""
    for module in modules:
        for name, text in vars(module).items():
            if isinstance(text, str) and text.startswith("\n") and "{agents}" not in text:
                yield pytest.param(text, id=f"{module.__name__.rpartition('.')[2]}.{name}")


GIVEN: dict[str, Any] = {
    "rows": MANY,
    "ids": MANY,
    "names": MANY,
    "agents": MANY,
    "key": "k",
    "chunk": "k/1",
    "fingerprint": "f",
    "size": 10,
    "seconds": 1.0,
    "most": 10,
    "span": timedelta(seconds=1),
    "end": datetime(9999, 1, 1, tzinfo=UTC),
    "processed": 1,
    "forgotten": 1,
    "decayed": 1,
    **DEFAULTS,
}


@pytest.mark.parametrize(
    "text", list(statements(advance, agents, group, interactions, knowledge, memories, relationships, requests, touch))
)
async def test_writes(planned: Database, text: str):
    refuse_scans(await planned.explain(text, GIVEN), writes=True)


async def test_time_goes_by_for_all_without_reading_more_than_agents(planned: Database):
    plan = await planned.explain(advance.DIVIDE.format(agents=advance.ALL), GIVEN)
    assert [name for name in names(plan) if name.endswith("Scan")] in (["NodeByLabelScan"], ["NodeIndexScan"])
    plan = await planned.explain(advance.DIVIDE.format(agents=advance.SOME), GIVEN)
    assert not [name for name in names(plan) if name.endswith("Scan")]
