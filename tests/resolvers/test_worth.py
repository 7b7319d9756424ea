"""Which operations pass the cache by: those of which too little is found, until samples of them are found again."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import worth
from resolvers.worth import JUDGED_AFTER, LEAST, SAMPLED, Worth, Worths, is_sample


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=JUDGED_AFTER, max_size=3 * JUDGED_AFTER))
def test_an_operation_passes_by_when_less_than_the_least_of_its_last_requests_was_found(found: list[float]):
    each = Worth()
    for part in found:
        each.note(part)
    whole = len(found) // JUDGED_AFTER * JUDGED_AFTER
    assert each.passes == (sum(found[whole - JUDGED_AFTER : whole]) < LEAST * JUDGED_AFTER)


def test_few_requests_say_nothing():
    each = Worth()
    for _ in range(JUDGED_AFTER - 1):
        each.note(0.0)
    assert not each.passes


def test_operations_are_told_apart_and_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worth, "MOST", 10)
    worths = Worths()
    first = worths["first"]
    assert worths["first"] is first
    assert worths["second"] is not first
    for number in range(9):
        worths[number].note(1.0)
    assert worths["first"] is not first, "it was forgotten with others"


def test_about_one_name_in_so_many_is_a_sample():
    names = [blake2b(str(number).encode(), digest_size=16).hexdigest() for number in range(10_000)]
    samples = sum(map(is_sample, names))
    assert 0.9 < samples * SAMPLED / len(names) < 1.1
