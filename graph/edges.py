"""What leads where: each edge of the graph that clients can page through, one line each.

In the Cypher here `k` is the key that asks (`k.id` the parent's id), `n` what is listed and `o` the agent
at the other end of a relationship. Whatever stands here is the project's own text, never a client's.
"""

from dataclasses import dataclass
from enum import Enum

from graph.model import Agent, Interaction, Knowledge, Memory, Relationship, Topic


class Direction(Enum):
    """Which way an edge is followed from the agent."""

    OUT = "OUT"
    IN = "IN"
    BOTH = "BOTH"


# The fields of a relationship that tell who is at its other end, by the way it was followed.
FAR_ENDS = {Direction.OUT: {"target_id"}, Direction.IN: {"source_id"}, Direction.BOTH: {"source_id", "target_id"}}


@dataclass(frozen=True, kw_only=True)
class Way:
    """How an edge's items are found.

    Those of a `label`, or a type of relationships, come from its indexes, which have them in these `orders`, all of the
    edge's if none is named; `lead` is the property that names the parent. `tie` is the property in which all items of
    one parent differ, which breaks ties. `known` says how what a row would read is reached with less effort here.
    Those without a label are reached from the parent `p`, which `seek` finds.

    `count` counts all items from the parent `p` without reading them.
    """

    pattern: str
    seek: str = ""
    label: str = ""
    where: str = ""
    lead: str = ""
    orders: tuple[str, ...] = ()
    tie: str = "id"
    parent: str = ""
    known: tuple[tuple[str, str], ...] = ()
    count: str

    def sorts(self, property: str) -> bool:
        """Whether an index has the items in the order of a property."""
        return bool(self.label) and (not self.orders or property in self.orders)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A property to sort by. A unique one needs no other to break ties."""

    property: str
    descending: bool = False
    unique: bool = False

    def reversed(self) -> "Order":
        return Order(property=self.property, descending=not self.descending, unique=self.unique)


@dataclass(frozen=True, kw_only=True, eq=False)
class Edge:
    """A list that can be paged: its name in logs and cursors, the rows it gives and the orders it takes.

    `far` says that there is an agent `o` at the other end of each item, whose row a page can bring along.
    """

    name: str
    row: type
    ways: dict[Direction, tuple[Way, ...]]
    orders: dict[str, Order]
    default: Order
    distinct: bool = False
    far: bool = False
    summaries: tuple[str, ...] = ()

    @property
    def found(self) -> str:
        """What a match of an item binds."""
        return "n, o" if self.far else "n"


def by(*properties: str, **renamed: str) -> dict[str, Order]:
    """The orders that clients name, by the property each sorts by."""
    names = {name: name for name in properties} | renamed
    return {name: Order(property=stored, unique=stored == "key") for name, stored in names.items()}


def descending(property: str) -> Order:
    return Order(property=property, descending=True)


def ascending(property: str) -> Order:
    return Order(property=property)


def owned(label: str, owner: str, count: str) -> Way:
    """Items that name their owner, so that an index gives them in order."""
    return Way(
        pattern=f"(n:{label})",
        label=label,
        where=f"n.{owner} = k.id",
        lead=owner,
        parent="(p:Agent {id: k.id})",
        count=count,
    )


def rooted(label: str) -> dict[Direction, tuple[Way, ...]]:
    """All nodes of a label, counted by the count store."""
    return {Direction.OUT: (Way(pattern=f"(n:{label})", label=label, count=f"COUNT {{ (:{label}) }}"),)}


def linked(
    label: str, path: str, count: str, *, name: str = "id", known: tuple[tuple[str, str], ...] = ()
) -> tuple[Way, ...]:
    """Items found by following a path from the parent, a node that has a unique name."""
    parent = f"(p:{label} {{{name}: k.id}})"
    return (Way(pattern=parent + path, seek=f"p:{label}({name})", parent=parent, known=known, count=count),)


_STARTED = owned("Interaction", "sourceId", "COUNT { (p)-[:INITIATED]->() }")
_RECEIVED = owned("Interaction", "targetId", "COUNT { (p)<-[:TOWARD]-() }")
# Each interaction writes two relationships again, and pays for all their indexes: there is one for what is asked most.
# It has towards whom they are, of which there is one each, so that no other agent's id need be read.
_FELT = Way(
    pattern="()-[n:RELATES_TO]->(o:Agent)",
    label="RELATES_TO",
    where="n.sourceId = k.id",
    lead="sourceId",
    orders=("strength",),
    tie="targetId",
    parent="(p:Agent {id: k.id})",
    known=(("n.sourceId", "k.id"), ("o.id", "n.targetId")),
    count="COUNT { (p)-[:RELATES_TO]->() }",
)

AGENTS = Edge(
    name="agents",
    row=Agent,
    ways=rooted("Agent"),
    orders=by("key", "name", "socialEnergy", "createdAt"),
    default=by("key")["key"],
    summaries=("socialEnergy",),
)
TOPICS = Edge(name="topics", row=Topic, ways=rooted("Topic"), orders={}, default=Order(property="name", unique=True))
REMEMBERS = Edge(
    name="REMEMBERS",
    row=Memory,
    ways={Direction.OUT: (owned("Memory", "agentId", "COUNT { (p)-[:REMEMBERS]->() }"),)},
    orders=by("importance", "createdAt", "accessedAt"),
    default=descending("importance"),
    summaries=("importance",),
)
LEARNED = Edge(
    name="LEARNED",
    row=Knowledge,
    ways={Direction.OUT: (owned("Knowledge", "agentId", "COUNT { (p)-[:LEARNED]->() }"),)},
    orders=by("confidence", "learnedAt", topic="topicName"),
    default=descending("learnedAt"),
)
INTERACTIONS = Edge(
    name="INTERACTIONS",
    row=Interaction,
    ways={Direction.OUT: (_STARTED,), Direction.IN: (_RECEIVED,), Direction.BOTH: (_STARTED, _RECEIVED)},
    orders={},
    default=descending("at"),
)
RELATES_TO = Edge(
    name="RELATES_TO",
    row=Relationship,
    ways={
        Direction.OUT: (_FELT,),
        Direction.IN: linked(
            "Agent",
            "<-[n:RELATES_TO]-(o:Agent)",
            "COUNT { (p)<-[:RELATES_TO]-() }",
            known=(("n.targetId", "k.id"), ("n.sourceId", "o.id")),
        ),
        Direction.BOTH: linked("Agent", "-[n:RELATES_TO]-(o:Agent)", "COUNT { (p)-[:RELATES_TO]-() }"),
    },
    orders=by("strength", "trust", "lastInteractionAt"),
    default=descending("strength"),
    far=True,
    summaries=("strength", "trust"),
)
ABOUT = Edge(
    name="ABOUT",
    row=Agent,
    ways={Direction.OUT: linked("Memory", "-[:ABOUT]->(n:Agent)", "COUNT { (p)-[:ABOUT]->() }")},
    orders={},
    default=by("key")["key"],
)
EVIDENCE = Edge(
    name="EVIDENCE",
    row=Memory,
    ways={Direction.OUT: linked("Memory", "-[:EVIDENCE]->(n:Memory)", "COUNT { (p)-[:EVIDENCE]->() }")},
    orders={},
    default=ascending("createdAt"),
)
KNOWN_BY = Edge(
    name="KNOWN_BY",
    row=Agent,
    ways={
        Direction.OUT: linked(
            "Topic",
            "<-[:ON]-(:Knowledge)<-[:LEARNED]-(n:Agent)",
            "COUNT { MATCH (p)<-[:ON]-(:Knowledge)<-[:LEARNED]-(n:Agent) RETURN DISTINCT n }",
            name="name",
        )
    },
    orders={},
    default=by("key")["key"],
    distinct=True,
    summaries=("socialEnergy",),
)

EDGES = (AGENTS, TOPICS, REMEMBERS, LEARNED, INTERACTIONS, RELATES_TO, ABOUT, EVIDENCE, KNOWN_BY)
