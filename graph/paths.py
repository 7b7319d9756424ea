"""Paths from an agent to another along relationships, in their direction, read live from the graph."""

from dataclasses import dataclass
from functools import cache

from graph.database import Row
from graph.model import Agent, Relationship
from graph.questions import Question
from graph.rows import list_of, projection, reader

MOST_HOPS = 10


@dataclass(frozen=True, slots=True)
class Path:
    """Agents in a row and the relationship from each to the next. `cost` is what the path's weighting says."""

    agents: list[Agent]
    relationships: list[Relationship]
    cost: float

    @property
    def hops(self) -> int:
        return len(self.relationships)


READ_AGENT, READ_RELATIONSHIP = reader(Agent), reader(Relationship)


def read_path(values: Row) -> Path:
    agents, relationships = values
    return Path(
        [READ_AGENT(row) for row in agents],
        [READ_RELATIONSHIP(row) for row in relationships],
        cost=float(len(relationships)),
    )


# Read whole, because what is read of a lookup's rows may be no more than what clients select.
ALONG = Question(
    name="network.along",
    text=f"""
    UNWIND $keys AS k
    MATCH (:Agent {{id: k.id}})-[n:RELATES_TO]->(:Agent {{key: k.other}})
    RETURN k.i, [{projection(Relationship)}]
    """,
    read=lambda values: READ_RELATIONSHIP(values[0]),
    nothing=lambda: None,
)


@cache
def fewest_hops(most: int) -> Question:
    """Asks for a path of the fewest relationships from an agent to another, and of at most so many."""
    return Question(
        name=f"network.path.{most}",
        text=f"""
        UNWIND $keys AS k
        MATCH (a:Agent {{id: k.id}})
        MATCH (b:Agent {{key: k.other}})
        WITH k, a, b WHERE a <> b
        MATCH p = shortestPath((a)-[:RELATES_TO*..{most}]->(b))
        RETURN k.i, {list_of(Agent, "m", "nodes(p)")}, {list_of(Relationship, "n", "relationships(p)")}
        """,
        read=read_path,
        nothing=lambda: None,
    )


QUESTIONS = (ALONG, *map(fewest_hops, (1, MOST_HOPS)))
