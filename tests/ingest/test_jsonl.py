"""What is exported can be imported; what is wrong is told by file and line; nothing is ever half there."""

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from graph.database import Database
from graph.errors import BadInput, Conflict
from graph.ingest import jsonl
from graph.ingest.export import export_jsonl
from graph.ingest.jsonl import import_jsonl
from graph.ingest.synthetic import seed_society
from tests.conftest import WIPE

from .society import EMBEDDING, FILES, RAIN, SNOW, contents, is_empty, totals, write_files


async def test_a_society_comes_back_byte_for_byte(database: Database, tmp_path: Path) -> None:
    assert await import_jsonl(database, write_files(tmp_path / "in"), max_agents=2) == {
        "agents": 2, "memories": 2, "relationships": 1, "interactions": 1, "knowledge": 1
    }  # fmt: skip
    await export_jsonl(database, tmp_path / "one")
    await database.write("wipe", WIPE)
    await import_jsonl(database, tmp_path / "one", max_agents=2)
    await export_jsonl(database, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert orjson.loads((tmp_path / "two/manifest.json").read_bytes()) == {
        "format": "ecs-society",
        "version": 1,
        "counts": {"agents": 2, "memories": 2, "relationships": 1, "interactions": 1, "knowledge": 1},
    }


async def test_what_is_exported_is_what_was_imported(database: Database, tmp_path: Path) -> None:
    await import_jsonl(database, write_files(tmp_path / "in"), max_agents=2)
    await export_jsonl(database, tmp_path / "out")
    for kind, lines in FILES.items():
        exported = list(map(orjson.loads, (tmp_path / f"out/{kind.value}.jsonl").read_bytes().splitlines()))
        for given in lines:
            apart = {name for name in given if name.endswith("At")} | {"persona"}
            assert any(
                all(found.get(name) == value for name, value in given.items() if name not in apart)
                for found in exported
            )
    rain, snow = map(orjson.loads, (tmp_path / "out/memories.jsonl").read_bytes().splitlines())
    assert (rain["id"], rain["createdAt"], rain["importance"]) == (RAIN, "1969-07-20T20:17:40.500000Z", 1 / 3)
    assert (snow["evidence"], snow["about"], snow["embedding"]) == ([RAIN], ["bo"], EMBEDDING)
    ada, bo = map(orjson.loads, (tmp_path / "out/agents.jsonl").read_bytes().splitlines())
    assert ada["persona"] == {"summary": "Curious.", "traits": [], "extra": {"b": [1, None, 0.1], "a": {}}}
    (tie,) = map(orjson.loads, (tmp_path / "out/relationships.jsonl").read_bytes().splitlines())
    assert (bo["energyAt"], tie["strengthAt"]) == ("2024-03-01T00:00:00.000001Z", "2024-03-01T00:00:00Z")
    assert "energyAt" not in ada


async def test_the_graph_is_stored_as_the_readers_expect(database: Database, tmp_path: Path) -> None:
    await import_jsonl(database, write_files(tmp_path / "in"), max_agents=2)
    rows = await database.read(
        "check",
        """
        MATCH (a:Agent {key: 'ada'})-[:REMEMBERS]->(m:Memory)-[:ABOUT]->(b:Agent), (m)-[:EVIDENCE]->(e:Memory)
        MATCH (a)-[r:RELATES_TO]->(b)-[:INITIATED]->(i:Interaction)-[:TOWARD]->(a)
        MATCH (b)-[:LEARNED]->(k:Knowledge)-[:ON]->(t:Topic)
        RETURN m.agentId = a.id, i.sourceId = b.id, i.targetId = a.id, k.agentId = b.id, k.topicName = t.name,
          m.kind, valueType(m.createdAt), valueType(m.embedding), e.id, valueType(r.lastInteractionAt),
          m.accessCount, toString(b.createdAt), valueType(b.personaSummary), a.personaExtra
        """,
    )
    assert rows == [[
        True, True, True, True, True, "EVENT", "ZONED DATETIME NOT NULL", "LIST<FLOAT NOT NULL> NOT NULL", RAIN,
        "ZONED DATETIME NOT NULL", 0, "2024-01-01T00:00:00.000001Z", "NULL", '{"b":[1,null,0.1],"a":{}}',
    ]]  # fmt: skip


async def test_importing_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    write_files(tmp_path / "in")
    await import_jsonl(database, tmp_path / "in", max_agents=2)
    await export_jsonl(database, tmp_path / "one")
    assert set((await import_jsonl(database, tmp_path / "in", max_agents=2)).values()) == {0}
    await export_jsonl(database, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


async def test_a_seeded_society_comes_back_byte_for_byte(database: Database, tmp_path: Path) -> None:
    await seed_society(database, agents=100, memories=10, relationships=5, knowledge=1, seed=3, max_agents=100)
    counts = await export_jsonl(database, tmp_path / "one")
    assert counts["memories"] == 1000
    await database.write("wipe", WIPE)
    assert await import_jsonl(database, tmp_path / "one", max_agents=100) == counts
    await export_jsonl(database, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


async def test_all_bad_lines_are_told_and_nothing_is_written(database: Database, tmp_path: Path) -> None:
    unknown = "Memory:" + "9" * 32
    directory = write_files(
        tmp_path,
        agents=[{"key": "ada", "name": "Ada"}, {"key": "ada", "name": "Ada"}, "{"],
        memories=[
            {"id": RAIN, "agent": "ada", "content": "Rain.", "importance": 1.5},
            "",
            {"id": SNOW, "agent": "eve", "content": "Snow.", "about": ["ada", "mallory"], "evidence": [unknown]},
            {"id": SNOW, "agent": "ada", "content": "Snow."},
        ],
        relationships=[{"source": "ada", "target": "bo", "strength": 1}] * 2,
        interactions=[{"source": "ada", "target": "ada", "kind": "chat", "impact": 0}],
        knowledge=[],
    )
    with pytest.raises(BadInput) as caught:
        await import_jsonl(database, directory, max_agents=10)
    first, second = "stands on an earlier line already", "neither here nor in the database"
    agent = re.search(r"Agent:\w+", caught.value.message)
    relationship = re.search(r"Relationship:\w+", caught.value.message)
    assert agent
    assert relationship
    assert caught.value.message.splitlines() == [
        f"agents.jsonl:2: id: {agent[0]} {first}",
        f"agents.jsonl:2: key: ada {first}",
        "agents.jsonl:3: is not JSON: unexpected end of data at column 2"
        if "unexpected end of data" in caught.value.message
        else next(line for line in caught.value.message.splitlines() if line.startswith("agents.jsonl:3: is not JSON")),
        "memories.jsonl:1: importance: must lie in [0, 1], is 1.5",
        f"memories.jsonl:4: id: {SNOW} {first}",
        f"relationships.jsonl:2: id: {relationship[0]} {first}",
        "relationships.jsonl:2: target: ada relates to bo on an earlier line",
        "interactions.jsonl:1: target: is the source itself, 'ada'",
        f"memories.jsonl:3: agent: there is no agent eve, {second}",
        f"memories.jsonl:3: about: there is no agent mallory, {second}",
        f"relationships.jsonl:1: target: there is no agent bo, {second}",
        f"memories.jsonl:3: evidence: there is no {unknown}, {second}",
    ]
    assert await is_empty(database)


async def test_no_more_than_twenty_bad_lines_are_told(database: Database, tmp_path: Path) -> None:
    directory = write_files(tmp_path, memories=[{"agent": "ada", "content": ""}] * 50)
    with pytest.raises(BadInput) as caught:
        await import_jsonl(database, directory, max_agents=10)
    assert len(caught.value.message.splitlines()) == 20


async def test_records_may_speak_of_what_the_database_holds(database: Database, tmp_path: Path) -> None:
    await import_jsonl(database, write_files(tmp_path / "one"), max_agents=2)
    more = tmp_path / "two"
    more.mkdir()
    line = {"agent": "bo", "content": "More snow.", "evidence": [SNOW], "about": ["ada"]}
    (more / "memories.jsonl").write_bytes(orjson.dumps(line))
    created = await import_jsonl(database, more, max_agents=2)
    assert created == {"agents": 0, "memories": 1, "relationships": 0, "interactions": 0, "knowledge": 0}


async def test_too_many_agents_are_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 agents exist and 2 would be added, but there may be 1 at most"):
        await import_jsonl(database, write_files(tmp_path), max_agents=1)
    assert await is_empty(database)


async def test_a_conflict_midway_takes_back_what_was_written(database: Database, tmp_path: Path) -> None:
    id = "Relationship:" + "7" * 32
    directory = write_files(tmp_path / "a", relationships=[{"id": id, "source": "ada", "target": "bo", "strength": 1}])
    await import_jsonl(database, directory, max_agents=10)
    before = await totals(database)
    agents = [{"key": key, "name": key} for key in ("cy", "dee")]
    other = write_files(
        tmp_path / "b",
        agents=agents,
        memories=[{"agent": "cy", "content": "Hail.", "about": ["ada"]}],
        # The same id between others.
        relationships=[{"id": id, "source": "cy", "target": "dee", "strength": 1}],
        interactions=[],
        knowledge=[],
    )
    with pytest.raises(Conflict, match=r"exists already\. What had been written was removed again\."):
        await import_jsonl(database, other, max_agents=10)
    assert await totals(database) == before


async def test_an_interrupted_import_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    await seed_society(database, agents=100, memories=60, relationships=1, knowledge=1, seed=1, max_agents=100)
    await export_jsonl(database, tmp_path)
    await database.write("wipe", WIPE)
    seen: list[str] = []

    def interrupt(kind: str, _done: int, _total: int | None) -> None:
        seen.append(kind)
        if kind in ("memories", "knowledge"):
            importing.cancel()

    importing = asyncio.create_task(import_jsonl(database, tmp_path, max_agents=100, progress=interrupt))
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert "agents" in seen
    assert "memories" in seen
    assert await is_empty(database)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"format": "ecs-society", "version": 2, "counts": {}}, "is not version 1 of ecs-society"),
        ({"format": "ecs-society", "version": 1, "counts": {"memories": 3}}, "has 2 records, but manifest.json says 3"),
        ([], "is no manifest of ecs-society"),
        ("no", "is no manifest of ecs-society"),
    ],
)
async def test_a_manifest_that_does_not_fit_is_refused(
    database: Database, tmp_path: Path, manifest: Any, message: str
) -> None:
    write_files(tmp_path)
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(manifest))
    with pytest.raises(BadInput, match=message):
        await import_jsonl(database, tmp_path, max_agents=10)
    assert await is_empty(database)


