"""What a write changes is closed while it is being changed, but always before its commit."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from graph.database import Database, Run, collect
from graph.epoch import read_epoch
from graph.errors import BadInput, Unavailable
from graph.writes.change import Announce, Part, Touched
from resolvers.closing import Transactions
from resolvers.journal import Journal
from tests.workers import Worker

RENAME = "MATCH (a:Agent {key: 'a0'}) SET a.name = $name RETURN collect(a.name)"
NAME = "MATCH (a:Agent {key: 'a0'}) RETURN a.name"
SELF = {("Agent:0", "a0"): {Part.SELF}}


class Held:
    """A journal that closes nothing until it is let, and says what happened in which order."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.let = asyncio.Event()
        self.happened: list[str] = []
        self.refuses = False

    async def close(self, tags: Collection[str], holder: str, lease: float) -> None:
        self.happened.append("asked")
        await self.let.wait()
        if self.refuses:
            raise Unavailable("Redis does not answer.")
        await self._journal.close(tags, holder, lease)
        self.happened.append("closed")

    async def open(self, tags: Collection[str], holder: str) -> None:
        await self._journal.open(tags, holder)
        self.happened.append("opened")


@pytest.fixture
async def held(workers: list[Worker]) -> Held:
    await workers[0].trust()
    return Held(workers[0].journal)


@pytest.fixture
def transactions(migrated: Database, workers: list[Worker], held: Held) -> Transactions:
    return Transactions(migrated, held, workers[0].epoch)  # pyright: ignore[reportArgumentType]


async def name_of(database: Database) -> Any:
    ((name,),) = await database.read("name", NAME)
    return name


async def test_a_commit_waits_until_redis_has_heard(migrated: Database, transactions: Transactions, held: Held):
    changed = asyncio.Event()

    async def work(run: Run, announce: Announce) -> str:
        await announce(run, Touched(dict(SELF)))
        (name,) = await collect(run, RENAME, name="new")
        changed.set()
        return name

    async def after(name: str) -> None:
        held.happened.append(f"told of {name}")

    writing = asyncio.create_task(transactions.transact("rename", work, 5.0, after))
    await asyncio.wait_for(changed.wait(), 10)
    await asyncio.sleep(0.1)
    assert held.happened == ["asked"]
    assert await name_of(migrated) == "0", "it is changed, but not committed"
    held.let.set()
    assert await asyncio.wait_for(writing, 10) == "new"
    assert await name_of(migrated) == "new"
    assert held.happened[:2] == ["asked", "closed"]
    assert set(held.happened[2:]) == {"opened", "told of new"}


async def test_what_fails_is_opened_only_after_it_is_closed(migrated: Database, transactions: Transactions, held: Held):
    async def work(run: Run, announce: Announce) -> None:
        await announce(run, Touched(dict(SELF)))
        await run(RENAME, {"name": "new"})
        asyncio.get_running_loop().call_later(0.1, held.let.set)
        raise BadInput("no")

    with pytest.raises(BadInput):
        await transactions.transact("rename", work, 5.0)
    assert held.happened == ["asked", "closed", "opened"]
    assert await name_of(migrated) == "0"


async def test_who_cannot_close_closes_the_epoch_with_the_commit(
    migrated: Database, workers: list[Worker], transactions: Transactions, held: Held
):
    before = await read_epoch(migrated, deadline=5.0)
    held.refuses = True
    held.let.set()

    async def work(run: Run, announce: Announce) -> None:
        await announce(run, Touched(dict(SELF)))
        await run(RENAME, {"name": "new"})

    await transactions.transact("rename", work, 5.0)
    assert await name_of(migrated) == "new"
    assert await read_epoch(migrated, deadline=5.0) != before
    assert workers[0].epoch.value != before or not workers[0].epoch.trusted, "what was cached before counts no more"
