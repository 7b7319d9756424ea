"""An export while others write is what the society was at one moment, and comes back as that."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from graph.database import Database
from graph.errors import SocietyError
from graph.ingest import export
from graph.ingest.export import export_jsonl
from graph.ingest.jsonl import import_jsonl
from graph.model import Memory
from graph.records import Kind
from graph.rows import columns
from graph.writes.agents import CreateAgents, DeleteAgents
from graph.writes.change import Change
from graph.writes.interactions import RecordInteractions
from graph.writes.memories import AddMemories, ForgetMemories
from resolvers.writes import Writes
from tests.conftest import WIPE
from tests.ingest.society import totals

AGENTS = 12
NOW = datetime(2024, 1, 1, tzinfo=UTC)
Files = dict[str, list[dict[str, Any]]]


class Life:
    """Writers whose every mutation keeps what must be so at any moment, and one that lets agents come and go.

    Memories come in pairs, one of each of two agents, in one mutation, and the second is drawn from the first; a
    relationship counts the interactions that there are; who comes brings a friend.
    """

    def __init__(self, database: Database) -> None:
        self.writers = [
            Writes(database, silent, max_agents=10_000, deadline=30.0),
            Writes(database, silent, max_agents=10_000, deadline=30.0),
        ]
        self.written = 0
        self._over = asyncio.Event()

    async def __aenter__(self) -> "Life":
        agents = [{"key": f"a{at:02}", "name": "A", "memoryCapacity": 1_000_000} for at in range(AGENTS)]
        await self.commit(CreateAgents, agents=agents)
        self._tasks = [asyncio.create_task(self._live(seed)) for seed in range(4)]
        self._tasks.append(asyncio.create_task(self._come_and_go()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)
        for each in self.writers:
            await each.close()

    async def commit(self, kind: type[Change], **given: Any) -> dict[str, Any]:
        self.written += 1
        return await self.writers[self.written % 2].commit(kind.read(given, NOW))

    async def _live(self, seed: int) -> None:
        random = Random(seed)
        mine: list[list[str]] = []
        while not self._over.is_set():
            a, b = (f"a{at:02}" for at in random.sample(range(AGENTS), 2))
            pair = f"{seed}-{self.written}"
            made = await self.commit(AddMemories, memories=[memory(a, pair), memory(b, pair, about=[a])])
            mine.append([each.id for each in made["memories"]])
            await self.commit(AddMemories, memories=[memory(b, f"of {pair}", evidence=mine[-1])])
            await self.commit(RecordInteractions, interactions=[{"source": a, "target": b, "kind": "x", "impact": 0.1}])
            if len(mine) > 5:
                await self.commit(ForgetMemories, ids=mine.pop(random.randrange(len(mine))))

    async def _come_and_go(self) -> None:
        turn = 0
        while not self._over.is_set():
            turn += 1
            keys = [f"guest {turn % 3} {each}" for each in ("a", "b")]
            await self.commit(CreateAgents, agents=[{"key": key, "name": "G"} for key in keys])
            meetings = [{"source": keys[0], "target": other, "kind": "x", "impact": 0.1} for other in (keys[1], "a00")]
            await self.commit(RecordInteractions, interactions=meetings)
            await self.commit(AddMemories, memories=[memory("a01", "met a guest", about=keys)])
            await self.commit(DeleteAgents, keys=keys)


def memory(agent: str, content: str, **more: Any) -> dict[str, Any]:
    return {"agent": agent, "content": content, "importance": 0.5, **more}


async def silent(_: Any) -> None:
    pass


def read_files(directory: Path) -> Files:
    return {
        kind.value: [orjson.loads(line) for line in (directory / f"{kind.value}.jsonl").read_bytes().splitlines()]
        for kind in Kind
    }


def find_faults(files: Files) -> list[str]:
    """Says what could not have been so at any moment."""
    keys = {each["key"] for each in files["agents"]}
    ids = {each["id"] for each in files["memories"]}
    named = {each["agent"] for each in files["memories"]} | {
        key
        for kind in ("relationships", "interactions")
        for each in files[kind]
        for key in (each["source"], each["target"])
    }
    faults = [f"nobody is {key}" for key in named - keys]
    for each in files["memories"]:
        faults += [f"about nobody: {key}" for key in each.get("about", ()) if key not in keys]
        faults += [f"drawn from nothing: {id}" for id in each.get("evidence", ()) if id not in ids]
    pairs = Counter(each["content"] for each in files["memories"] if each["content"][0].isdigit())
    faults += [f"half a pair: {content}" for content, count in pairs.items() if count != 2]
    met = Counter((each["source"], each["target"]) for each in files["interactions"])
    counted = {(each["source"], each["target"]): each["interactionCount"] for each in files["relationships"]}
    faults += [f"{pair} met {met[pair]}, say {count}" for pair, count in counted.items() if met[pair] != count]
    guests = Counter(key[:-2] for key in keys if key.startswith("guest"))
    return faults + [f"{guest} is alone" for guest, count in guests.items() if count != 2]


@pytest.fixture
async def life(database: Database) -> AsyncIterator[Life]:
    async with Life(database) as life:
        yield life


async def test_an_export_while_others_write_is_of_one_moment(
    database: Database, life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with asyncio.timeout(60):
        while life.written < 60:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    # So few that some passes are made without holding anybody up.
    monkeypatch.setattr(export, "MOST_HELD", 50)
    met = 0
    for turn in range(20):
        written = life.written
        counts = await export_jsonl(database, tmp_path / str(turn))
        # A writer that met another one's lock waits for a second.
        met += life.written > written
        files = read_files(tmp_path / str(turn))
        assert counts == {name: len(records) for name, records in files.items()}
        assert find_faults(files) == []
        assert counts["memories"] > 10
        if met == 2:
            break
        await asyncio.sleep(0.2)
    assert met == 2, "others wrote meanwhile"


def test_what_was_deleted_while_it_was_read_makes_no_line():
    lost = [None] * len(columns(Memory))
    assert export._readable(Kind.MEMORIES, [*lost, "ada", [], [], None]) == []


async def test_what_was_read_as_it_came_would_be_no_moment(database: Database, life: Life):
    """The check notices what it is for: plain reads, one after another, while others write."""
    found: list[str] = []
    async with asyncio.timeout(60):
        while not found:
            files: Files = {}
            for kind in Kind:
                rows = [row async for row in database.stream("export", export.query(kind))]
                try:
                    files[kind.value] = [orjson.loads(export._line(kind, row)[1]) for row in rows]
                except TypeError:
                    # It was deleted while it was read.
                    return
            found = find_faults(files)


async def test_what_was_exported_meanwhile_comes_back(database: Database, tmp_path: Path):
    async with Life(database) as life:
        await asyncio.sleep(1)
        counts = await export_jsonl(database, tmp_path / "one")
        assert life.written
    await database.write("wipe", WIPE)
    assert await import_jsonl(database, tmp_path / "one", max_agents=1000) == counts
    assert await totals(database) == counts
    await export_jsonl(database, tmp_path / "two")
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")


async def test_writers_are_not_told_of_an_export(database: Database, tmp_path: Path):
    async with Life(database) as life:
        failures: list[SocietyError] = []
        for turn in range(2):
            try:
                await export_jsonl(database, tmp_path / str(turn))
            except SocietyError as error:
                failures.append(error)
        assert failures == []
        assert life.written