async def test_a_directory_without_files_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds none of agents\.jsonl"):
        await import_jsonl(database, tmp_path, max_agents=10)
    with pytest.raises(BadInput, match="is no directory"):
        await import_jsonl(database, tmp_path / "nowhere", max_agents=10)


async def test_an_export_overwrites_only_when_told_to(database: Database, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="is not empty"):
        await export_jsonl(database, tmp_path)
    await export_jsonl(database, tmp_path, overwrite=True)
    assert set(contents(tmp_path)) == {
        "notes.txt", "manifest.json", "agents.jsonl", "memories.jsonl", "relationships.jsonl", "interactions.jsonl",
        "knowledge.jsonl",
    }  # fmt: skip


async def test_an_interrupted_export_leaves_no_file_that_an_import_takes(database: Database, tmp_path: Path) -> None:
    await import_jsonl(database, write_files(tmp_path / "in"), max_agents=2)

    def interrupt(kind: str, _done: int, _total: int | None) -> None:
        if kind == "relationships":
            raise KeyError(kind)

    with pytest.raises(KeyError):
        await export_jsonl(database, tmp_path / "out", progress=interrupt)
    assert contents(tmp_path / "out") == {}


def test_the_files_are_named_after_the_kinds() -> None:
    assert [jsonl.file_of(Path("x"), kind).name for kind in FILES] == [
        "agents.jsonl", "memories.jsonl", "relationships.jsonl", "interactions.jsonl", "knowledge.jsonl"
    ]  # fmt: skip
