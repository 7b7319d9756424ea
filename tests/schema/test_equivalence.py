"""Plans answer as graphql-core does: data to the byte; errors with their messages, places and paths.

What graphql-core tells of several errors that make the same thing null depends on which it meets first. A plan
tells the first in the order of the data, of those that it met before nothing was left to answer. So where the errors
differ, the same must be null in both, and each that either tells must be among those that a plan can meet.
"""

import gc
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from graphql import REMOVE, DirectiveNode, Visitor, located_error, visit
from graphql.execution.collect_fields import CollectedFields, FieldDetails, collect_subfields
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.analytics.engine import Choice
from graph.database import Database
from graph.eager import Eager
from graph.migrations import fill_mentions
from graph.page import Page, RowForm, RowPage
from graph.pages import PageKey
from graph.reads import Key, fetch
from graph.writes.touch import TouchShape
from resolvers import columns, failures, run, steps
from resolvers.analytics import Analytics, Limits, reading
from resolvers.coalescer import Coalescer
from resolvers.connections import ConnectionEdge
from resolvers.context import Context
from resolvers.failures import Position, climb
from resolvers.found import Found
from resolvers.loaders import Loaders
from resolvers.plan import Batch, Failure
from schema import compiler
from schema.answer import Answer
from schema.errors import format_error
from schema.execution import Operation, execute
from schema.planned import Planner
from schema.root import build_schema
from tests.faults import FaultyCoalescer
from tests.operations import Pools, draw_operation
from tests.random_society import make_society, write_society

# Operations, most of them executed several times with different faults; with ECS_FUZZ they are new ones every time.
CASES = int(os.environ.get("ECS_FUZZ", "700"))
SCHEMA = build_schema()
# graphql-core drops coroutines that it never started where an error made what they were for null.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    # So the same looks when a coroutine is let go of in the middle of a named tuple's making, which has no builtins.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"),
]
Plant = Callable[[pytest.MonkeyPatch], None]
MASKED = re.compile(r"error id [0-9a-f]{12}")
CURSORS = """
{ agents { edges { cursor node {
    memories(first: 4) { edges { cursor } } relationships(first: 4) { edges { cursor } }
    interactions(first: 4) { edges { cursor } } knowledge(first: 4) { edges { cursor } }
  } } }
  topics { edges { cursor } } searchMemories(text: "tea") { edges { cursor } }
  searchKnowledge(prefix: "t", first: 3) { edges { cursor } } }
"""

# A snapshot that is found to hold still becomes younger: each way of asking for one is answered once, at the start.
SNAPSHOTS = """
{ society { asOf path(from: "agent_0", to: "nobody") { cost } } now: society(fresh: true) { asOf } }
"""


class Bench:
    """Executes operations both ways over the same rows and faults."""

    def __init__(self, coalescer: Coalescer, known: dict[Key, Any] | None = None) -> None:
        self.coalescer = coalescer
        self.known = known or {}
        self.pools = Pools([], [], [])
        self.planner = Planner(SCHEMA)

    async def execute(self, planner: Planner | None, operation: Operation, seed: int, rate: int) -> Answer:
        faulty = FaultyCoalescer(self.coalescer, self.known, seed=seed, rate=rate)
        context: Any = Context(Loaders(faulty), None, None)  # pyright: ignore[reportArgumentType]
        with pytest.MonkeyPatch.context() as patch:
            # One schema for both, so that a document is validated once.
            patch.setattr(SCHEMA, "planner", planner)
            return await execute(SCHEMA, operation, context, deadline=60)

    async def compare(self, operation: Operation, seed: int = 0, rate: int = 0) -> None:
        """Fails where the two ways differ."""
        core = await self.execute(None, operation, seed, rate)
        planned = await self.execute(self.planner, operation, seed, rate)
        assert planned.executed == core.executed
        assert set(self.planner.fallbacks) <= {"condition"}
        told, expected = errors_of(planned), errors_of(core)
        data = [answer.payload.get("data") for answer in (planned, core)]
        assert orjson.dumps(data[0]) == orjson.dumps(data[1])
        if sorted(told) != sorted(expected):
            assert nulls(told, data[0]) == nulls(expected, data[1])
            with pytest.MonkeyPatch.context() as patch:
                met = listen(patch)
                await self.execute(self.planner, operation, seed, rate)
            assert set(expected) | set(told) <= set(met)

    async def compare_repeatedly(self, operation: Operation) -> None:
        """Compares without faults, with few and with many."""
        for rate in (0, 4, 20):
            await self.compare(operation, seed=3, rate=rate)


