"""Reads the files of saved generative-agents simulations, and checks what they hold.

DIR/reverie/meta.json                                  the clock (else a simulation starts on DEFAULT_START)
DIR/agent_history.csv                                  facts that each persona starts with
DIR/personas/NAME/bootstrap_memory/scratch.json        who the persona is (the one file that must be there)
…/bootstrap_memory/associative_memory/nodes.json       the memory stream
…/bootstrap_memory/associative_memory/embeddings.json  vectors by embedding_key
"""

import csv
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson

from graph.checks import LONGEST_NAME, vector
from graph.errors import BadInput

T = TypeVar("T")

DEFAULT_START = datetime(2023, 2, 13, tzinfo=UTC)
FACTS_FILE = "agent_history.csv"
HEADER = ["Name", "Whisper"]
TYPES = ("event", "thought", "chat")
MOST_POIGNANT = 10


@dataclass(kw_only=True)
class MemoryNode:
    """One node of a memory stream, as it was saved; `filling` are node names, or a chat's (speaker, line)."""

    name: str
    type: str
    depth: int
    created: datetime
    subject: str
    object: str
    description: str
    poignancy: float
    keywords: list[str]
    evidence: list[str]
    lines: list[tuple[str, str]]
    embedding: list[float] | None


@dataclass(kw_only=True)
class PersonaFolder:
    """What one persona's folder holds."""

    name: str
    scratch: dict[str, Any]
    clock: datetime
    nodes: list[MemoryNode]


@dataclass(kw_only=True)
class Simulation:
    """One directory; `facts` maps names, as they are written there, to sentences."""

    start: datetime
    personas: list[PersonaFolder]
    facts: dict[str, list[str]]
    notes: list[str] = field(default_factory=list[str])


class Source:
    """One JSON object in a file; every complaint about it names the file and the place."""

    def __init__(self, path: Path, data: dict[str, Any], place: str = "") -> None:
        self.path, self.data, self.place = path, data, place

    @classmethod
    def open(cls, path: Path) -> "Source":
        try:
            data = orjson.loads(path.read_bytes())
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
        except orjson.JSONDecodeError as error:
            raise BadInput(f"{path}:{error.lineno}: is not JSON: {error.msg} (column {error.colno})") from None
        if not isinstance(data, dict):
            raise BadInput(f"{path}: must hold a JSON object")
        return cls(path, cast("dict[str, Any]", data))

    def refuse(self, name: str, message: str) -> BadInput:
        where = ".".join(filter(None, (self.place, name)))
        return BadInput(f"{self.path}: {where}: {message}")

    def get(self, name: str, kind: type[T]) -> T | None:
        """Returns a field of the given type, or None where it is absent, null or empty."""
        value = self.data.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.refuse(name, f"must be {PLAIN_NAMES[kind]}, is {value!r:.60}")
        return value

    def need(self, name: str, kind: type[T]) -> T:
        value = self.get(name, kind)
        if value is None:
            raise self.refuse(name, "is missing")
        return value

    def time(self, name: str, pattern: str) -> datetime | None:
        text = self.get(name, str)
        if text is None:
            return None
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            example = DEFAULT_START.strftime(pattern)
            raise self.refuse(name, f"must be a time such as {example}, is {text!r:.60}") from None

    def texts(self, name: str) -> list[str]:
        items = cast("list[Any]", self.get(name, list) or [])
        if not all(isinstance(item, str) for item in items):
            raise self.refuse(name, "must be a list of texts")
        return items


PLAIN_NAMES: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "an object"}
LONG_TIME = "%B %d, %Y, %H:%M:%S"


def read_simulation(directory: Path) -> Simulation:
    """Reads one directory. Raises BadInput that names the file and what is wrong with it."""
    folders = directory / "personas"
    if not folders.is_dir():
        raise BadInput(f"{directory}: holds no personas folder: name the directory of a saved simulation.")
    meta_file = directory / "reverie" / "meta.json"
    meta = Source.open(meta_file) if meta_file.exists() else Source(meta_file, {})
    start = meta.time("start_date", "%B %d, %Y") or DEFAULT_START
    clock = meta.time("curr_time", LONG_TIME) or start
    personas = [read_persona(path, clock) for path in sorted(folders.iterdir()) if path.is_dir()]
    if not personas:
        raise BadInput(f"{folders}: holds no persona.")
    notes: list[str] = []
    return Simulation(start=start, personas=personas, facts=read_facts(directory / FACTS_FILE, notes), notes=notes)


