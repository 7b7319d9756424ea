"""Candidates for what comes to an agent's mind: the most recent, the most important and the most relevant memories.

Each source is an index that has them in order, so that a query reads no more than it returns. The least recent and
the least important come along, so that candidates span what all of the agent's memories span.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from graph.checks import check_dimension
from graph.database import Database
from graph.errors import BadInput, Internal
from graph.ranking import Candidate
from graph.search import CAUGHT_UP, FOUND, HITS

EMBEDDING_INDEX = "memory_embedding"
HAS_EMBEDDINGS = f"SHOW VECTOR INDEXES YIELD name WHERE name = '{EMBEDDING_INDEX}' RETURN name"

# Of those found by their words, and by their meaning; others count as not relevant.
MOST_HITS = 1000
MOST_ALIKE = 300

RECENT, IMPORTANT = 1, 2

# The SEARCH clause is younger than the language that a server may speak unless told.
WITH_SEARCH = "CYPHER 25\n"
ALIKE = f"""MATCH (n:Memory) SEARCH n IN (
    VECTOR INDEX {EMBEDDING_INDEX} FOR $vector WHERE n.agentId = k.agent LIMIT {MOST_ALIKE}
) SCORE AS likeness
RETURN n, 0 AS source, null AS text, likeness"""


@dataclass(frozen=True, slots=True)
class RecallShape:
    """What candidates are asked for: `size` from each index, those with these words, those like this vector.

    A vector that was `derived` from the words may be left out; nobody asked for it.
    """

    size: int
    text: str = ""
    vector: tuple[float, ...] = ()
    derived: bool = False

    @property
    def lane(self) -> str:
        return "recall"


@dataclass(frozen=True, slots=True)
class RecallKey:
    """The agent, by id, whose memories are asked for."""

    shape: RecallShape
    agent: str


def end_of(property: str, *, source: int, most: str, descending: bool) -> str:
    """Finds one agent's memories at one end of an index."""
    way = " DESC" if descending else ""
    return f"""MATCH (n:Memory) USING INDEX SEEK n:Memory(agentId, {property}, id)
WHERE n.agentId = k.agent AND n.{property} IS NOT NULL AND n.id IS NOT NULL
WITH n ORDER BY n.agentId{way}, n.{property}{way}, n.id{way} LIMIT {most}
RETURN n, {source} AS source, null AS text, null AS likeness"""


@lru_cache
def recall_text(*, words: bool, vector: bool) -> str:
    """The query that finds the candidates of each key: what several sources find comes once."""
    sources = [
        end_of("accessedAt", source=RECENT, most="$size", descending=True),
        end_of("importance", source=IMPORTANT, most="$size", descending=True),
        end_of("accessedAt", source=0, most="1", descending=False),
        end_of("importance", source=0, most="1", descending=False),
    ]
    if words:
        sources.append(f"{HITS}\nWITH n, score WHERE {FOUND}\nRETURN n, 0 AS source, score AS text, null AS likeness")
    if vector:
        sources.append(ALIKE)
    union = "\nUNION ALL\n".join(sources)
    return f"""{WITH_SEARCH if vector else ""}{CAUGHT_UP if words else ""}
UNWIND $keys AS k
CALL (k) {{
CALL (k) {{
{union}
}}
WITH n, sum(source) AS sources, max(text) AS text, max(likeness) AS likeness
RETURN collect([n.id, n.importance, n.accessedAt.epochMillis, text, likeness, sources]) AS found
}}
RETURN k.i, found"""


async def fetch_candidates(
    database: Database, shape: RecallShape, keys: list[RecallKey], deadline: float
) -> list[list[Candidate]]:
    """Finds the candidates of each agent. Raises BadInput for a vector that nothing here can be compared with."""
    check_dimension(shape.vector, database.dimension, "vector")
    rows = [{"i": i, "agent": key.agent, "text": shape.text, "hits": MOST_HITS} for i, key in enumerate(keys)]
    given = {"keys": rows, "size": shape.size, "vector": list(shape.vector)}
    text = recall_text(words=bool(shape.text), vector=bool(shape.vector))
    try:
        records = await database.read(shape.lane, text, given, deadline=deadline)
    except Internal:
        if shape.vector and not await database.read("vector index", HAS_EMBEDDINGS):
            if shape.derived:
                return await fetch_candidates(database, replace(shape, vector=()), keys, deadline)
            raise BadInput("this server's database has no vector index: ask with query instead.", "vector") from None
        raise
    found = {i: [candidate(row) for row in rows] for i, rows in records}
    return [found.get(i, []) for i in range(len(keys))]


def candidate(row: list[Any]) -> Candidate:
    *values, sources = row
    return Candidate(*values, recent=bool(sources & RECENT), important=bool(sources & IMPORTANT))
