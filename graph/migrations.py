"""The graph's constraints and indexes, brought up to date step by step.

Each step has a number; those done are recorded as (:Migration {version}). Every statement is idempotent, so
that processes which start at the same moment may run the same step: one that loses a race tries again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from graph.database import Database, Run
from graph.errors import Conflict, Internal, Unavailable
from graph.mentions import mentions
from graph.tables import write_mentions

FILLED_AT_ONCE = 1000
LOCK = "MATCH (m:Migration {version: 1}) SET m._lock = 0"
UNMENTIONED = """
MATCH (n:Knowledge) USING INDEX SEEK n:Knowledge(id) WHERE n.id > $after AND n.words IS NULL
RETURN n.id, n.topicName, n.content ORDER BY n.id LIMIT $most
"""
MENTION = f"""
UNWIND $rows AS r
MATCH (n:Knowledge {{id: r[0]}})
CALL (n) {{ MATCH (n)-[m:MENTIONS]->() DELETE m }}
{write_mentions("r[1]")}
"""
NAME_ENDS = """
MATCH (a:Agent)-[n:RELATES_TO]->(b:Agent) USING INDEX SEEK n:RELATES_TO(id) WHERE n.id > $after
WITH a, n, b ORDER BY n.id LIMIT $most
SET n.sourceId = a.id, n.targetId = b.id
WITH collect(n.id) AS ids
RETURN CASE WHEN size(ids) = $most THEN ids[-1] END
"""


@dataclass(frozen=True)
class Migration:
    """A step: statements, and then what fills in for data of earlier versions; both may run again."""

    version: int
    title: str
    statements: tuple[str, ...]
    fill: Callable[[Database], Awaitable[None]] | None = None


def unique(label: str, property: str) -> str:
    return f"CREATE CONSTRAINT {label.lower()}_{property} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{property} IS UNIQUE"


def index(name: str, label: str, *properties: str) -> str:
    return f"CREATE INDEX {name} IF NOT EXISTS FOR (n:{label}) ON ({', '.join(f'n.{each}' for each in properties)})"


def full_text(name: str, label: str) -> str:
    """An index that follows commits in the background: to wait for it took half the time of a small write."""
    options = "OPTIONS {indexConfig: {`fulltext.eventually_consistent`: true}}"
    return f"CREATE FULLTEXT INDEX {name} IF NOT EXISTS FOR (n:{label}) ON EACH [n.content] {options}"


def memory_search(analyzer: str = "english") -> str:
    """An index of memories' words, stemmed, and of whose they are: a search of one agent's costs what those cost."""
    options = f"OPTIONS {{indexConfig: {{`fulltext.analyzer`: '{analyzer}', `fulltext.eventually_consistent`: true}}}}"
    return f"CREATE FULLTEXT INDEX memory_search IF NOT EXISTS FOR (n:Memory) ON EACH [n.content, n.agentId] {options}"


def without(index: str) -> str:
    return f"DROP INDEX {index} IF EXISTS"


def relationship_index(name: str, *properties: str, type: str = "RELATES_TO") -> str:
    listed = ", ".join(f"n.{each}" for each in properties)
    return f"CREATE INDEX {name} IF NOT EXISTS FOR ()-[n:{type}]-() ON ({listed})"


async def fill_mentions(database: Database) -> None:
    """Writes the words of knowledge that has none, one process at a time."""
    after: str | None = ""
    while after is not None:
        after = await database.transaction("mention", partial(fill_some, after=after), deadline=300)


async def fill_some(run: Run, after: str) -> str | None:
    """Writes the words of some knowledge whose ids come after one; gives the last id, None at the end."""
    await run(LOCK, {})
    rows = await run(UNMENTIONED, {"after": after, "most": FILLED_AT_ONCE})
    await run(MENTION, {"rows": [(id, mentions(topic, content)) for id, topic, content in rows]})
    return rows[-1][0] if rows else None


async def fill_ends(database: Database) -> None:
    """Writes into relationships between whom they are, which earlier versions left out."""
    after: str | None = ""
    while after is not None:
        (((after,),),) = await database.transact("ends", (NAME_ENDS, {"after": after, "most": FILLED_AT_ONCE}))


MIGRATIONS = (
    Migration(
        1,
        "ids, keys and topic names are unique",
        (
            unique("Migration", "version"),
            unique("Agent", "id"),
            unique("Agent", "key"),
            unique("Memory", "id"),
            unique("Interaction", "id"),
            unique("Knowledge", "id"),
            unique("Topic", "name"),
            "CREATE CONSTRAINT relates_to_id IF NOT EXISTS FOR ()-[n:RELATES_TO]-() REQUIRE n.id IS UNIQUE",
        ),
    ),
    Migration(
        2,
        "lists come from an index in their order",
        (
            index("agent_name", "Agent", "name", "id"),
            index("agent_social_energy", "Agent", "socialEnergy", "id"),
            index("agent_created_at", "Agent", "createdAt", "id"),
            index("memory_importance", "Memory", "agentId", "importance", "id"),
            index("memory_created_at", "Memory", "agentId", "createdAt", "id"),
            index("memory_accessed_at", "Memory", "agentId", "accessedAt", "id"),
            index("interaction_source", "Interaction", "sourceId", "at", "id"),
            index("interaction_target", "Interaction", "targetId", "at", "id"),
            index("knowledge_topic", "Knowledge", "agentId", "topicName", "id"),
            index("knowledge_confidence", "Knowledge", "agentId", "confidence", "id"),
            index("knowledge_learned_at", "Knowledge", "agentId", "learnedAt", "id"),
        ),
    ),
    Migration(
        3,
        "contents can be searched",
        (full_text("memory_text", "Memory"), full_text("knowledge_text", "Knowledge")),
    ),
    Migration(
        4,
        "a mutation that is sent again is known",
        (
            unique("Request", "key"),
            unique("Advance", "key"),
            unique("AdvanceChunk", "id"),
            index("request_at", "Request", "at"),
            index("advance_at", "Advance", "at"),
        ),
    ),
    Migration(
        5,
        "contents are indexed in the background",
        (
            # As earlier versions made them, each commit waited for these.
            without("memory_content"),
            without("knowledge_content"),
            full_text("memory_text", "Memory"),
            full_text("knowledge_text", "Knowledge"),
        ),
    ),
    Migration(
        6,
        "memories are found by their words, knowledge by how its words begin",
        (
            without("memory_text"),
            without("knowledge_text"),
            memory_search(),
            relationship_index("mention_word", "word", "place", "item", type="MENTIONS"),
            relationship_index("mention_agent_word", "agentId", "word", "place", "item", type="MENTIONS"),
        ),
        fill_mentions,
    ),
    Migration(7, "knowledge has its words together, for those who look for several", (), fill_mentions),
    Migration(
        8,
        "relationships come from an index in the order of their strength",
        (
            without("relationship_strength"),
            without("relationship_kind"),
            relationship_index("relationship_source", "sourceId", "strength", "id"),
        ),
        fill_ends,
    ),
    Migration(
        9,
        "the index of relationships has towards whom they are",
        (
            relationship_index("relationship_source_strength", "sourceId", "strength", "targetId"),
            without("relationship_source"),
        ),
    ),
)

# The SEARCH that uses it and its further property belong to the younger language.
EMBEDDINGS = """CYPHER 25
CREATE VECTOR INDEX memory_embedding IF NOT EXISTS FOR (n:Memory) ON (n.embedding) WITH [n.agentId]
OPTIONS {{indexConfig: {{`vector.dimensions`: {dimension}, `vector.similarity_function`: 'cosine'}}}}"""
EMBEDDED = """
SHOW VECTOR INDEXES YIELD name, options WHERE name = 'memory_embedding'
RETURN options.indexConfig['vector.dimensions']
"""
DONE = "MATCH (n:Migration) WHERE n.version > 0 RETURN n.version ORDER BY n.version"
RECORD = "MERGE (n:Migration {version: $version}) ON CREATE SET n.title = $title, n.appliedAt = datetime()"
AWAIT_INDEXES = "CALL db.awaitIndexes(300)"
INDEXES = "SHOW INDEXES YIELD name, state, type WHERE type <> 'LOOKUP' RETURN name, state, type ORDER BY name"


async def applied(database: Database) -> list[int]:
    """Lists the versions that the database has."""
    return [version for (version,) in await database.read("migrations", DONE)]


async def _change(database: Database, statement: str, attempts: int = 5) -> None:
    for attempt in range(attempts):
        try:
            await database.write("migration", statement, deadline=300)
        except (Conflict, Unavailable, Internal):
            # Another process may have been changing the schema at the same moment.
            if attempt == attempts - 1:
                raise
            await asyncio.sleep(0.2 * 2**attempt * (1 + random.random()))  # noqa: S311
        else:
            return


async def migrate(database: Database, progress: Callable[[str], None] = lambda _: None) -> list[int]:
    """Brings the database up to date and waits until its indexes answer; returns the versions applied."""
    done = set(await applied(database))
    pending = [migration for migration in MIGRATIONS if migration.version not in done]
    for migration in pending:
        progress(f"Migration {migration.version}: {migration.title}")
        for statement in migration.statements:
            await _change(database, statement)
        if migration.fill:
            await migration.fill(database)
        await database.transact("migration", (RECORD, {"version": migration.version, "title": migration.title}))
    changed = await index_embeddings(database, progress)
    if pending or changed:
        await database.write("migrations", AWAIT_INDEXES, deadline=310)
    return [migration.version for migration in pending]


async def index_embeddings(database: Database, progress: Callable[[str], None]) -> bool:
    """Makes the index of memories' embeddings, anew if they have another dimension by now; says whether it did.

    A server that has no such index does without: memories are recalled by their words there.
    """
    try:
        found = await database.read("vector index", EMBEDDED)
        if found == [[database.dimension]]:
            return False
        if found:
            await _change(database, without("memory_embedding"))
        await _change(database, EMBEDDINGS.format(dimension=database.dimension))
    except Internal as error:
        progress(f"Going on without an index of embeddings, which this server does not have: {error.message[:200]}")
        return False
    progress(f"Indexed embeddings of {database.dimension} numbers")
    return True
