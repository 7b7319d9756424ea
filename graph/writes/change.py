"""What one mutation asks for, and what comes of it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Protocol, Self, TypeVar

from graph.checks import shown
from graph.database import DIMENSION, Database, Run
from graph.errors import BadInput, Conflict, NotFound, SocietyError
from graph.events import Event

T = TypeVar("T")

MOST_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A client's own name for a mutation, and the mark of what it asked for under that name."""

    key: str
    fingerprint: str


class Part(Enum):
    """What belongs to an agent and changes together."""

    SELF = "self"
    MEMORIES = "memories"
    RELATIONSHIPS = "relationships"
    INTERACTIONS = "interactions"
    KNOWLEDGE = "knowledge"

    def __init__(self, value: str) -> None:
        # A plain attribute: an enum's value is a call.
        self.ending = f":{value}"

    # So is its hash, which sets and dictionaries of parts ask for all the time.
    __hash__ = object.__hash__


@dataclass(slots=True)
class Touched:
    """Which parts of which agents a transaction may change; `all` stands for whatever there is.

    `newcomers` says that there may be agents afterwards that were not there before.
    """

    parts: dict[tuple[str, str], set[Part]] = field(default_factory=dict[tuple[str, str], set[Part]])
    newcomers: bool = False
    all: bool = False

    def add(self, id: str, key: str, parts: Iterable[Part]) -> None:
        self.parts.setdefault((id, key), set()).update(parts)


# Is told in the transaction, before anything is changed, what may be.
Announce = Callable[[Run, Touched], Awaitable[None]]


async def tell_nobody(_run: Run, _touched: Touched) -> None:
    """Is for those who cache nothing."""


# What a transaction does, and what is to be done with its result after the commit.
Work = Callable[[Run, Announce], Awaitable[T]]
After = Callable[[T], Awaitable[None]]


class Transact(Protocol):
    """Runs a transaction, by name and with a deadline in seconds, and gives its result when all is done."""

    async def __call__(self, name: str, work: Work[T], deadline: float, after: After[T] | None = None) -> T: ...


def transacting(database: Database) -> Transact:
    """Runs transactions that tell nobody what they change."""

    async def transact(name: str, work: Work[T], deadline: float, after: After[T] | None = None) -> T:
        done = await database.transaction(name, lambda run: work(run, tell_nobody), deadline=deadline)
        if after:
            await after(done)
        return done

    return transact


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


class Unreached(Conflict):
    """A change was not written, because one failed without which it is not to be."""


class Change:
    """What one mutation asks for, checked as far as it can be without the database.

    A class of changes says how it is read from a client's input, what it touches, and how many of its changes
    are written at once. `merges` says that those that touch the same agent may be written together, in order.
    `parts` are what of its agents it may change; `spreads` says that it changes the relationships and interactions of
    those who are tied to them as well. `creates` says that it may bring agents into being, and `leads` that whatever
    else is done to its agents depends on it.
    """

    merges: ClassVar[bool] = False
    parts: ClassVar[frozenset[Part]] = frozenset(Part)
    spreads: ClassVar[bool] = False
    creates: ClassVar[bool] = False
    leads: ClassVar[bool] = False

    shape: Any = None
    request: Request | None = None
    size: int = 1
    # The change of the same operation without which it is not to be written.
    after: "Change | None" = None

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

    def texts(self) -> Collection[str]:
        """Names the texts that it remembers without embeddings of their own."""
        return ()

    def embed(self, embeddings: Mapping[str, list[float]]) -> None:
        """Takes the embeddings of its texts, by text, so far as there are any."""

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
