"""An agent's surroundings, read live from the graph, each question by one bounded query.

Two agents are tied if a relationship leads from either to the other. What a
query reads is bounded, so that agents with ten thousand relationships hold nobody up: where more would be needed,
the answer says so or its description tells what is left out.
"""

from dataclasses import dataclass
from functools import cache

from graph.database import Row
from graph.model import Agent, Relationship
from graph.questions import Question
from graph.rows import list_of, projection, reader

# How many of an agent's closest acquaintances suggestions come from.
CLOSEST = 100
# Of agents with more ties than this only the closest count, or they are looked up pair by pair.
WIDE = 1000
# A subgraph has at most so many relationships for each agent that it may have.
RELATIONSHIPS_EACH = 20
MOST_RADIUS = 3


@dataclass(frozen=True, slots=True)
class Subgraph:
    """Agents and the relationships between them; `truncated` says that some were left out."""

    agents: list[Agent]
    relationships: list[Relationship]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Someone to get to know; `mutual_count` are the acquaintances in common."""

    agent: Agent
    score: float
    mutual_count: int


READ_AGENT, READ_RELATIONSHIP = reader(Agent), reader(Relationship)


def read_agents(values: Row) -> list[Agent]:
    return [READ_AGENT(row) for row in values[0]]


def read_suggestions(values: Row) -> list[Suggestion]:
    return [Suggestion(READ_AGENT(row), score, count) for row, score, count in values[0]]


def read_subgraph(values: Row) -> Subgraph:
    agents, relationships, truncated = values
    return Subgraph([READ_AGENT(row) for row in agents], [READ_RELATIONSHIP(row) for row in relationships], truncated)


MUTUAL = Question(
    name="network.mutual",
    text=f"""
    UNWIND $keys AS k
    MATCH (a:Agent {{id: k.id}})
    MATCH (b:Agent {{key: k.other}})
    WITH k, a, b, COUNT {{ (a)-[:RELATES_TO]-() }} > COUNT {{ (b)-[:RELATES_TO]-() }} AS turned
    WITH k, CASE WHEN turned THEN b ELSE a END AS few, CASE WHEN turned THEN a ELSE b END AS many
    CALL (few, many) {{
      MATCH (few)-[r:RELATES_TO]-(m:Agent) WHERE m <> few AND m <> many AND few <> many
      WITH m, many, sum(r.strength) AS one
      MATCH (m)-[r:RELATES_TO]-(many)
      WITH m, one, sum(r.strength) AS other
      ORDER BY one + other DESC, m.key LIMIT $first
      RETURN collect([{projection(Agent, "m")}]) AS found
    }}
    RETURN k.i, found
    """,
    read=read_agents,
    nothing=list,
)
SUGGESTIONS = Question(
    name="network.suggestions",
    text=f"""
    UNWIND $keys AS k
    MATCH (a:Agent {{id: k.id}})
    CALL (a) {{
      CALL (a) {{
        MATCH (a)-[r:RELATES_TO]-(z:Agent) WHERE z <> a
        WITH z, max(r.strength) AS near ORDER BY near DESC, z.key LIMIT {CLOSEST}
        RETURN collect({{agent: z, near: near, ties: COUNT {{ (z)-[:RELATES_TO]-() }}}}) AS closest
      }}
      WITH a, [z IN closest WHERE z.ties <= {WIDE}] AS few, [z IN closest WHERE z.ties > {WIDE}] AS many
      CALL (few) {{
        UNWIND few AS one
        WITH one, one.agent AS z
        CALL (z) {{
          MATCH (z)-[r:RELATES_TO]-(v:Agent) WHERE v <> z
          WITH v, max(r.strength) AS far
          RETURN collect([v, far]) AS known
        }}
        UNWIND known AS each
        WITH each[0] AS v, (one.near + each[1]) / 2 / log(size(known)) AS share
        RETURN v, sum(share) AS score, count(*) AS mutual
      }}
      WITH a, many, v, score, mutual
      WHERE v <> a AND NOT EXISTS {{ (a)-[:RELATES_TO]-(v) }}
      CALL (v, many) {{
        UNWIND many AS one
        WITH v, one, one.agent AS z
        MATCH (v)-[r:RELATES_TO]-(z) WHERE v <> z
        WITH one, max(r.strength) AS far
        RETURN sum((one.near + far) / 2 / log(one.ties)) AS more, count(*) AS further
      }}
      WITH v, score + more AS score, mutual + further AS mutual
      ORDER BY score DESC, v.key LIMIT $first
      RETURN collect([[{projection(Agent, "v")}], score, mutual]) AS found
    }}
    RETURN k.i, found
    """,
    read=read_suggestions,
    nothing=list,
)
# Those one step further than the agents in `near`; whoever has more ties than are looked at fills the limit alone.
FURTHER = """
CALL (a, near) {
  UNWIND CASE WHEN size(near) >= $limit THEN [] ELSE near END AS x
  CALL (x) {
    MATCH (x)-[r:RELATES_TO]-(c:Agent) WHERE r.strength >= $least
    RETURN c, r.strength AS strength LIMIT $width
  }
  WITH a, near, c, max(strength) AS closest
  WHERE c <> a AND NOT c IN near
  WITH c, closest ORDER BY closest DESC, c.key LIMIT $limit
  RETURN collect(c) AS further
}
WITH k, a, near + further AS near
"""


@cache
def ego(radius: int) -> Question:
    """Asks for whom an agent reaches in so many steps, in either direction, and how they are tied."""
    return Question(
        name=f"network.ego.{radius}",
        text=f"""
        UNWIND $keys AS k
        MATCH (a:Agent {{id: k.id}})
        CALL (a) {{
          MATCH (a)-[r:RELATES_TO]-(b:Agent) WHERE r.strength >= $least AND b <> a
          WITH b, max(r.strength) AS closest ORDER BY closest DESC, b.key LIMIT $limit
          RETURN collect(b) AS near
        }}
        WITH k, a, near
        {FURTHER * (radius - 1)}
        WITH k, size(near) >= $limit AS more, ([a] + near)[..$limit] AS agents
        CALL (agents) {{
          UNWIND agents AS x
          CALL (x, agents) {{
            WITH x, agents WHERE COUNT {{ (x)-[:RELATES_TO]->() }} <= {WIDE}
            MATCH (x)-[n:RELATES_TO]->(y:Agent) WHERE n.strength >= $least AND y IN agents
            RETURN n
            UNION ALL
            WITH x, agents WHERE COUNT {{ (x)-[:RELATES_TO]->() }} > {WIDE}
            UNWIND agents AS y
            MATCH (x)-[n:RELATES_TO]->(y) WHERE n.strength >= $least
            RETURN n
          }}
          WITH n LIMIT $most + 1
          RETURN collect(n) AS ties
        }}
        RETURN k.i, {list_of(Agent, "m", "agents")}, {list_of(Relationship, "n", "ties[..$most]")},
          more OR size(ties) > $most
        """,
        read=read_subgraph,
        nothing=lambda: Subgraph([], [], False),
    )


QUESTIONS = (MUTUAL, SUGGESTIONS, *map(ego, range(1, MOST_RADIUS + 1)))
