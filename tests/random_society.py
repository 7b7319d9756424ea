"""A small random society full of ties, extremes and gaps, as plain rows and in the database.

Rows are dictionaries of stored properties. Times are ISO 8601 text with nine digits, so that text sorts as time.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from graph.database import Database
from tests.conftest import WIPE

Row = dict[str, Any]

FRACTIONS = (0.0, 1e-300, 5e-324, 0.1, 0.2, 0.30000000000000004, 0.3, 0.5, 0.7, 1.0, 0.9999999999999999)
IMPACTS = (-1.0, -0.5, -1e-300, 0.0, 0.1 + 0.2, 0.3, 1.0)
TIMES = (
    "0001-01-01T00:00:00.000000000Z",
    "1969-12-31T23:59:59.999999999Z",
    "2024-02-29T12:00:00.000000000Z",
    "2024-02-29T12:00:00.000000001Z",
    "2024-02-29T12:00:00.123456788Z",
    "2024-02-29T12:00:00.123456789Z",
    "9999-12-31T23:59:59.999999999Z",
)
WORDS = (
    *("tea", "Tea", "cat", "te", "a'b", 'a"b', "`n`", "}) RETURN 1 //", "\\u0027", "naïve", "\uff5e", "😀"),
    *("", "a b"),
)
KINDS = ("EVENT", "THOUGHT", "CHAT", "PLAN", "REFLECTION")
TIES = ("friend", "colleague", "Friend")


@dataclass(repr=False)
class Society:
    """Rows by kind, and what leads from memories: ids by id."""

    agents: list[Row] = field(default_factory=list)
    memories: list[Row] = field(default_factory=list)
    relationships: list[Row] = field(default_factory=list)
    interactions: list[Row] = field(default_factory=list)
    knowledge: list[Row] = field(default_factory=list)
    topics: list[Row] = field(default_factory=list)
    about: dict[str, list[str]] = field(default_factory=dict)
    evidence: dict[str, list[str]] = field(default_factory=dict)


def make_society(seed: int, *, agents: int = 8, each: int = 30) -> Society:
    """Draws a society in which the first agent has the most of everything and the last one nothing."""
    draw = random.Random(seed)
    made = Society(topics=[{"id": f"Topic:{word}", "name": word} for word in WORDS if word])
    made.agents = [make_agent(draw, number) for number in range(agents)]
    active = made.agents[:-1]
    for number, agent in enumerate(active):
        share = each if number == 0 else draw.randint(0, each // 3)
        others = [other for other in active if other is not agent]
        made.memories += [make_memory(draw, agent) for _ in range(share)]
        made.knowledge += [make_knowledge(draw, agent) for _ in range(share)]
        made.interactions += [make_interaction(draw, agent, draw.choice(others)) for _ in range(share)]
        made.relationships += [
            make_relationship(draw, agent, other) for other in others if number == 0 or draw.random() < 0.5
        ]
    for memory in made.memories:
        made.about[memory["id"]] = [agent["id"] for agent in active if draw.random() < 0.3]
        made.evidence[memory["id"]] = [other["id"] for other in draw.sample(made.memories, 5) if other is not memory]
    return made


def new_id(draw: random.Random, kind: str) -> str:
    return f"{kind}:{draw.getrandbits(128):032x}"


def make_agent(draw: random.Random, number: int) -> Row:
    return {
        "id": new_id(draw, "Agent"),
        "key": f"agent_{number}",
        "name": draw.choice(WORDS[-5:]),
        "socialEnergy": draw.choice(FRACTIONS),
        "learningRate": 0.1,
        "memoryCapacity": 1000,
        "importanceThreshold": 0.5,
        "createdAt": draw.choice(TIMES),
        "updatedAt": draw.choice(TIMES),
    }


def make_memory(draw: random.Random, agent: Row) -> Row:
    return {
        "id": new_id(draw, "Memory"),
        "agentId": agent["id"],
        "kind": draw.choice(KINDS),
        "content": draw.choice(WORDS),
        "importance": draw.choice(FRACTIONS),
        "createdAt": draw.choice(TIMES),
        "accessedAt": draw.choice(TIMES),
        "accessCount": draw.randrange(3),
    }


def make_relationship(draw: random.Random, source: Row, target: Row) -> Row:
    return {
        "id": new_id(draw, "Relationship"),
        "sourceId": source["id"],
        "targetId": target["id"],
        "kind": draw.choice(TIES),
        "strength": draw.choice(FRACTIONS),
        "trust": draw.choice(FRACTIONS),
        "interactionCount": draw.randrange(3),
        "firstMetAt": draw.choice(TIMES),
        "lastInteractionAt": draw.choice((None, None, *TIMES)),
    }


def make_interaction(draw: random.Random, source: Row, target: Row) -> Row:
    return {
        "id": new_id(draw, "Interaction"),
        "sourceId": source["id"],
        "targetId": target["id"],
        "kind": draw.choice(TIES),
        "content": draw.choice((None, *WORDS)),
        "impact": draw.choice(IMPACTS),
        "at": draw.choice(TIMES),
    }


def make_knowledge(draw: random.Random, agent: Row) -> Row:
    return {
        "id": new_id(draw, "Knowledge"),
        "agentId": agent["id"],
        "topicName": draw.choice(WORDS[:-2]),
        "content": draw.choice(WORDS),
        "confidence": draw.choice(FRACTIONS),
        "source": draw.choice((None, "Klaus")),
        "learnedAt": draw.choice(TIMES),
    }


def timed(*names: str) -> str:
    """Cypher that sets a row's properties, those named as times."""
    return ", ".join(["n = r", *(f"n.{name} = datetime(r.{name})" for name in names)])


