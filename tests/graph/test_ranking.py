"""Ranking: parts in [0, 1], orders that make sense, and nothing that is missed."""

from dataclasses import replace
from math import isfinite

from hypothesis import assume, given
from hypothesis import strategies as st

from graph.ranking import Candidate, Weights, is_settled, rank, scale, scale_from_zero

LONG_AGO, FAR_AHEAD = -62_135_596_800_000, 253_402_300_799_999
SHARES = st.floats(0, 1)
SCORES = st.none() | st.floats(0, 1e9) | st.sampled_from([5e-324, 1e-300, 1e300])
LIKENESSES = st.none() | st.floats(-1, 1)
MOMENTS = st.integers(LONG_AGO, FAR_AHEAD) | st.integers(0, 10_000_000)


@st.composite
def candidates(draw: st.DrawFn, least: int = 0) -> list[Candidate]:
    parts = draw(st.lists(st.tuples(SHARES, MOMENTS, SCORES, LIKENESSES), min_size=least, max_size=12))
    return [Candidate(f"Memory:{place:02}", *part) for place, part in enumerate(parts)]


@st.composite
def weights(draw: st.DrawFn) -> Weights:
    parts = [draw(st.floats(0, 1e6)) for _ in range(3)]
    half_life = draw(st.floats(1e-6, 1e12))
    return Weights(recency=parts[0], importance=parts[1], relevance=parts[2], half_life=half_life)


@given(candidates(), weights())
def test_parts_are_shares_and_scores_their_weighted_sums(given: list[Candidate], weights: Weights):
    ranked = rank(given, weights)
    assert sorted(each.id for each in ranked) == sorted(each.id for each in given)
    for each in ranked:
        assert 0 <= each.recency <= 1
        assert 0 <= each.relevance <= 1
        assert each.recency >= each.relevance or not 0 < weights.recency <= weights.relevance
        assert each.importance >= each.relevance or not 0 < weights.importance <= weights.relevance
        assert 0 <= each.importance <= 1
        assert isfinite(each.score)
        parts = (each.recency * weights.recency, each.importance * weights.importance)
        assert each.score == sum(parts) + each.relevance * weights.relevance
    assert [(-each.score, each.id) for each in ranked] == sorted((-each.score, each.id) for each in ranked)


@given(candidates(least=1), weights())
def test_each_part_keeps_its_order_and_its_best_is_one(given: list[Candidate], weights: Weights):
    found = {each.id: each for each in rank(given, weights)}
    assert max(each.recency for each in found.values()) == 1
    assert max(each.importance for each in found.values()) == 1
    assert max(each.relevance for each in found.values()) in (0, 1)
    for one in given:
        for other in given:
            if one.importance <= other.importance and found[one.id].relevance <= found[other.id].relevance:
                assert found[one.id].importance <= found[other.id].importance
            if one.accessed <= other.accessed and found[one.id].relevance <= found[other.id].relevance:
                assert found[one.id].recency <= found[other.id].recency
            if one.likeness is other.likeness is None and (one.text or 0) <= (other.text or 0):
                assert found[one.id].relevance <= found[other.id].relevance


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_scaling_never_divides_by_zero(values: list[float]):
    assert all(0 <= each <= 1 for each in scale(values))
    assert max(scale(values)) == 1
    assert all(0 <= each <= 1 for each in scale_from_zero([abs(each) for each in values]))


@given(candidates(least=1), weights(), st.integers(-(10**9), 10**9))
def test_the_clock_of_a_society_does_not_matter(given: list[Candidate], weights: Weights, moved: int):
    later = [replace(each, accessed=each.accessed + moved) for each in given]
    assert rank(later, weights) == rank(given, weights)


def test_in_a_half_life_recency_halves():
    day = 86_400_000
    given = [Candidate(f"Memory:{age}", 0.5, -age * day) for age in (0, 1, 2, 10_000)]
    ranked = rank(given, Weights(half_life=86_400.0))
    assert [each.recency for each in ranked] == [1.0, 0.5, 0.25, 0.0]


def test_what_is_old_and_relevant_comes_before_what_is_old_and_not():
    given = [Candidate("Memory:new", 0.5, 10**12), Candidate("Memory:old", 0.5, 0),
             Candidate("Memory:oldest", 0.5, -(10**12), text=2.0)]  # fmt: skip
    assert [each.id for each in rank(given, Weights())] == ["Memory:oldest", "Memory:new", "Memory:old"]


def test_where_relevance_does_not_count_only_age_does():
    given = [Candidate("Memory:new", 0.5, 10**12), Candidate("Memory:old", 0.5, 0, text=2.0)]
    assert [each.id for each in rank(given, Weights(importance=0, relevance=0))] == ["Memory:new", "Memory:old"]


def test_words_and_meaning_count_alike():
    kinds = {"both": (2.0, 0.9), "word": (2.0, None), "like": (None, 0.9), "none": (None, 0.1)}
    given = [Candidate(f"Memory:{name}", 0.5, 0, text, likeness) for name, (text, likeness) in kinds.items()]
    found = {each.id.partition(":")[2]: each.relevance for each in rank(given, Weights())}
    assert found == {"both": 1.0, "word": 0.5, "like": 0.5, "none": 0.0}


@given(st.lists(st.tuples(SHARES, MOMENTS, st.none() | st.floats(0.1, 9)), min_size=1, max_size=40),
       weights(), st.integers(0, 6), st.integers(1, 8))  # fmt: skip
def test_a_settled_ranking_is_that_of_all(
    parts: list[tuple[float, int, float | None]], weights: Weights, first: int, size: int
):
    every = [Candidate(f"Memory:{place:02}", *part) for place, part in enumerate(parts)]
    some = sources(every, size)
    assume(is_settled(some, rank(some, weights), weights, first=first, size=size))
    best, whole = rank(some, weights)[:first], rank(every, weights)[:first]
    assert [each.score for each in best] == [each.score for each in whole]
    assert best == whole


def sources(every: list[Candidate], size: int) -> list[Candidate]:
    """Chooses candidates as the database does."""
    recent = sorted(every, key=lambda each: (each.accessed, each.id), reverse=True)
    important = sorted(every, key=lambda each: (each.importance, each.id), reverse=True)
    ends = [recent[-1], important[-1]]
    return [
        replace(each, recent=each in recent[:size], important=each in important[:size])
        for each in every
        if each in [*recent[:size], *important[:size], *ends] or each.text
    ]
