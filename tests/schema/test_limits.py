"""What an operation costs, and that too much is refused before anything runs."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
from graphql import get_introspection_query

from schema.document import MOST_TOKENS, TooCostly, parse_document, validate
from schema.limits import Limits, Meter
from schema.root import build_schema
from server.settings import Settings

SCHEMA = build_schema()
PAGES = "{agents(first: $n) { nodes { id memories(last: $m) { edges { node { id } } } } } }"
DOUBLING = "{ agents { ...F0 } } fragment F40 on AgentConnection { totalCount } " + " ".join(
    f"fragment F{i} on AgentConnection {{ ...F{i + 1} ...F{i + 1} }}" for i in range(40)
)


def check(document: str, variables: Mapping[str, Any] | None = None, **limits: int) -> int:
    return Meter(SCHEMA._schema, Limits(**limits)).check(document, None, variables)


@pytest.mark.parametrize(
    ("document", "cost"),
    [
        ("{ __typename }", 0),
        ('{ agent(key: "a") { id name } }', 1),
        ("{ agents { totalCount } }", 1),
        ("{ agents { nodes { id } } }", 1 + 20),
        ("{ agents(first: 5) { nodes { id } pageInfo { endCursor } } }", 1 + 5 + 1),
        ("{ agents(last: 5) { edges { node { id } } } }", 1 + 5 * 2),
        (
            "{ agents(first: 5) { ...P } } fragment P on AgentConnection { nodes { ...A } } fragment A on Agent { id }",
            6,
        ),
        ("{ agents(first: 5) { nodes { memories(first: 3) { nodes { id } } } } }", 1 + 5 * (1 + 1 + 3)),
        ("{ agents(first: 5) { ... on AgentConnection { nodes { id } } } }", 6),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        (f"{{ agents(first: {'9' * 5000}) {{ nodes {{ id }} }} }}", 1 + 1000),
    ],
)
def test_the_cost_is_how_many_objects_may_be_answered(document: str, cost: int):
    assert check(document) == cost


@pytest.mark.parametrize(
    ("head", "variables", "n", "m"),
    [
        ("query ($n: Int, $m: Int)", {"n": 4, "m": 7}, 4, 7),
        ("query ($n: Int, $m: Int)", {"n": 10**400, "m": -1}, 1000, 0),
        ("query ($n: Int = 3, $m: Int = 2)", {"m": 9}, 3, 9),
        ("query ($n: Int, $m: Int)", {"n": "many", "m": None}, 20, 20),
    ],
)
def test_variables_say_how_large_pages_are(head: str, variables: dict[str, Any], n: int, m: int):
    assert check(head + PAGES, variables, cost=10**9) == 1 + n * (1 + 1 + 2 * m)


def test_what_is_too_costly_is_told_its_cost():
    with pytest.raises(TooCostly, match="costs 9") as refused:
        check("{ agents(first: 8) { nodes { id } } }", cost=8)
    assert refused.value.cost == {"requested": 9, "limit": 8}
    assert check("{ agents(first: 8) { nodes { id } } }", cost=9) == 9


@pytest.mark.parametrize(
    ("document", "limits", "message"),
    [
        ("{ agents { nodes { id } } }", {"depth": 2}, "too deeply: 3 levels"),
        ("{ ...A } fragment A on Query { agents { nodes { id } } }", {"depth": 2}, "too deeply: 3 levels"),
        ("{ a: __typename ...B } fragment B on Query { b: __typename }", {"aliases": 1}, "2 aliases"),
        ("{ __typename ...B ...B } fragment B on Query { b: __typename }", {"root_fields": 2}, "3 fields at its root"),
        ("{ agents { nodes { id } } }", {"fields": 2}, "3 fields"),
        ("{ agents { nodes { id } } }", {"tokens": 8}, "9 tokens; 8 at most"),
        (
            "{ __typename @skip(if: false) ...B @skip(if: false) ...B } "
            "fragment B on Query @a { b: __typename @include(if: true) }",
            {"directives": 5},
            "6 directives",
        ),
        ("query @a { __typename @b }", {"directives": 1}, "2 directives"),
        (DOUBLING, {}, "more than 10\\^12 fields"),
    ],
)
def test_what_is_over_a_limit_is_refused(document: str, limits: dict[str, int], message: str):
    with pytest.raises(TooCostly, match=message):
        check(document, **limits)


@pytest.mark.parametrize(
    "document",
    [
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...Missing nonsense(first: 1) { more } }",
        "{ ...A } fragment A on Nothing { a { b } }",
        "subscription { nonsense { a } }",
    ],
)
def test_what_makes_no_sense_is_left_to_validation(document: str):
    started = time.perf_counter()
    assert check(document) >= 0
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "document",
    [
        "{ " + "agents { totalCount } " * 150 + "}",
        "{ " + "agents { nodes { id } } " * 60 + "agents { " + "nodes { id } " * 120 + "} }",
        "{ " + "a: agents { nodes { id } } " * 150 + "}",
        "{ "
        + " ".join(f"...F{i}" for i in range(150))
        + " } "
        + " ".join(f"fragment F{i} on Query {{ agents {{ totalCount }} }}" for i in range(150)),
        "query A { __typename } query B { ... { " + "... { agents { totalCount } } " * 150 + "} }",
    ],
)
def test_what_would_take_long_to_validate_is_refused(document: str):
    (fault,) = validate(SCHEMA._schema, parse_document(document))
    assert isinstance(fault.original_error, TooCostly)


def test_a_field_may_be_asked_for_by_a_hundred_components():
    names = range(100)
    document = "{ agents { nodes { " + " ".join(f"...F{i}" for i in names) + " } } } "
    document += " ".join(f"fragment F{i} on Agent {{ id name }}" for i in names)
    assert validate(SCHEMA._schema, parse_document(document)) == []


def test_introspection_passes_and_is_bounded():
    assert check(get_introspection_query(input_value_deprecation=True, specified_by_url=True)) < Limits().cost / 2
    deep = "{ __schema { types { " + "fields { type { " * 8 + "name" + " } }" * 8 + " } } }"
    with pytest.raises(TooCostly):
        check(deep)


def test_no_more_tokens_can_be_set_than_are_parsed():
    (bound,) = [each.le for each in Settings.model_fields["max_tokens"].metadata if hasattr(each, "le")]
    assert bound == MOST_TOKENS