CREATE = {
    "agents": f"CREATE (n:Agent) SET {timed('createdAt', 'updatedAt')}",
    "topics": "CREATE (n:Topic {name: r.name})",
    "memories": "MATCH (a:Agent {id: r.agentId}) CREATE (a)-[:REMEMBERS]->(n:Memory) "
    f"SET {timed('createdAt', 'accessedAt')}",
    "relationships": "MATCH (a:Agent {id: r.sourceId}), (b:Agent {id: r.targetId}) CREATE (a)-[n:RELATES_TO]->(b) "
    f"SET {timed('firstMetAt', 'lastInteractionAt')}",
    "interactions": "MATCH (a:Agent {id: r.sourceId}), (b:Agent {id: r.targetId}) "
    f"CREATE (a)-[:INITIATED]->(n:Interaction)-[:TOWARD]->(b) SET {timed('at')}",
    "knowledge": "MATCH (a:Agent {id: r.agentId}), (t:Topic {name: r.topicName}) "
    f"CREATE (a)-[:LEARNED]->(n:Knowledge)-[:ON]->(t) SET {timed('learnedAt')}",
}
LINKS = {
    "about": "MATCH (m:Memory {id: r[0]}), (a:Agent {id: r[1]}) CREATE (m)-[:ABOUT]->(a)",
    "evidence": "MATCH (m:Memory {id: r[0]}), (e:Memory {id: r[1]}) CREATE (m)-[:EVIDENCE]->(e)",
}


async def write_rows(database: Database, kind: str, rows: list[Row]) -> None:
    await database.transact("fill", (f"UNWIND $rows AS r {CREATE[kind]}", {"rows": rows}))


async def write_society(database: Database, society: Society) -> None:
    """Puts it in place of all that the database holds."""
    await database.write("wipe", WIPE, deadline=60)
    for kind in CREATE:
        await write_rows(database, kind, getattr(society, kind))
    for kind, text in LINKS.items():
        pairs = [(source, target) for source, targets in getattr(society, kind).items() for target in targets]
        await database.transact("fill", (f"UNWIND $rows AS r {text}", {"rows": pairs}))
