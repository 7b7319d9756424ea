"""What comes to mind: how memories are ranked by recency, importance and relevance.

This is the retrieval of generative agents (Park et al. 2023): a weighted sum of three parts, each scaled to [0, 1]
over the candidates. A part in which all are alike doesn't tell them apart, and never divides by zero.

Recency and importance have a floor: a memory counts for no less recent and no less important than it is relevant.
Without it, as in the paper, what is old, plain and relevant hardly ever comes before what is merely recent or
important; `make eval-recall` shows by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3600.0
DAY = 24 * HOUR
# With longer ones the evidence comes first less often than by words alone.
HALF_LIFE = 6 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What counts how much. In `half_life` seconds since a memory last came to mind its recency halves."""

    recency: float = 1.0
    importance: float = 1.0
    relevance: float = 1.0
    half_life: float = HALF_LIFE


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that may come to mind.

    `accessed` is in milliseconds since 1970; `text` a full-text score and `likeness` a similarity of meanings, of
    any scale, None for what was not found that way. `recent` and `important` say which source it comes from.
    """

    id: str
    importance: float
    accessed: int
    text: float | None = None
    likeness: float | None = None
    recent: bool = False
    important: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory's place in the ranking: the score and its parts, each in [0, 1]."""

    id: str
    score: float
    recency: float
    importance: float
    relevance: float


def scale(values: Sequence[float]) -> list[float]:
    """Scales values so that the least becomes 0 and the greatest 1; those that are all alike become 1."""
    low, high = min(values), max(values)
    if high == low:
        return [1.0] * len(values)
    # Their distance may be greater than any number is.
    span = high / 2 - low / 2
    return [min(1.0, (value / 2 - low / 2) / span) for value in values] if span else [1.0] * len(values)


def scale_from_zero(values: Sequence[float | None]) -> list[float]:
    """Scales scores so that the greatest becomes 1; what has none gets 0."""
    high = max((value for value in values if value is not None), default=0.0)
    return [value / high if value and high > 0 else 0.0 for value in values]


def recencies(accessed: Sequence[int], half_life: float) -> list[float]:
    """Says how recent each is: 2^(-t / half-life), scaled, with t since the latest of all.

    Against the latest, because a society may have a clock of its own; scaled, any other moment gives the same.
    """
    now = max(accessed)
    return scale([2.0 ** (-(now - each) / 1000.0 / half_life) for each in accessed])


def relevances(candidates: Sequence[Candidate]) -> list[float]:
    """Says how relevant each is, by words, by meaning, or by the mean of both; the most relevant gets 1."""
    text = scale_from_zero([each.text for each in candidates])
    alike = [each.likeness for each in candidates if each.likeness is not None]
    scaled = iter(scale(alike) if alike else ())
    likeness = [0.0 if each.likeness is None else next(scaled) for each in candidates]
    return scale_from_zero([(one + other) / 2 for one, other in zip(text, likeness, strict=True)])


def floor_share(relevance: float, part: float) -> float:
    """Says how much of relevance is the floor of another part: as far as relevance counts at all beside it."""
    return min(1.0, relevance / part) if part else 0.0


def raise_to(floor: Sequence[float], values: Sequence[float], share: float) -> list[float]:
    """Lifts values that are below a share of the floor."""
    return [max(value, share * least) for value, least in zip(values, floor, strict=True)]


def rank(candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    """Ranks all candidates, the best first, those of the same score by id."""
    if not candidates:
        return []
    relevance = relevances(candidates)
    recency = recencies([each.accessed for each in candidates], weights.half_life)
    importance = scale([each.importance for each in candidates])
    parts = zip(
        raise_to(relevance, recency, floor_share(weights.relevance, weights.recency)),
        raise_to(relevance, importance, floor_share(weights.relevance, weights.importance)),
        relevance,
        strict=True,
    )
    ranked = (Ranked(each.id, weigh(weights, *part), *part) for each, part in zip(candidates, parts, strict=True))
    return sorted(ranked, key=lambda each: (-each.score, each.id))


def weigh(weights: Weights, recency: float, importance: float, relevance: float) -> float:
    return weights.recency * recency + weights.importance * importance + weights.relevance * relevance


def is_settled(
    candidates: Sequence[Candidate], ranked: Sequence[Ranked], weights: Weights, *, first: int, size: int
) -> bool:
    """Says whether no other memory belongs among the first, if the sources of candidates gave `size` each at most.

    What is no candidate is neither more recent nor more important than any from these sources, and not relevant:
    if even so much would give less than the last of the first has, none is missing (Fagin's threshold algorithm).
    """
    recent = {each.id for each in candidates if each.recent}
    important = {each.id for each in candidates if each.important}
    if first == 0 or len(recent) < size or len(important) < size:
        return True
    least_recent = min(each.recency for each in ranked if each.id in recent)
    least_important = min(each.importance for each in ranked if each.id in important)
    return len(ranked) >= first and ranked[first - 1].score > weigh(weights, least_recent, least_important, 0.0)
