"""Group commit: mutations in flight together share a transaction, and each is acknowledged after its commit."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from operator import attrgetter
from typing import Any
from uuid import uuid4

from graph.advance import AdvanceResult, System, advance
from graph.database import Database, Run
from graph.errors import SocietyError
from graph.events import Event, EventKind
from graph.writes.change import Announce, Answer, Change, Transact, transacting
from graph.writes.group import write_group
from resolvers.lanes import OF_NO_KEY, Lane

# Rows in one transaction; a larger change has one of its own.
LARGEST = 1000
# Seconds that a transaction should take at most, so that nobody waits long for the next one.
PACE = 1.0
# While the database works on one transaction, another is made of what touches other agents, if it is enough.
IN_FLIGHT = 2
# Rows that are enough: more than of reads, because a commit costs the same whatever it commits.
FEWEST = 32

Publish = Callable[[Sequence[Event]], Awaitable[None]]
# Gives the embeddings of texts, by text, so far as there are any.
Embed = Callable[[Collection[str]], Awaitable[Mapping[str, list[float]]]]


@dataclass(slots=True, eq=False)
class Unit:
    """Changes of one operation, which share a transaction; none is written after one that fails."""

    changes: Sequence[Change]
    size: int
    touched: set[str]
    shape: Any = None

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "Unit":
        for before, change in zip([None, *changes], changes, strict=False):
            change.after = before
        touched = {name for change in changes for name in chain(change.agents(), change.memories())}
        return cls(changes, sum(change.size for change in changes), touched)


class Writes:
    """Writes changes. While a transaction runs, whatever arrives waits for the next one and shares it.

    When a transaction fails for what one change may have brought, it is repeated in halves, so that only the
    bad ones fail. Transactions that run at once touch different agents, so that changes of the same ones are written
    in the order of their arrival.
    `observe` is told how many changes share each. With `embed`, what is remembered is stored with its meaning.
    """

    def __init__(
        self,
        database: Database,
        publish: Publish,
        *,
        max_agents: int,
        deadline: float,
        largest: int = LARGEST,
        in_flight: int = IN_FLIGHT,
        transact: Transact | None = None,
        observe: Callable[[int], None] | None = None,
        embed: Embed | None = None,
    ) -> None:
        self._database = database
        self._transact = transact or transacting(database)
        self._publish = publish
        self._max_agents = max_agents
        self._deadline = deadline
        self._observe = observe
        self._embed = embed
        self._lane = Lane(
            self._write,
            in_flight,
            largest,
            weigh=attrgetter("size"),
            pace=PACE,
            fewest=FEWEST,
            touches=attrgetter("touched"),
            # Whoever waits for the database in a transaction holds locks.
            gradually=True,
        )

    async def commit(self, change: Change) -> dict[str, Any]:
        """Writes a change and returns its payload's fields, once they are in the database to stay."""
        (found,) = await self.commit_all([change])
        if isinstance(found, SocietyError):
            raise found
        return found

    async def commit_all(self, changes: Sequence[Change]) -> list[dict[str, Any] | SocietyError]:
        """Writes changes of one operation in one transaction, as if one after another until one fails.

        Gives the payload's fields of each up to that one, whose error comes last. Raises what none of them is at
        fault for.
        """
        if self._embed and (texts := {text for change in changes for text in change.texts()}):
            # Before they wait for their transaction, so that nobody else's waits for the model.
            embeddings = await self._embed(texts)
            for change in changes:
                change.embed(embeddings)
        try:
            answers = await self._lane.add(Unit.of(changes))
        except Exception as error:
            if len(changes) == 1 or isinstance(error, OF_NO_KEY):
                raise
            # Those before the one at fault are written all the same.
            answers = await self._commit_singly(changes)
        found: list[dict[str, Any] | SocietyError] = []
        for answer in answers:
            if isinstance(answer, SocietyError):
                return [*found, answer]
            found.append(answer.result)
        return found

    async def _commit_singly(self, changes: Sequence[Change]) -> list[Answer]:
        answers: list[Answer] = []
        for change in changes:
            try:
                answers += await self._lane.add(Unit.of([change]))
            except SocietyError as error:
                answers.append(error)
            if isinstance(answers[-1], SocietyError):
                break
        return answers

    async def _write(self, _: Any, units: Sequence[Unit]) -> list[list[Answer]]:
        changes = [change for unit in units for change in unit.changes]

        async def work(run: Run, announce: Announce) -> list[Answer]:
            return await write_group(
                run,
                changes,
                max_agents=self._max_agents,
                dimension=self._database.dimension,
                announce=announce,
            )

        if self._observe:
            self._observe(len(changes))
        answers = iter(await self._transact("write", work, self._deadline, self._tell))
        return [list(islice(answers, len(unit.changes))) for unit in units]

    async def _tell(self, answers: Sequence[Answer]) -> None:
        events = [event for answer in answers if not isinstance(answer, SocietyError) for event in answer.events]
        if events:
            await self._publish(events)

    async def advance(
        self, key: str | None, *, by: timedelta, agents: Collection[str] | None, systems: Collection[System]
    ) -> AdvanceResult:
        """Lets time go by for agents or for all; subscribers are told how far it is."""

        async def tell(done: float) -> None:
            event = Event(kind=EventKind.ADVANCE_PROGRESS, at=datetime.now(UTC), agents={}, progress=done)
            await self._publish([event])

        seconds = by.total_seconds()
        return await advance(
            self._database,
            key=key or uuid4().hex,
            agents=agents,
            by=seconds,
            systems=systems,
            progress=tell,
            transact=self._transact,
        )

    async def close(self) -> None:
        """Ends the transaction that still runs; whoever waits for one is told."""
        await self._lane.close()
