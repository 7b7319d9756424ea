"""What filters compile to: little text, all values beside it, and clear refusals."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.errors import BadInput
from graph.filters import DEEPEST, MOST_TERMS, SHORT, Filter, compile_filter
from graph.model import Agent, Interaction, Memory, Relationship

STEADY = settings(derandomize=True, deadline=None, max_examples=200, database=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def nested(depth: int) -> Mapping[str, Any]:
    return {"not": nested(depth - 1)} if depth else {"content": {"eq": "a"}}


@STEADY
@given(texts, st.lists(texts), texts)
def test_no_clients_text_reaches_the_query(word: str, words: list[str], key: str):
    tree = {"content": {"contains": word, "in": words}, "not": {"aboutAgent": key}}
    filter = compile_filter(Memory, tree)
    plain = compile_filter(Memory, {"content": {"contains": "", "in": []}, "not": {"aboutAgent": ""}})
    assert filter
    assert plain
    # Long values have names of their own.
    assert filter.text.replace("$f", "k.f") == plain.text.replace("$f", "k.f")
    assert dict(filter.values + filter.parameters) == {"f0": word, "f1": tuple(words), "f2": key}


@pytest.mark.parametrize("tree", [None, {}, {"and": []}, {"and": [{}, {"and": [{}]}]}, {"content": {}}])
def test_a_filter_without_conditions_is_none(tree: Mapping[str, Any] | None):
    assert compile_filter(Memory, tree) is None


@pytest.mark.parametrize(
    ("row", "tree", "said"),
    [
        (Memory, {"colour": {"eq": "red"}}, "Memory cannot be filtered by colour"),
        (Memory, {"n.content = 'a' OR true //": {"eq": ""}}, "Memory cannot be filtered by n.content"),
        (Memory, {"memories": {"some": {}}}, "Memory cannot be filtered by memories"),
        (Agent, {"memories": {"some": {"colour": {"eq": "red"}}}}, "Memory cannot be filtered by colour"),
        (Agent, {"memories": {"most": {}}}, "memories: some, none or all, not most"),
        (Memory, {"content": {"like": "a"}}, "content: there is no operator like"),
        (Memory, {"importance": {"gt": None}}, "importance: gt needs a value; only eq may be null"),
        (Memory, {"content": {"in": None}}, "content: in needs a value; only eq may be null"),
        (Interaction, {"at": {"gt": datetime(2024, 1, 1)}}, "lacks a time zone"),  # noqa: DTZ001
        (Memory, nested(DEEPEST + 1), f"nested {DEEPEST} deep at most"),
        (Memory, {"or": [{"importance": {"gt": 0.5}}] * (MOST_TERMS + 1)}, f"{MOST_TERMS} conditions at most"),
        (Memory, {"or": [{}] * (MOST_TERMS + 1)}, f"{MOST_TERMS} conditions at most"),
        (Relationship, {"and": [{"lastInteractionAt": {"eq": None}}] * (MOST_TERMS + 1)}, "conditions at most"),
    ],
)
def test_filters_that_make_no_sense_are_refused(row: type, tree: Mapping[str, Any], said: str):
    with pytest.raises(BadInput, match=said):
        compile_filter(row, tree)


def test_filters_at_the_limits_pass():
    assert compile_filter(Memory, nested(DEEPEST - 1))
    assert compile_filter(Memory, {"or": [{"importance": {"gt": 0.5}}] * (MOST_TERMS // 2 - 1)})


def test_times_are_compared_in_utc():
    moment = datetime.fromisoformat("2024-02-29T14:00:00+02:00")
    filter = compile_filter(Memory, {"createdAt": {"eq": moment}})
    assert filter
    [(_, value)] = filter.values
    assert value == moment
    assert value.tzinfo is UTC


def test_equal_filters_are_equal_keys():
    tree = {"kind": ["CHAT"], "importance": {"gte": 0.5}, "content": {"in": ["a", "b"]}}
    assert compile_filter(Memory, tree) == compile_filter(Memory, dict(tree))
    assert hash(compile_filter(Memory, tree)) == hash(compile_filter(Memory, dict(tree)))


def test_what_is_long_is_sent_once():
    def compiled(start: str, id: str) -> Filter:
        content = {"contains": "a" * (SHORT + 1), "startsWith": start}
        filter = compile_filter(Memory, {"content": content, "id": {"in": [id]}})
        assert filter
        return filter

    filter = compiled("a" * SHORT, "b")
    assert [len(value) for _, value in filter.values] == [SHORT]
    assert [len(value) for _, value in filter.parameters] == [SHORT + 1, 1]
    assert filter.open == compiled("c", "b").open
    assert filter.open != compiled("a" * SHORT, "c").open
