"""Questions about single agents and the whole society, each answered by one query for any number of keys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graph.database import Database, Row


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A query over `$keys`, each with its place `i`, an agent's `id` and for some questions an `other`.

    It returns a key's place and the values that `read` makes an answer of; keys without a row get `nothing`.
    """

    name: str
    text: str
    read: Callable[[Row], Any]
    nothing: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """A question with the parameters that all keys share."""

    question: Question
    parameters: tuple[tuple[str, Any], ...] = ()

    @property
    def lane(self) -> str:
        return self.question.name


@dataclass(frozen=True, slots=True)
class QuestionKey:
    """Whom a question is asked about; `other` is another agent's key, or the ids of several agents."""

    shape: Asking
    id: str = ""
    other: str | tuple[str, ...] = ""


async def fetch_answers(database: Database, shape: Asking, keys: Sequence[QuestionKey], deadline: float) -> list[Any]:
    """Answers a question for each key, in their order."""
    question = shape.question
    parameters = {
        "keys": [{"i": i, "id": key.id, "other": key.other} for i, key in enumerate(keys)],
        **dict(shape.parameters),
    }
    records = await database.read(question.name, question.text, parameters, deadline=deadline)
    found = {place: question.read(values) for place, *values in records}
    return [found[i] if i in found else question.nothing() for i in range(len(keys))]