def listen(patch: pytest.MonkeyPatch) -> list[str]:
    """Collects all failures that a plan meets, as they would be told; it goes on where nothing is left to answer."""
    met: list[str] = []
    settle = run.settle

    async def heard(data: Any, found: list[Failure]) -> Any:
        for failure in found:
            error = located_error(failure.error, failure.field.nodes, next(climb(failure)).path)
            met.append(written(format_error(error)))
        return await settle(data, found)

    patch.setattr(run, "settle", heard)
    patch.setattr(Batch, "__post_init__", lambda batch: setattr(batch, "bare", False))
    return met


def written(error: dict[str, Any]) -> str:
    return MASKED.sub("error id", orjson.dumps(error, option=orjson.OPT_SORT_KEYS).decode())


def errors_of(answer: Answer) -> list[str]:
    return [written(error) for error in answer.payload.get("errors", ())]


def nulls(errors: list[str], data: Any) -> set[str]:
    """The places of what errors made null."""
    found: set[str] = set()
    for error in errors:
        value, path = data, orjson.loads(error)["path"]
        for length, name in enumerate((*path, None)):
            if value is None:
                found.add(str(path[:length]))
                break
            assert name is not None, "an error of what is not null"
            value = value[name]
    return found


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Lets what graphql-core dropped go while nobody minds."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
async def bench(migrated: Database, coalescer: Coalescer) -> Bench:
    society = make_society(5, agents=6, each=8)
    society.agents[0] |= {"personaSummary": "Makes tea.", "personaTraits": ["calm", "kind"], "personaAge": 40}
    society.agents[1] |= {"personaSummary": "", "personaExtra": '{"a": [1, null, "b"]}'}
    await write_society(migrated, society)
    await fill_mentions(migrated)
    bench = Bench(coalescer)
    await bench.execute(None, Operation(SNAPSHOTS), 0, 0)
    kinds = (society.agents, society.memories, society.relationships, society.interactions, society.knowledge)
    ids = [row["id"] for rows in kinds for row in rows[:3]]
    answer = await bench.execute(None, Operation(CURSORS), 0, 0)
    cursors = re.findall(rb'"cursor":"([^"]+)"', answer.json)
    bench.pools = Pools(ids, [row["key"] for row in society.agents], [each.decode() for each in cursors])
    return bench


@pytest.fixture(scope="module")
async def coalescer(migrated: Database) -> AsyncIterator[Coalescer]:
    async def read(shape: Any, keys: list[Any]) -> list[Any]:
        # What is compared must stay as it is.
        return [None] * len(keys) if isinstance(shape, TouchShape) else await fetch(migrated, shape, keys, 10.0)

    analytics = Analytics(migrated, choice=Choice.IGRAPH, limits=Limits(max_age=3600))
    coalescer = Coalescer(reading(read, analytics))
    yield coalescer
    await coalescer.close()
    await analytics.close()


@settings(
    derandomize="ECS_FUZZ" not in os.environ,
    max_examples=CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=st.integers(0, 2**32),
    most=st.integers(8, 40),
    faults=st.lists(st.tuples(st.integers(0, 2**16), st.sampled_from([1, 4, 15])), max_size=3),
)
async def test_plans_answer_as_graphql_core_does(bench: Bench, seed: int, most: int, faults: list[tuple[int, int]]):
    operation = draw_operation(SCHEMA._schema, bench.pools, seed=seed, most=most)
    try:
        for number, rate in [(0, 0), *faults]:
            await bench.compare(operation, number, rate)
    except AssertionError as error:
        error.add_note(str(operation))
        raise


@pytest.fixture(scope="module")
async def drawn(bench: Bench) -> list[Operation]:
    """Operations that are answered alike."""
    found = [draw_operation(SCHEMA._schema, bench.pools, seed=seed, most=36) for seed in range(500)]
    for operation in found:
        await bench.compare_repeatedly(operation)
    return found


