"""Writes simulations into a graph that may hold others of the same persons."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from graph.checks import check_dimension
from graph.database import Database
from graph.ingest.bulk import BulkWriter, Progress, check_room, silent, writing
from graph.ingest.simulation import FACTS_FILE
from graph.ingest.smallville import Evidence, Smallville, read_smallville
from graph.model import Agent, Relationship
from graph.records import Kind, RelationshipRecord, unpacked
from graph.tables import ENDS, property_map

KNOWN_NAMES = """
UNWIND $keys AS key MATCH (a:Agent {key: key})
OPTIONAL MATCH (a)-[:RELATES_TO]->(b:Agent)
UNWIND [a, b] AS n
WITH DISTINCT n WHERE n IS NOT NULL
RETURN n.name, n.key ORDER BY n.key
"""
KNOWN_FACTS = """
UNWIND $keys AS key MATCH (:Agent {key: key})-[:LEARNED]->(n:Knowledge {source: $source})
RETURN key, n.content
"""
KNOWN_CHATS = """
UNWIND $keys AS key MATCH (:Agent {key: key})-[:INITIATED]->(n:Interaction)-[:TOWARD]->(b:Agent)
RETURN key, b.key, toString(n.at)
"""
FILL_EMBEDDINGS = """
UNWIND $rows AS r MATCH (n:Memory {id: r[0]}) WHERE n.embedding IS NULL SET n.embedding = r[1]
"""

_persona, agent_values = property_map(
    Agent,
    ("r.key",),
    # What clients may have changed since stays as it is.
    {
        name: f"n.{name}"
        for name in (
            "id",
            "key",
            "name",
            "createdAt",
            "socialEnergy",
            "learningRate",
            "memoryCapacity",
            "importanceThreshold",
        )
    },
)
RENEW_AGENTS = f"""
UNWIND $rows AS r MATCH (n:Agent {{key: r[0]}})
WITH n, r, {_persona} AS latest WHERE n.updatedAt < latest.updatedAt
SET n += latest
"""
_tie, tie_values = property_map(Relationship, ("r.source", "r.target", "r.id"), {"id": "coalesce(n.id, r[2])"} | ENDS)
SET_TIES = f"""
UNWIND $rows AS r
MATCH (a:Agent {{key: r[0]}}) MATCH (b:Agent {{key: r[1]}})
MERGE (a)-[n:RELATES_TO]->(b)
SET n += {_tie}
"""


async def import_smallville(
    database: Database, directories: Iterable[Path], *, max_agents: int, progress: Progress = silent
) -> tuple[dict[str, int], list[str]]:
    """Adds simulations; returns how many of each kind were added or changed, and what was read with doubt.

    All files are read before anything is written. Raises BadInput that names the file; a failure in writing
    leaves nothing behind.
    """
    town = await asyncio.to_thread(read_smallville, list(directories))
    for memory in town.memories:
        check_dimension(memory.embedding, database.dimension, memory.id, "embedding")
    await check_room(database, [agent.key for agent in town.agents], max_agents)
    ties = await ties_of(database, town)
    created: dict[str, int] = {}
    async with writing(database, progress) as writer:
        for kind, records in (
            (Kind.AGENTS, town.agents),
            (Kind.MEMORIES, town.memories),
            (Kind.INTERACTIONS, town.interactions),
            (Kind.KNOWLEDGE, town.knowledge),
        ):
            created[kind.value] = await writer.write(kind, records, len(records))
        await writer.link_evidence()
        # Whatever changes what was there before comes last, and at once.
        await database.transact(
            "arrivals",
            (RENEW_AGENTS, {"rows": list(map(agent_values, town.agents))}),
            (FILL_EMBEDDINGS, {"rows": embeddings_for_older(town, writer)}),
            (SET_TIES, {"rows": list(map(tie_values, ties))}),
        )
    created[Kind.RELATIONSHIPS.value] = len(ties)
    progress(Kind.RELATIONSHIPS.value, len(ties), len(ties))
    return created, town.notes


def embeddings_for_older(town: Smallville, writer: BulkWriter) -> list[list[Any]]:
    """Lists the embeddings of memories that were stored before, perhaps without one."""
    new = set(unpacked(Kind.MEMORIES, writer.created[Kind.MEMORIES]))
    return [[memory.id, memory.embedding] for memory in town.memories if memory.embedding and memory.id not in new]


async def ties_of(database: Database, town: Smallville) -> list[RelationshipRecord]:
    """Draws the ties of which these simulations say something new, from that and what is stored of them."""
    known = await stored_evidence(database, town)
    everything = Evidence()
    for evidence in (known, town.evidence):
        for pair, texts in evidence.facts.items():
            everything.facts[pair] |= texts
        for pair, times in evidence.chats.items():
            everything.chats[pair] |= times
    news = [
        pair
        for pair in town.evidence.pairs()
        if everything.facts.get(pair) != known.facts.get(pair) or everything.chats.get(pair) != known.chats.get(pair)
    ]
    return [everything.tie(pair, town.start) for pair in news]


async def stored_evidence(database: Database, town: Smallville) -> Evidence:
    """Finds what earlier imports stored of these agents' ties: their facts and their chats."""
    keys = {"keys": [agent.key for agent in town.agents]}
    for name, key in await database.read("names", KNOWN_NAMES, keys):
        town.names.keys.setdefault(name, key)
    evidence = Evidence()
    for key, content in await database.read("facts", KNOWN_FACTS, {**keys, "source": FACTS_FILE}):
        for other, masked in town.names.find(content, apart_from=key).items():
            evidence.facts[key, other].add(masked)
    for key, other, at in await database.read("chats", KNOWN_CHATS, keys):
        evidence.chats[key, other].add(datetime.fromisoformat(at))
    return evidence
