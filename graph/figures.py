"""Figures: how much there is of what, of the society, of single agents and of communities."""

from dataclasses import dataclass

from graph.model import Topic
from graph.questions import Question
from graph.rows import projection, reader


@dataclass(frozen=True, slots=True)
class Degrees:
    """How many relationships lead to an agent, and how many start there."""

    inward: int
    outward: int

    @property
    def total(self) -> int:
        return self.inward + self.outward


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each kind."""

    agents: int
    memories: int
    relationships: int
    interactions: int
    knowledge: int
    topics: int


READ_TOPIC = reader(Topic)

COUNTS = Question(
    name="society.counts",
    text="""
    UNWIND $keys AS k
    RETURN k.i, COUNT { (:Agent) }, COUNT { (:Memory) }, COUNT { ()-[:RELATES_TO]->() },
      COUNT { (:Interaction) }, COUNT { (:Knowledge) }, COUNT { (:Topic) }
    """,
    read=lambda values: Counts(*values),
    nothing=lambda: Counts(0, 0, 0, 0, 0, 0),
)
DEGREES = Question(
    name="network.degrees",
    text="""
    UNWIND $keys AS k
    MATCH (a:Agent {id: k.id})
    RETURN k.i, COUNT { (a)<-[:RELATES_TO]-() }, COUNT { (a)-[:RELATES_TO]->() }
    """,
    read=lambda values: Degrees(*values),
    nothing=lambda: Degrees(0, 0),
)
STRENGTH = Question(
    name="network.strength",
    text="""
    UNWIND $keys AS k
    MATCH (a:Agent {id: k.id})
    CALL (a) {
      MATCH (a)-[r:RELATES_TO]-()
      RETURN sum(r.strength) AS strength
    }
    RETURN k.i, toFloat(strength)
    """,
    read=lambda values: values[0],
    nothing=float,
)
TOPICS = Question(
    name="community.topics",
    text=f"""
    UNWIND $keys AS k
    CALL (k) {{
      UNWIND k.other AS id
      MATCH (a:Agent {{id: id}})-[:LEARNED]->(:Knowledge)-[:ON]->(t:Topic)
      WITH t, count(DISTINCT a) AS members
      ORDER BY members DESC, t.name LIMIT $first
      RETURN collect([{projection(Topic, "t")}]) AS found
    }}
    RETURN k.i, found
    """,
    read=lambda values: [READ_TOPIC(row) for row in values[0]],
    nothing=list,
)

QUESTIONS = (COUNTS, DEGREES, STRENGTH, TOPICS)
