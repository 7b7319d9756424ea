"""Each formula keeps its promises, and says in Cypher what it says in Python."""

from collections.abc import Sequence
from functools import reduce
from math import copysign
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import Database
from graph.dynamics import (
    DAY,
    ENERGY_HALF_LIFE,
    IMPORTANCE_HALF_LIFE,
    STRENGTH_HALF_LIFE,
    UNIMPORTANCE_HALF_LIFE,
    Energy,
    Tie,
    cypher_energy_after,
    cypher_fade,
    cypher_fade_importance,
    cypher_move,
    cypher_recover,
    cypher_tie_after,
    fade,
    fade_importance,
    move,
    recover,
)

STEADY = settings(derandomize=True, deadline=None, max_examples=300, database=None)
# One example is one query with many cases.
STEADY_DATABASE = settings(
    derandomize=True, deadline=None, max_examples=8, database=None, suppress_health_check=list(HealthCheck)
)

shares = st.sampled_from((0.0, 5e-324, 1e-17, 0.05, 0.5, 1 - 2**-53, 1.0)) | st.floats(0, 1)
impacts = st.sampled_from((-1.0, -5e-324, -0.0, 0.0, 1.0)) | st.floats(-1, 1)
same_sign = st.lists(st.floats(0, 1), min_size=4, max_size=4) | st.lists(st.floats(-1, -5e-324), min_size=4, max_size=4)
spans = st.sampled_from((0.0, 1e-9, 1e300)) | st.floats(0, 400 * DAY)
moments = st.integers(-(10**12), 10**13) | st.integers(1_700_000_000_000, 1_700_100_000_000)
ties = st.builds(Tie, shares, shares, moments)
energies = st.builds(Energy, shares, moments)
Happened = Sequence[tuple[float, int]]
interactions = st.lists(st.tuples(impacts, moments), max_size=5)


