"""Topics that the same agents know something about."""

from dataclasses import dataclass
from typing import Any

from graph.database import Database
from graph.model import Topic
from graph.rows import projection, reader

# Of a topic that very many know, and of agents who know very much, a part tells enough.
MOST_KNOWERS = 500
MOST_KNOWN = 100

# Salton's cosine, with pieces of knowledge, whose number is stored, in place of agents, who would have to be counted.
RELATED = f"""
UNWIND $keys AS k
MATCH (topic:Topic {{name: k}})
CALL (topic) {{
    MATCH (topic)<-[:ON]-(:Knowledge)<-[:LEARNED]-(a:Agent)
    WITH DISTINCT topic, a LIMIT {MOST_KNOWERS}
    CALL (topic, a) {{
        MATCH (a)-[:LEARNED]->(:Knowledge)-[:ON]->(n:Topic) WHERE n <> topic
        WITH n LIMIT {MOST_KNOWN}
        RETURN DISTINCT n
    }}
    WITH topic, n, count(a) AS shared
    WITH n, shared / sqrt(toFloat(COUNT {{ (topic)<-[:ON]-() }}) * COUNT {{ (n)<-[:ON]-() }}) AS likeness
    ORDER BY likeness DESC, n.name LIMIT $first
    RETURN collect([{projection(Topic)}]) AS rows
}}
RETURN k, rows
"""


@dataclass(frozen=True, slots=True)
class RelatedShape:
    """How many related topics are asked for."""

    first: int

    @property
    def lane(self) -> str:
        return "Topic.related"


@dataclass(frozen=True, slots=True)
class RelatedKey:
    """The topic, by name."""

    shape: RelatedShape
    name: str


async def fetch_related(
    database: Database, shape: RelatedShape, keys: list[RelatedKey], deadline: float
) -> list[list[Topic]]:
    """Finds the topics related to each, the most related first, those alike by name."""
    given = {"keys": [key.name for key in keys], "first": shape.first}
    records = await database.read(shape.lane, RELATED, given, deadline=deadline)
    read = reader(Topic)
    found: dict[str, list[Any]] = {name: [read(row) for row in rows] for name, rows in records}
    return [found.get(key.name, []) for key in keys]
