"""What comes to agents' minds: candidates are ranked, and the best are read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from graph.checks import vector as check_vector
from graph.errors import BadInput
from graph.lookups import MEMORY_BY_ID, LookupKey
from graph.model import Memory
from graph.ranking import Candidate, Ranked, Weights, is_settled, rank
from graph.recall import RecallKey, RecallShape
from graph.search import read_words
from graph.writes.touch import TouchKey
from resolvers.connections import LARGEST_SIZE
from resolvers.loaders import Reading, Step
from resolvers.meanings import MeaningKey

# How many candidates an index gives at first, beyond what is asked for, and how many more each time it's too few.
AT_FIRST = 100
TIMES = 4
# After so many from each source the ranking is as good as it gets.
MOST_CANDIDATES = 5000


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that came to mind, and why."""

    memory: Memory
    score: float
    recency: float
    importance: float
    relevance: float


def recall(
    *,
    query: str | None,
    vector: list[float] | None,
    first: int,
    weights: Weights,
    touch: bool,
    at: datetime | None,
) -> Step:
    """Finds what comes to each agent's mind, the best first. Raises BadInput for arguments that make no sense.

    What is asked in words alone is compared by its meaning as well, where that can be had.
    """
    if not 0 <= first <= LARGEST_SIZE:
        raise BadInput(f"first: must lie between 0 and {LARGEST_SIZE}, is {first}.")
    words = read_query(query)
    alike = read_vector(vector)

    def step(agents: Sequence[Any]) -> Reading:
        rankings: list[list[Ranked] | Exception | None] = [None] * len(agents)
        size = first + AT_FIRST
        vector, derived = alike, False
        if query and words and not alike:
            (meaning,) = yield [MeaningKey(query)]
            vector, derived = () if isinstance(meaning, Exception) else meaning, True
        while asked := [place for place, each in enumerate(rankings) if each is None]:
            shape = RecallShape(size, words, vector, derived)
            found = yield [RecallKey(shape, agents[place].id) for place in asked]
            for place, candidates in zip(asked, found, strict=True):
                rankings[place] = settle(candidates, weights, first=first, size=size)
            size *= TIMES
        memories = iter((yield [LookupKey(MEMORY_BY_ID, each.id) for each in chosen(rankings)]))
        recalled = [
            each if isinstance(each, Exception) else bring([(one, next(memories)) for one in each or ()])
            for each in rankings
        ]
        if touch and (ids := [each.memory.id for each in chain.from_iterable(map(successes, recalled))]):
            yield [TouchKey.of(ids, at)]
        return recalled

    return step


def read_query(query: str | None) -> str:
    try:
        return read_words(query or "")
    except BadInput as error:
        raise BadInput(error.fault, "query") from None


def read_vector(vector: list[float] | None) -> tuple[float, ...]:
    if vector is None:
        return ()
    try:
        found = check_vector(vector)
    except BadInput as error:
        raise error.within("vector") from None
    if not any(found):
        raise BadInput("must not be all zeros: it has no direction.", "vector")
    return tuple(found)


def settle(
    candidates: list[Candidate] | Exception, weights: Weights, *, first: int, size: int
) -> list[Ranked] | Exception | None:
    """Gives the first of a ranking; None if more candidates may change it."""
    if isinstance(candidates, Exception):
        return candidates
    ranked = rank(candidates, weights)
    if size >= MOST_CANDIDATES or is_settled(candidates, ranked, weights, first=first, size=size):
        return ranked[:first]
    return None


def chosen(rankings: Iterable[list[Ranked] | Exception | None]) -> Iterable[Ranked]:
    return chain.from_iterable(successes(each) for each in rankings)


def successes(found: Any) -> list[Any]:
    return [] if found is None or isinstance(found, Exception) else found


def bring(found: list[tuple[Ranked, Any]]) -> list[Recalled] | Exception:
    """Puts memories with their places; one that was forgotten meanwhile is left out."""
    for _, memory in found:
        if isinstance(memory, Exception):
            return memory
    return [
        Recalled(memory, ranked.score, ranked.recency, ranked.importance, ranked.relevance)
        for ranked, memory in found
        if memory is not None
    ]