def about(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def assert_share(value: float) -> None:
    assert 0.0 <= value <= 1.0
    assert copysign(1.0, value) == 1.0


def tie_after(tie: Tie, happened: Happened) -> Tie:
    return reduce(lambda tie, each: tie.after(*each), happened, tie)


def test_half_of_a_share_is_left_after_a_half_life():
    assert fade(0.8, 0, 7 * DAY) == 0.8
    assert fade(0.8, 7 * DAY, 7 * DAY) == 0.4
    assert recover(0.2, 7 * DAY, 7 * DAY) == pytest.approx(0.6)
    month = int(STRENGTH_HALF_LIFE * 1000)
    assert Tie(0.8, 0.5, 0).after(0.0, month) == Tie(0.4, 0.5, month)


@STEADY
@given(shares, spans, spans)
def test_spans_add_up(share: float, one: float, other: float):
    for change in (fade, recover):
        once = change(share, one + other, DAY)
        assert_share(once)
        assert change(change(share, one, DAY), other, DAY) == about(once)
    assert fade(share, one, DAY) <= share <= recover(share, one, DAY) + 1e-15


@STEADY
@given(shares, shares, impacts, impacts, shares, shares)
def test_moves_are_bounded_and_rise_with_share_and_impact(
    share: float, other: float, impact: float, stronger: float, gain: float, loss: float
):
    moved = move(share, impact, gain=gain, loss=loss)
    assert_share(moved)
    assert moved >= share if impact >= 0 else moved <= share
    assert moved <= move(share, stronger, gain=gain, loss=loss) or impact > stronger
    assert moved <= move(other, impact, gain=gain, loss=loss) + 1e-15 or share > other


@STEADY
@given(ties, moments, same_sign, st.permutations(range(4)))
def test_impacts_of_one_sign_at_one_moment_may_come_in_any_order(
    tie: Tie, at: int, impacts: list[float], order: list[int]
):
    one = tie_after(tie, [(impact, at) for impact in impacts])
    other = tie_after(tie, [(impacts[place], at) for place in order])
    assert (one.strength, one.trust, one.at) == (about(other.strength), about(other.trust), other.at)


@STEADY
@given(ties, interactions)
def test_ties_stay_in_bounds_and_know_their_latest_moment(tie: Tie, happened: Happened):
    ended = tie_after(tie, happened)
    assert_share(ended.strength)
    assert_share(ended.trust)
    assert ended.at == max([tie.at, *(at for _, at in happened)])


def test_trust_keeps_with_time_and_is_lost_faster_than_won():
    tie = Tie(0.5, 0.5, 0)
    assert tie.after(0.0, 10**12).trust == 0.5
    assert tie.after(1.0, 0).trust == pytest.approx(0.525)
    assert tie.after(-1.0, 0).trust == pytest.approx(0.425)


@STEADY
@given(energies, moments)
def test_starting_an_interaction_costs_energy_that_comes_back(energy: Energy, at: int):
    tired = energy.after(at)
    assert_share(tired.share)
    assert tired.share <= recover(energy.share, max(0, at - energy.at) / 1000, ENERGY_HALF_LIFE)
    assert Energy(1.0, 0).after(5) == Energy(0.95, 5)


def test_importance_fades_slowly_down_to_the_threshold_and_then_fast():
    assert fade_importance(0.8, 0.4, IMPORTANCE_HALF_LIFE) == pytest.approx(0.4)
    assert fade_importance(0.8, 0.4, IMPORTANCE_HALF_LIFE + UNIMPORTANCE_HALF_LIFE) == pytest.approx(0.2)
    assert fade_importance(0.2, 0.4, UNIMPORTANCE_HALF_LIFE) == pytest.approx(0.1)
    assert fade_importance(0.2, 0.0, IMPORTANCE_HALF_LIFE) == pytest.approx(0.1)


@STEADY
@given(shares, shares, spans, spans)
def test_importance_fades_for_spans_that_add_up(importance: float, threshold: float, one: float, other: float):
    once = fade_importance(importance, threshold, one + other)
    assert_share(once)
    assert once <= importance
    assert fade_importance(fade_importance(importance, threshold, one), threshold, other) == about(once)


@STEADY
@given(shares, shares, shares, spans)
def test_the_more_important_stays_so(one: float, other: float, threshold: float, span: float):
    low, high = sorted((one, other))
    assert fade_importance(low, threshold, span) <= fade_importance(high, threshold, span) + 1e-15


@STEADY_DATABASE
@given(cases=st.lists(st.tuples(shares, shares, spans, impacts), min_size=100, max_size=200))
async def test_cypher_agrees_on_shares(migrated: Database, cases: list[tuple[float, float, float, float]]):
    rows = await migrated.read(
        "formulas",
        f"""
        UNWIND $cases AS c
        RETURN {cypher_fade("c[0]", "c[2]", DAY)}, {cypher_recover("c[0]", "c[2]", DAY)},
          {cypher_fade_importance("c[0]", "c[1]", "c[2]")}, {cypher_move("c[0]", "c[3]", gain=0.05, loss=0.15)}
        """,
        {"cases": cases},
    )
    for (share, threshold, span, impact), found in zip(cases, rows, strict=True):
        expected = [
            fade(share, span, DAY),
            recover(share, span, DAY),
            fade_importance(share, threshold, span),
            move(share, impact, gain=0.05, loss=0.15),
        ]
        assert found == [about(value) for value in expected]
        for value in found:
            assert_share(value)


@STEADY_DATABASE
@given(cases=st.lists(st.tuples(ties, energies, interactions), min_size=50, max_size=100))
async def test_cypher_agrees_on_interactions(migrated: Database, cases: list[tuple[Tie, Energy, Happened]]):
    given = [((t.strength, t.trust, t.at), (e.share, e.at), happened) for t, e, happened in cases]
    rows = await migrated.read(
        "formulas",
        f"""
        UNWIND $cases AS c
        RETURN {cypher_tie_after("c[0]", "c[2]")}, {cypher_energy_after("c[1]", "[i IN c[2] | i[1]]")}
        """,
        {"cases": given},
    )
    for (tie, energy, happened), (found_tie, found_energy) in zip(cases, rows, strict=True):
        tied = tie_after(tie, happened)
        assert found_tie == [about(tied.strength), about(tied.trust), tied.at]
        tired = reduce(lambda energy, each: energy.after(each[1]), happened, energy)
        assert found_energy == [about(tired.share), tired.at]
        for value in (*found_tie[:2], found_energy[0]):
            assert_share(value)
