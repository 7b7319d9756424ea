"""What answers come to: percentiles, errors by code, and both second by second."""

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deploy.load.generator import OK, Answer
from deploy.load.operations import OPERATIONS

SHARES = (0.5, 0.95, 0.99)


@dataclass
class Tally:
    """The answers of one operation: when they were due and how long they took, in seconds; failures by code."""

    due: "array[float]" = field(default_factory=lambda: array("d"))
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    errors: Counter[str] = field(default_factory=Counter)


class Figures:
    """What a run has come to so far.

    Failed requests count in the percentiles too, those without an answer with the time that was waited for it. What
    was due before `since`, in seconds, counts nowhere but in `early_errors`.
    """

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        self.count = 0
        self.early_errors = 0
        self.operations = {each.label: Tally() for each in OPERATIONS}
        self.said: dict[str, str] = {}
        self.sent_late = array("d")

    def add(self, answer: Answer) -> None:
        self.count += 1
        if answer.code != OK:
            self.said.setdefault(answer.code, answer.message)
        if answer.due < self.since:
            self.early_errors += answer.code != OK
            return
        tally = self.operations[answer.operation.label]
        tally.due.append(answer.due)
        tally.latencies.append(answer.latency)
        self.sent_late.append(answer.sent_late)
        if answer.code != OK:
            tally.errors[answer.code] += 1

    @property
    def errors(self) -> Counter[str]:
        return sum((tally.errors for tally in self.operations.values()), Counter())

    def all_latencies(self) -> list[float]:
        return [each for tally in self.operations.values() for each in tally.latencies]


def percentiles(values: Iterable[float], shares: Sequence[float] = SHARES) -> list[float]:
    """Gives the least values that so large a share of all does not exceed; nan for no values."""
    ordered = sorted(values)
    if not ordered:
        return [math.nan] * len(shares)
    return [ordered[max(0, math.ceil(len(ordered) * share) - 1)] for share in shares]


def by_time(tally: Tally, buckets: Sequence[float]) -> list[list[float]]:
    """Gives the percentiles of each stretch of time, named by its start, of the requests that were due in it."""
    found: list[list[float]] = [[] for _ in buckets]
    for due, latency in zip(tally.due, tally.latencies, strict=True):
        found[bisect_right(buckets, due) - 1].append(latency)
    return [percentiles(each) for each in found]
