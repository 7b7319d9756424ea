"""The shape of a synthetic society: communities, a few whom many know, and ties that are often mutual."""

from dataclasses import dataclass
from math import exp
from random import Random

INSIDE = 0.8
RECIPROCATED = 0.6
SPREAD = 0.8
COMMUNITY = 40


@dataclass(frozen=True)
class Network:
    """Who knows whom: for each agent, those it relates to, in ascending order, and its community."""

    out: list[list[int]]
    community: list[int]

    def is_inside(self, source: int, target: int) -> bool:
        return self.community[source] == self.community[target]


def divide(agents: int, random: Random) -> list[tuple[int, int]]:
    """Divides agents into communities of some 40, few large and many small; gives where each starts and ends."""
    spans: list[tuple[int, int]] = []
    start = 0
    while start < agents:
        size = max(4, round(COMMUNITY * random.lognormvariate(-0.2, 0.65)))
        end = agents if agents - start - size < 4 else start + size
        spans.append((start, end))
        start = end
    return spans


def draw(agents: int, degree: float, seed: int) -> Network:
    """Draws a network in which agents relate to `degree` others on average, some to far more.

    Each tie is inside the community with probability 0.8, and returned with probability 0.6. The degrees are
    log-normal; those who come first in a community, and first of all, are the best known.
    """
    random = Random(f"{seed}/network")  # noqa: S311
    spans = divide(agents, random)
    span_of = [span for span in spans for _ in range(span[0], span[1])]
    out: list[set[int]] = [set() for _ in range(agents)]
    # Returned ties count as well, and a log-normal's mean is exp(σ²/2) times its median.
    median = degree / (1 + RECIPROCATED) * exp(-(SPREAD**2) / 2)
    for source in range(agents):
        wanted = median * random.lognormvariate(0, SPREAD)
        number = int(wanted) + (random.random() < wanted % 1)
        for _ in range(min(number, agents - 1)):
            target = _choose(source, span_of[source], agents, out[source], random)
            if target is None:
                continue
            out[source].add(target)
            if random.random() < RECIPROCATED:
                out[target].add(source)
    return Network(
        out=[sorted(targets) for targets in out],
        community=[number for number, span in enumerate(spans) for _ in range(span[0], span[1])],
    )


def _choose(source: int, span: tuple[int, int], agents: int, taken: set[int], random: Random) -> int | None:
    for attempt in range(8):
        # A community may be too small for all that its members want.
        start, end = span if random.random() < INSIDE and attempt < 4 else (0, agents)
        target = start + int((end - start) * random.random() ** 2)
        if target != source and target not in taken:
            return target
    return None
