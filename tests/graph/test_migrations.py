"""Migrations may run again, and from many processes at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from graph.database import Database
from graph.errors import Conflict
from graph.migrations import INDEXES, MIGRATIONS, applied, fill_mentions, migrate
from server.settings import Settings

VERSIONS = [migration.version for migration in MIGRATIONS]


async def indexes(database: Database) -> list[list[str]]:
    return await database.read("indexes", INDEXES)


async def forget_everything(database: Database) -> None:
    """Takes the database back to before its first migration."""
    for kind, text in (("CONSTRAINT", "SHOW CONSTRAINTS YIELD name"), ("INDEX", INDEXES)):
        for name, *_ in await database.read("names", text):
            await database.write("drop", f"DROP {kind} {name} IF EXISTS")
    await database.write("forget", "MATCH (n) DETACH DELETE n")


@pytest.fixture
async def bare(database: Database) -> AsyncIterator[Database]:
    """A database as it is before its first start; other tests find it migrated again."""
    await forget_everything(database)
    yield database
    await forget_everything(database)
    await migrate(database)


async def test_a_migrated_database_is_left_alone(migrated: Database):
    before = await indexes(migrated)
    assert await migrate(migrated) == []
    assert await applied(migrated) == VERSIONS
    assert await indexes(migrated) == before


async def test_many_processes_may_migrate_at_once(bare: Database, migrated: Database):
    assert await indexes(bare) == []
    done = await asyncio.gather(*(migrate(bare) for _ in range(8)))
    assert all(set(each) <= set(VERSIONS) for each in done)
    assert await applied(bare) == VERSIONS
    found = await indexes(bare)
    assert {state for _, state, _ in found} == {"ONLINE"}
    words = [statement.split() for migration in MIGRATIONS for statement in migration.statements]
    made = {each[3] if each[1] in {"FULLTEXT", "RELATIONSHIP"} else each[2] for each in words if each[0] == "CREATE"}
    made -= {each[2] for each in words if each[0] == "DROP"} - {"memory_content", "knowledge_content"}
    assert sorted(name for name, _, _ in found) == sorted({*made, "memory_embedding"})
    recorded = await bare.read(
        "records", "MATCH (n:Migration) RETURN n.version, n.title, n.appliedAt IS NOT NULL ORDER BY n.version"
    )
    assert recorded == [[each.version, each.title, True] for each in MIGRATIONS]


async def test_one_that_was_cut_short_goes_on_where_it_stopped(bare: Database):
    for statement in MIGRATIONS[0].statements[:3]:
        await bare.write("half", statement)
    told: list[str] = []
    assert await migrate(bare, told.append) == VERSIONS
    steps = [f"Migration {each.version}: {each.title}" for each in MIGRATIONS]
    assert told == [*steps, "Indexed embeddings of 1536 numbers"]


async def test_embeddings_of_another_dimension_get_another_index(migrated: Database, settings: Settings):
    url, user, password = settings.database_login()
    dimension = "SHOW VECTOR INDEXES YIELD options RETURN options.indexConfig['vector.dimensions']"
    async with Database.connect(url, user=user, password=password, dimension=384) as other:
        assert await migrate(other) == []
        assert await migrated.read("dimension", dimension) == [[384]]
    await migrate(migrated)
    assert await migrated.read("dimension", dimension) == [[1536]]


async def test_indexes_of_earlier_versions_are_replaced(bare: Database):
    await bare.write("old", "CREATE FULLTEXT INDEX memory_content FOR (n:Memory) ON EACH [n.content]")
    await migrate(bare)
    names = [name for name, _, _ in await indexes(bare)]
    assert "memory_content" not in names
    assert "memory_search" in names


async def test_knowledge_of_earlier_versions_is_found_by_its_words(bare: Database):
    for migration in MIGRATIONS[:5]:
        for statement in migration.statements:
            await bare.write("before", statement)
    await bare.write(
        "knowledge",
        """UNWIND range(1, 2500) AS i
        CREATE (n:Knowledge {id: 'Knowledge:' + i, agentId: 'Agent:1', topicName: 'Tée ' + i, content: '!!!'})
        FOREACH (_ IN CASE i WHEN 7 THEN [1] ELSE [] END | SET n.topicName = '???')""",
    )
    # Several processes may start at the same moment, and a later one finds nothing to do.
    await asyncio.gather(*(migrate(bare) for _ in range(3)))
    await fill_mentions(bare)
    found = await bare.read(
        "mentions",
        "MATCH (n:Knowledge)-[m:MENTIONS]->(n) RETURN m.word = 'tee' AS tee, m.agentId, m.place, count(*) ORDER BY tee",
    )
    assert found == [[False, "Agent:1", 0, 2499], [True, "Agent:1", 0, 2499]]
    together = await bare.read(
        "words", "MATCH (n:Knowledge) WHERE n.id IN ['Knowledge:7', 'Knowledge:8'] RETURN n.words"
    )
    assert together == [[""], [" tee 8"]]

    # As the version before left it: each word by itself alone.
    await bare.write("before", "MATCH (n:Knowledge) REMOVE n.words")
    await fill_mentions(bare)
    filled = "MATCH (n:Knowledge)-[m:MENTIONS]->(n) RETURN count(*), count(DISTINCT n.words)"
    assert await bare.read("filled", filled) == [[4998, 2499]]


async def test_relationships_of_earlier_versions_are_found_from_their_ends(bare: Database):
    for migration in MIGRATIONS[:7]:
        for statement in migration.statements:
            await bare.write("before", statement)
    await bare.write("before", "CREATE INDEX relationship_kind FOR ()-[n:RELATES_TO]-() ON (n.kind)")
    await bare.write(
        "relationships",
        """CREATE (a:Agent {id: 'Agent:a'}), (b:Agent {id: 'Agent:b'})
        WITH a, b UNWIND range(1, 2500) AS i
        CREATE (a)-[:RELATES_TO {id: 'Relationship:' + i, strength: 0.5}]->(b)""",
    )
    await asyncio.gather(*(migrate(bare) for _ in range(3)))
    ends = "MATCH ()-[n:RELATES_TO]->() RETURN DISTINCT n.sourceId, n.targetId"
    assert await bare.read("ends", ends) == [["Agent:a", "Agent:b"]]
    names = [name for name, _, _ in await indexes(bare)]
    assert "relationship_kind" not in names
    assert "relationship_source_strength" in names
    assert "relationship_source" not in names


async def test_what_must_be_unique_is(database: Database):
    for label, name in (("Agent", "id"), ("Agent", "key"), ("Memory", "id"), ("Interaction", "id"),
                        ("Knowledge", "id"), ("Topic", "name")):  # fmt: skip
        create = f"UNWIND [1, 2] AS _ CREATE (:{label} {{{name}: 'same'}})"
        with pytest.raises(Conflict, match="exists already"):
            await database.transact("twice", (create, {}))
    with pytest.raises(Conflict):
        await database.transact(
            "twice", ("UNWIND [1, 2] AS _ CREATE (:Agent)-[:RELATES_TO {id: 'same'}]->(:Agent)", {})
        )