def regrouped(change: Callable[[dict[str, list[FieldDetails]]], dict[str, list[FieldDetails]]]) -> Plant:
    """Changes what the compiler is told is selected of an object."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        def collect(*arguments: Any) -> CollectedFields:
            collected = collect_subfields(*arguments)
            return collected._replace(grouped_field_set=change(collected.grouped_field_set))

        patch.setattr(compiler, "collect_subfields", collect)

    return plant


def ignore_skip(patch: pytest.MonkeyPatch) -> None:
    def collect(*arguments: Any) -> CollectedFields:
        *others, details = arguments
        return collect_subfields(*others, [each._replace(node=visit(each.node, Unskipped())) for each in details])

    patch.setattr(compiler, "collect_subfields", collect)


class Unskipped(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value == "skip" else None


def repositioned(nullable: Callable[[int, Position], bool]) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        def changed(failure: Failure) -> list[Position]:
            return [replace(each, nullable=nullable(place, each)) for place, each in enumerate(climb(failure))]

        patch.setattr(failures, "climb", changed)

    return plant


def mix_up(patch: pytest.MonkeyPatch) -> None:
    brought: list[Any] = []

    def edge(connection: Any, item: Any, position: Any, far: Any) -> ConnectionEdge:
        if far:
            brought.append(far)
        return ConnectionEdge(connection, item, position, far and brought[0])

    patch.setattr(steps, "ConnectionEdge", edge)


def repeat_first(patch: pytest.MonkeyPatch) -> None:
    generate = compiler.generate_whole

    def whole(*arguments: Any) -> Any:
        build = generate(*arguments)
        return lambda objects: build([*objects[:1], *objects[:-1]])

    patch.setattr(compiler, "generate_whole", whole)


def repeat_first_page(patch: pytest.MonkeyPatch) -> None:
    generate = compiler.generate_items

    def items(*arguments: Any) -> Any:
        build = generate(*arguments)
        return lambda connections, pages: build(connections, [*pages[:1], *pages[:-1]])

    patch.setattr(compiler, "generate_items", items)


def ask_for_first(patch: pytest.MonkeyPatch) -> None:
    real = steps.page_keys

    def keys(shape: Any, parents: Iterable[str | None]) -> list[PageKey]:
        found = real(shape, parents)
        return found[:1] * len(found)

    patch.setattr(steps, "page_keys", keys)


def repeat_first_row(patch: pytest.MonkeyPatch) -> None:
    generate = columns.items_of

    def items(*arguments: Any) -> Any:
        build = generate(*arguments)
        if not isinstance(arguments[-1], RowForm):
            return build
        return lambda connections, pages: build(connections, [repeated(page) for page in pages])

    def repeated(page: RowPage) -> RowPage:
        return RowPage(page.rows[:1] * len(page.rows), page.more, page.form, page.form)

    patch.setattr(columns, "items_of", items)


def cut_lists(patch: pytest.MonkeyPatch) -> None:
    take = Found._take_eager

    def cut(self: Found, start: int) -> None:
        for answer in self._answers[start:]:
            if isinstance(answer, Eager):
                answer.pages[:] = [(key, shorter(page)) for key, page in answer.pages]
        take(self, start)

    patch.setattr(Found, "_take_eager", cut)


def shorter(page: Any) -> Any:
    if not isinstance(page, Page):
        return page
    return Page(page.items[:-1], page.positions[:-1], page.more, page.brought and page.brought[:-1])


PLANTED: dict[str, Plant] = {
    "an alias is lost": regrouped(lambda found: {each[0].node.name.value: each for each in found.values()}),
    "fields come in another order": regrouped(lambda found: dict(reversed(found.items()))),
    "of merged fields only the first counts": regrouped(lambda found: {name: each[:1] for name, each in found.items()}),
    "@skip is ignored": ignore_skip,
    "null stops where it began": repositioned(lambda _, position: True),
    "null always spreads": repositioned(lambda place, position: place > 0 and position.nullable),
    "variables are not looked at": lambda patch: patch.setattr(compiler.Argument, "variables", set()),
    "NaN is taken for a number": lambda patch: patch.setitem(columns.SOUND, float, "{v}.__class__ is float"),
    "errors are told of the first object": lambda patch: patch.setattr(Batch, "slot", lambda batch, _: (0, None)),
    "a list that comes with its agent lacks its last item": cut_lists,
    "what lies in an object is taken from the one before": repeat_first,
    "a page's items are taken from the page before": repeat_first_page,
    "lists are those of the first parent": ask_for_first,
    "what a row holds is taken from the first of its page": repeat_first_row,
    "who is at the other end is taken from another item": mix_up,
    "an absent value is taken for an object": lambda patch: patch.setattr(run, "is_sound", lambda _: True),
}


@pytest.mark.parametrize("fault", PLANTED)
async def test_planted_faults_are_noticed(bench: Bench, drawn: list[Operation], fault: str):
    with pytest.MonkeyPatch.context() as patch:
        PLANTED[fault](patch)
        faulty = Bench(bench.coalescer, bench.known)
        for operation in drawn:
            try:
                await faulty.compare_repeatedly(operation)
            except Exception:
                return
    pytest.fail(f"nobody noticed that {fault}")
