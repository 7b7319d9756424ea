"""A small society as JSON lines, and what a database holds."""

from pathlib import Path
from typing import Any

import orjson

from graph.database import Database
from graph.records import Kind
from graph.tables import COUNTS

RAIN, SNOW = "Memory:" + "1" * 32, "Memory:" + "2" * 32

EMBEDDING = [0.1, -2.0] * 768
FILES: dict[Kind, list[dict[str, Any]]] = {
    Kind.AGENTS: [
        {"key": "ada", "name": "Ada", "persona": {"summary": "Curious.", "extra": {"b": [1, None, 0.1], "a": {}}}},
        {
            "key": "bo",
            "name": "Bo",
            "createdAt": "2024-01-01T00:00:00.000001Z",
            "energyAt": "2024-03-01T00:00:00.000001Z",
        },
    ],
    Kind.MEMORIES: [
        # The evidence stands on a later line.
        {"id": SNOW, "agent": "ada", "content": "Snow.", "about": ["bo"], "evidence": [RAIN], "embedding": EMBEDDING},
        {"id": RAIN, "agent": "ada", "content": "Rain.", "importance": 1 / 3, "createdAt": "1969-07-20T20:17:40.5Z"},
    ],
    Kind.RELATIONSHIPS: [
        {
            "source": "ada",
            "target": "bo",
            "strength": 0.7,
            "lastInteractionAt": "2024-02-01",
            "strengthAt": "2024-03-01",
        }
    ],
    Kind.INTERACTIONS: [{"source": "bo", "target": "ada", "kind": "chat", "impact": -0.25, "content": 'a\n"b"\u2028é'}],
    Kind.KNOWLEDGE: [{"agent": "bo", "topic": "weather", "content": "It will rain.", "confidence": 1}],
}


def write_files(directory: Path, **changed: list[Any]) -> Path:
    """Writes the files; what is given under a file's name is written instead, a text as it is."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind in Kind:
        lines = changed.get(kind.value, FILES[kind])
        data = b"\n".join(line.encode() if isinstance(line, str) else orjson.dumps(line) for line in lines)
        (directory / f"{kind.value}.jsonl").write_bytes(data)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


async def totals(database: Database) -> dict[str, int]:
    return {kind.value: (await database.read("count", COUNTS[kind]))[0][0] for kind in Kind}


async def is_empty(database: Database) -> bool:
    rows = await database.read("count", "MATCH (n) WHERE NOT n:Migration RETURN count(n)")
    return rows == [[0]]