def read_persona(folder: Path, clock: datetime) -> PersonaFolder:
    memory = folder / "bootstrap_memory"
    scratch = Source.open(memory / "scratch.json")
    name = scratch.need("name", str)
    if len(name) > LONGEST_NAME:
        raise scratch.refuse("name", f"must have {LONGEST_NAME} characters at most, has {len(name)}")
    return PersonaFolder(
        name=name,
        scratch=checked_scratch(scratch),
        clock=scratch.time("curr_time", LONG_TIME) or clock,
        nodes=read_nodes(memory / "associative_memory"),
    )


def checked_scratch(scratch: Source) -> dict[str, Any]:
    """Returns what is in a scratch.json after a look at the types of what is used of it."""
    age = scratch.get("age", int)
    if age is not None and age < 0:
        raise scratch.refuse("age", f"must not be negative, is {age}")
    for name in ("innate", "learned", "currently", "lifestyle", "living_area", "daily_plan_req"):
        scratch.get(name, str)
    for name in ("daily_req", "f_daily_schedule_hourly_org"):
        scratch.get(name, list)
    return scratch.data


def read_nodes(folder: Path) -> list[MemoryNode]:
    """Reads a memory stream, the earliest first; a missing file is an empty one."""
    path, vectors_path = folder / "nodes.json", folder / "embeddings.json"
    if not path.exists():
        return []
    vectors = Source.open(vectors_path) if vectors_path.exists() else Source(vectors_path, {})
    nodes: list[MemoryNode] = []
    for name, node in Source.open(path).data.items():
        if not isinstance(node, dict):
            raise BadInput(f"{path}: {name}: must be an object")
        nodes.append(read_node(Source(path, cast("dict[str, Any]", node), name), vectors))
    return sorted(nodes, key=lambda node: (node.created, natural(node.name)))


def natural(name: str) -> tuple[int, str]:
    digits = re.search(r"\d+$", name)
    return int(digits[0]) if digits else 0, name


def read_node(node: Source, vectors: Source) -> MemoryNode:
    kind, poignancy = node.need("type", str), node.data.get("poignancy")
    if kind not in TYPES:
        raise node.refuse("type", f"must be one of {', '.join(TYPES)}, is {kind!r:.60}")
    if not isinstance(poignancy, int | float) or not 0 <= poignancy <= MOST_POIGNANT:
        raise node.refuse("poignancy", f"must be a number from 0 to {MOST_POIGNANT}, is {poignancy!r:.60}")
    created = node.time("created", "%Y-%m-%d %H:%M:%S")
    if created is None:
        raise node.refuse("created", "is missing")
    return MemoryNode(
        name=node.place,
        type=kind,
        depth=node.get("depth", int) or 0,
        created=created,
        subject=node.get("subject", str) or "",
        object=node.get("object", str) or "",
        description=node.need("description", str),
        poignancy=float(poignancy),
        keywords=node.texts("keywords"),
        evidence=[] if kind == "chat" else node.texts("filling"),
        lines=read_lines(node) if kind == "chat" else [],
        embedding=read_vector(node, vectors),
    )


def read_lines(node: Source) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for line in cast("list[Any]", node.get("filling", list) or []):
        match line:
            case [str(speaker), str(said)]:
                lines.append((speaker, said))
            case _:
                raise node.refuse("filling", f"must be lists of a speaker and a line, holds {line!r:.60}")
    return lines


def read_vector(node: Source, vectors: Source) -> list[float] | None:
    name = node.get("embedding_key", str)
    if name is None or name not in vectors.data:
        return None
    try:
        return vector(vectors.data[name])
    except BadInput as refused:
        raise vectors.refuse(repr(name)[:80], refused.fault) from None


def read_facts(path: Path, notes: list[str]) -> dict[str, list[str]]:
    """Reads each persona's facts; what a file that breaks off left unfinished is dropped and noted."""
    if not path.exists():
        return {}
    try:
        text = path.read_text("utf-8-sig")
        rows = list(csv.reader(StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read as CSV: {error}") from None
    if not rows or [name.strip() for name in rows[0]] != HEADER:
        found = ",".join(rows[0]) if rows else ""
        raise BadInput(f"{path}:1: the header must be {','.join(HEADER)}, is {found!r:.80}")
    facts: dict[str, list[str]] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(HEADER):
            raise BadInput(f"{path}: row {number}: must have {len(HEADER)} columns, has {len(row)}")
        sentences = [sentence.strip() for sentence in row[1].split(";")]
        facts.setdefault(row[0].strip(), []).extend(filter(None, sentences))
    if text.count('"') % 2:
        # The last quote was never closed, so that the last sentence may lack its end.
        *_, last = facts.values()
        notes.append(f"{path} breaks off: left out its last fact, {last.pop()!r:.80}")
    return facts
