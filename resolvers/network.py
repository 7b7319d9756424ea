"""Steps that answer questions about an agent's place among the others, and about the society."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graph.neighbourhood import COUNTS, DEGREES, STRENGTH, Counts, Degrees
from graph.questions import Asking, Question, QuestionKey
from resolvers.loaders import Reading, Step
from resolvers.steps import after


@dataclass(frozen=True, slots=True)
class Society:
    """The society as a whole; `fresh` asks for figures of this moment."""

    fresh: bool = False


def look_at_society(*, fresh: bool) -> Step:
    """Leads to the society."""
    society = Society(fresh)
    return lambda objects: [society] * len(objects)


def ask_whole(read: Callable[[Counts], int]) -> Step:
    """Counts what there is in the society."""

    def step(objects: Sequence[Society]) -> Reading:
        (counts,) = yield [QuestionKey(Asking(COUNTS))]
        return after([counts] * len(objects), read)

    return step


def ask(question: Question, read: Callable[[Any], Any] | None = None) -> Step:
    """Asks a question about each agent."""
    shape = Asking(question)

    def step(agents: Sequence[Any]) -> Reading:
        answers = yield [QuestionKey(shape, agent.id) for agent in agents]
        return after(answers, read) if read else answers

    return step


def degree(name: str) -> Step:
    """Counts each agent's relationships: total, inward or outward."""
    read: Callable[[Degrees], int] = attrgetter(name)
    return ask(DEGREES, read)


strength = ask(STRENGTH)
