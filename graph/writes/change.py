"""What one mutation asks for, and what comes of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from graph.checks import shown
from graph.database import DIMENSION, Run
from graph.errors import BadInput, NotFound, SocietyError
from graph.events import Event

T = TypeVar("T")

MOST_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A client's own name for a mutation, and the mark of what it asked for under that name."""

    key: str
    fingerprint: str


@dataclass(slots=True)
class KnownAgent:
    """What changes need to know about an agent that is locked for them."""

    id: str
    key: str
    memory_capacity: int
    learning_rate: float
    memories: int


@dataclass(slots=True)
class Known:
    """The agents, by key, and the keys of the memories' owners, by id, that a transaction has locked."""

    agents: dict[str, KnownAgent]
    owners: dict[str, str]
    max_agents: int
    dimension: int = DIMENSION

    def need_agent(self, key: str, *path: str | int) -> KnownAgent:
        """Gives an agent. Raises NotFound for an unknown key."""
        if agent := self.agents.get(key):
            return agent
        raise NotFound(f"there is no agent {shown(key)}: create it with createAgents first.", *path)

    def need_memory(self, id: str, *path: str | int) -> str:
        """Gives the key of a memory's owner. Raises NotFound for an unknown id."""
        if (owner := self.owners.get(id)) in self.agents:
            return owner
        raise NotFound(f"there is no memory {shown(id)}: it was forgotten, or never was.", *path)


@dataclass(slots=True)
class Outcome:
    """The fields of a mutation's payload, rows of the model among them, and what subscribers are told."""

    result: dict[str, Any]
    events: list[Event] = field(default_factory=list[Event])


Answer = Outcome | SocietyError


class Change:
    """What one mutation asks for, checked as far as it can be without the database.

    A class of changes says how it is read from a client's input, what it touches, and how many of its changes
    are written at once. `merges` says that those that touch the same agent may be written together, in order.
    """

    merges: ClassVar[bool] = False

    shape: Any = None
    request: Request | None = None
    size: int = 1

    @classmethod
    def read(cls, given: Mapping[str, Any], now: datetime) -> Self:
        """Reads an input by the contract's names. Raises BadInput that leads to what is wrong."""
        raise NotImplementedError

    def agents(self) -> Collection[str]:
        """Names by key the agents that it touches."""
        return ()

    def memories(self) -> Collection[str]:
        """Names by id the memories that it touches; their owners are touched with them."""
        return ()

    def check(self, known: Known) -> None:
        """Raises what keeps it from being written."""

    @classmethod
    async def write(cls, run: Run, changes: Sequence[Any], known: Known) -> list[Answer]:
        """Writes changes of this class whose checks have passed; answers them in their order."""
        raise NotImplementedError


def own_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out of an input what every mutation has."""
    return {name: value for name, value in given.items() if name not in {"clientMutationId", "idempotencyKey"}}


def read_items(given: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> list[T]:
    """Reads the items of a list. Raises BadInput with the place of the bad one."""
    items = given[name]
    if len(items) > MOST_ITEMS:
        raise BadInput(f"may have {MOST_ITEMS} items at most, has {len(items)}: send several mutations.", name)
    found: list[T] = []
    for place, item in enumerate(items):
        try:
            found.append(read(item))
        except BadInput as error:
            raise error.within(name, place) from None
    return found


def refuse_repeats(values: Sequence[Any], say: Callable[[int], tuple[str | int, ...]]) -> None:
    """Raises BadInput if a value stands there twice; `say` gives the path to a place."""
    first: dict[Any, int] = {}
    for place, value in enumerate(values):
        if value in first:
            raise BadInput(f"{shown(value)} stands at place {first[value]} already: name it once.", *say(place))
        first[value] = place
