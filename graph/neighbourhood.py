"""An agent's surroundings, read live from the graph: degrees and strength."""

from dataclasses import dataclass

from graph.database import Row
from graph.questions import Question


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


def read_degrees(values: Row) -> Degrees:
    return Degrees(*values)


def read_counts(values: Row) -> Counts:
    return Counts(*values)


def first(values: Row) -> float:
    return values[0]


COUNTS = Question(
    name="society.counts",
    text="""
    UNWIND $keys AS k
    RETURN k.i, COUNT { (:Agent) }, COUNT { (:Memory) }, COUNT { ()-[:RELATES_TO]->() },
      COUNT { (:Interaction) }, COUNT { (:Knowledge) }, COUNT { (:Topic) }
    """,
    read=read_counts,
    nothing=lambda: Counts(0, 0, 0, 0, 0, 0),
)
DEGREES = Question(
    name="network.degrees",
    text="""
    UNWIND $keys AS k
    MATCH (a:Agent {id: k.id})
    RETURN k.i, COUNT { (a)<-[:RELATES_TO]-() }, COUNT { (a)-[:RELATES_TO]->() }
    """,
    read=read_degrees,
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
    read=first,
    nothing=float,
)

QUESTIONS = (COUNTS, DEGREES, STRENGTH)
