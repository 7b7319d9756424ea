"""Memory that becomes scarce is noticed once, let go of, and noticed once when there is enough again."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.memory import RELIEVED_BELOW, WARNED_FROM, MemoryMonitor, Usage, is_scarce, measure
from tests.conftest import ROOT

shares = st.floats(0, 2) | st.sampled_from((0.75, 0.8)) | st.floats(0.74, 0.81)


class Levels(logging.Handler):
    """The levels of what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.levelname)


@pytest.fixture(scope="module")
def levels() -> Iterator[Levels]:
    log, handler = logging.getLogger("ecs.memory"), Levels()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


@given(shares, st.booleans())
def test_scarce_is_from_80_percent_until_below_75(share: float, was_scarce: bool):
    scarce = is_scarce(share, was_scarce=was_scarce)
    assert scarce if share >= WARNED_FROM else not scarce if share < RELIEVED_BELOW else scarce == was_scarce


@given(history=st.lists(shares))
def test_each_turn_for_the_worse_or_better_is_logged_once(levels: Levels, history: list[float]):
    levels.seen.clear()
    readings, calls = iter(history), []
    monitor = MemoryMonitor(
        lambda: Usage(1, next(readings)), lambda: calls.append("first"), lambda: calls.append("next")
    )
    for _ in history:
        monitor.check()
    assert calls == ["first", "next"] * sum(share >= WARNED_FROM for share in history)
    clear = [share >= WARNED_FROM for share in history if share >= WARNED_FROM or share < RELIEVED_BELOW]
    turns = [now for before, now in pairwise([False, *clear]) if before != now]
    assert levels.seen == ["WARNING" if worse else "INFO" for worse in turns]


def test_a_worker_has_an_equal_share_of_the_limit():
    held = psutil.Process().memory_info().rss
    for workers in (1, 4):
        usage = measure(10 * held, workers)()
        assert usage.share == pytest.approx(workers / 10, rel=0.05)
        assert usage.process == pytest.approx(held, rel=0.05)


def test_a_process_that_fills_its_memory_lets_go_of_it_in_time():
    command = [sys.executable, "-m", "tests.server.memory_hog"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    *said, told = done.stdout.splitlines()
    assert [line.split(" ", 4)[:4] for line in said[:2]] == [
        ["WARNING", "memory", "is", "scarce:"],
        ["INFO", "memory", "is", "no"],
    ]
    calls, left, share, scarce = re.fullmatch(r"(\d+) calls, (\d+) left, (\S+) in use, scarce: (\w+)", told).groups()
    assert (float(share) < WARNED_FROM, scarce) == (True, "False"), told
    assert 1 <= int(calls) <= 5, "memory that was let go of went back to the system, so that little had to go"
    assert int(left) > 5000, told
