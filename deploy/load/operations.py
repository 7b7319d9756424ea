"""What simulated agents ask and write, in turns: one asks for its context, then writes what it remembers and did.

Only the standard library is needed, so that Locust may run it from an environment of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class Operation:
    """One kind of request: how tables call it, and its document, which is named alike."""

    label: str
    name: str
    document: str


@dataclass(frozen=True)
class Person:
    """An agent that acts: its key, and the keys and names of those it knows."""

    key: str
    known: Sequence[tuple[str, str]]


CONTEXT = Operation(
    "context",
    "Context",
    """query Context($key: String!) { agent(key: $key) { id name socialEnergy persona { summary traits currently }
      memories(first: 20, orderBy: [{createdAt: DESC}]) { nodes { id kind content importance createdAt } }
      relationships(first: 10, orderBy: [{strength: DESC}]) {
        edges { strength relationship { kind trust } node { key name } } } } }""",
)
ACT = Operation(
    "act",
    "Act",
    """mutation Act($memories: AddMemoriesInput!, $interactions: RecordInteractionsInput!) {
      addMemories(input: $memories) { memories { id } evicted }
      recordInteractions(input: $interactions) { interactions { id } relationships { strength trust } } }""",
)
# The order is that of a turn; what is written to the generator names them by their place.
OPERATIONS = (CONTEXT, ACT)

SOCIETY = """query Society($after: String) { agents(first: 200, after: $after, orderBy: [{key: ASC}]) {
  pageInfo { hasNextPage endCursor } nodes { key name relationships(first: 10) { nodes { key name } } } } }"""

MEMORIES = ("Met {name} and talked for a while.", "Saw {name} pass by, in a hurry.", "Wondered what {name} is up to.")
INTERACTIONS = (
    ("chat", 0.1, "Talked with {name}."),
    ("help", 0.4, "Carried something for {name}."),
    ("argument", -0.3, "Could not agree with {name}."),
)


def persons_of(nodes: Sequence[dict[str, Any]]) -> list[Person]:
    """Makes persons of the nodes that SOCIETY asks for; who knows nobody meets the next one."""
    return [
        Person(node["key"], [(each["key"], each["name"]) for each in friends_of(node, nodes[place - 1])])
        for place, node in enumerate(nodes)
    ]


def friends_of(node: dict[str, Any], neighbour: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return node["relationships"]["nodes"] or [neighbour]


def take_turns(persons: Sequence[Person], random: Random) -> Iterator[tuple[Operation, dict[str, Any]]]:
    """Yields requests without end: all persons take their turns, in the same order each time round."""
    order = random.sample(persons, len(persons))
    while True:
        for person in order:
            for operation in OPERATIONS:
                yield operation, draw(operation, person, random)


def draw(operation: Operation, person: Person, random: Random) -> dict[str, Any]:
    """Draws the variables of one request."""
    if operation is CONTEXT:
        return {"key": person.key}
    key, name = random.choice(person.known)
    memory = {
        "agent": person.key,
        "content": random.choice(MEMORIES).format(name=name),
        "importance": round(random.random(), 3),
        "about": [key],
    }
    kind, impact, text = random.choice(INTERACTIONS)
    interaction = {
        "source": person.key,
        "target": key,
        "kind": kind,
        "impact": impact,
        "content": text.format(name=name),
    }
    return {"memories": {"memories": [memory]}, "interactions": {"interactions": [interaction]}}
