"""One application for a whole module of tests, and a society small enough to know by heart."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from graph.database import Database
from server.app import create_app
from server.settings import Settings
from tests.conftest import WIPE

Ask = Callable[..., Awaitable[dict[str, Any]]]
Read = Callable[..., Awaitable[dict[str, Any]]]

ADA, BO, CY = ({"key": key} for key in ("ada", "bo", "cy/ü %2F"))


def day(number: int) -> str:
    """Writes a morning of January 2024 as the API does."""
    return f"2024-01-{number:02}T08:00:00+00:00"


def row(id: str, **properties: Any) -> dict[str, Any]:
    return {"id": id, "properties": {"id": id} | properties}


def at(number: int) -> datetime:
    return datetime(2024, 1, 1, 8, tzinfo=UTC) + timedelta(days=number - 1)


def agent(short: str, born: int, **properties: Any) -> dict[str, Any]:
    times = {"createdAt": at(born), "updatedAt": at(born)}
    numbers = {"learningRate": 0.2, "memoryCapacity": 100, "importanceThreshold": 0.25}
    return row(f"Agent:{short}", **(times | numbers | properties))


def memory(name: str, owner: str, made: int, **properties: Any) -> dict[str, Any]:
    links = {"about": properties.pop("about", []), "evidence": properties.pop("evidence", [])}
    own = {"agentId": f"Agent:{owner}", "createdAt": at(made), "accessedAt": at(made), "accessCount": 0}
    return row(f"Memory:{name}", **(own | properties)) | links


def tie(source: str, target: str, **properties: Any) -> dict[str, Any]:
    ends = {"source": f"Agent:{source}", "target": f"Agent:{target}"}
    own = {"sourceId": ends["source"], "targetId": ends["target"], "interactionCount": 0, "firstMetAt": at(1)}
    return row(f"Relationship:{source}-{target}", **(own | properties)) | ends


def interaction(name: str, source: str, target: str, **properties: Any) -> dict[str, Any]:
    return row(f"Interaction:{name}", sourceId=f"Agent:{source}", targetId=f"Agent:{target}", **properties)


def knowledge(name: str, owner: str, topic: str, **properties: Any) -> dict[str, Any]:
    return row(f"Knowledge:{name}", agentId=f"Agent:{owner}", topicName=topic, **properties)


SOCIETY: dict[str, list[dict[str, Any]]] = {
    "UNWIND $rows AS r CREATE (n:Agent) SET n = r.properties": [
        agent(
            "ada", 1, key="ada", name="Ada Byron", socialEnergy=0.75, updatedAt=at(2) + timedelta(milliseconds=250),
            personaSummary="Counts things.", personaTraits=["curious", "blunt"], personaAge=36,
            personaLifestyle="up early", personaCurrently="counting",
            personaExtra='{"house": {"rooms": 3}, "pets": ["cat", null], "tall": true, "big": 12345678901234}',
        ),
        agent("bo", 2, key="bo", name="Bo", socialEnergy=0.5, personaSummary="Makes tea."),
        agent("cy", 3, key="cy/ü %2F", name="Cy", socialEnergy=0.5),
    ],
    """
    UNWIND $rows AS r MATCH (a:Agent {id: r.properties.agentId})
    CREATE (a)-[:REMEMBERS]->(n:Memory) SET n = r.properties
    WITH n, r
    CALL (n, r) { UNWIND r.about AS id MATCH (o:Agent {id: 'Agent:' + id}) CREATE (n)-[:ABOUT]->(o) }
    CALL (n, r) { UNWIND r.evidence AS id MATCH (e:Memory {id: 'Memory:' + id}) CREATE (n)-[:EVIDENCE]->(e) }
    """: [
        memory("mill", "ada", 1, kind="EVENT", importance=0.5, content="Met Bo at the mill", about=["bo"]),
        memory("tea", "ada", 2, kind="THOUGHT", importance=0.5, content="Bo and Cy like tea", about=["cy", "bo"]),
        memory("rain", "ada", 3, kind="CHAT", importance=0.25, content="Talked of rain",
               accessedAt=at(9), accessCount=4),
        memory("friends", "ada", 4, kind="REFLECTION", importance=1.0, content="Tea makes friends",
               evidence=["tea", "mill"]),
        memory("plan", "bo", 5, kind="PLAN", importance=0.0, content="Buy tea"),
    ],
    """
    UNWIND $rows AS r MATCH (a:Agent {id: r.source}), (b:Agent {id: r.target})
    CREATE (a)-[n:RELATES_TO]->(b) SET n = r.properties
    """: [
        tie("ada", "bo", kind="friend", strength=0.75, trust=0.5, interactionCount=2, lastInteractionAt=at(4)),
        tie("ada", "cy", kind="colleague", strength=0.25, trust=1.0),
        tie("bo", "ada", kind="friend", strength=0.5, trust=0.75, lastInteractionAt=at(3)),
    ],
    """
    UNWIND $rows AS r MATCH (a:Agent {id: r.properties.sourceId}), (b:Agent {id: r.properties.targetId})
    CREATE (a)-[:INITIATED]->(n:Interaction)-[:TOWARD]->(b) SET n = r.properties
    """: [
        interaction("hello", "ada", "bo", kind="chat", content="Hello", impact=0.5, at=at(3)),
        interaction("help", "bo", "ada", kind="help", impact=1.0, at=at(4)),
        interaction("row", "ada", "cy", kind="argument", content="No!", impact=-0.5, at=at(5)),
    ],
    """
    UNWIND $rows AS r MATCH (a:Agent {id: r.properties.agentId}) MERGE (t:Topic {name: r.properties.topicName})
    CREATE (a)-[:LEARNED]->(n:Knowledge)-[:ON]->(t) SET n = r.properties
    """: [
        knowledge("brew", "ada", "tea", content="Brew it at 80 °C", confidence=1.0, source="Bo", learnedAt=at(3)),
        knowledge("grind", "ada", "mills", content="Mills grind", confidence=0.5, learnedAt=at(1)),
        knowledge("pour", "bo", "tea", content="Pour it slowly", confidence=0.75, learnedAt=at(2)),
        knowledge("pots", "bo", "teapots: a history", content="Pots are old", confidence=0.5, learnedAt=at(4)),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
async def edge(settings: Settings, migrated: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application, over whatever is in the database."""
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


def client_of(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture(scope="module")
def ask(edge: httpx.AsyncClient) -> Ask:
    """Sends a GraphQL query and gives the whole response."""

    async def send(query: str, **variables: Any) -> dict[str, Any]:
        return (await edge.post("/graphql", json={"query": query, "variables": variables})).json()

    return send


@pytest.fixture(scope="module")
def read(ask: Ask) -> Read:
    """Sends a GraphQL query that must succeed, and gives its data."""

    async def send(query: str, **variables: Any) -> dict[str, Any]:
        answer = await ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    return send


@pytest.fixture(scope="module")
async def society(migrated: Database) -> None:
    """Ada, Bo and Cy, and nothing else in the database."""
    await migrated.write("wipe", WIPE, deadline=60)
    for statement, rows in SOCIETY.items():
        await migrated.write("society", statement, {"rows": rows})
