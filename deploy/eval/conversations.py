"""Conversations, and questions about them whose evidence is known, in the layouts that the evaluation reads.

- `*.jsonl`: this project's own; each line is something said or a question:
  `{"conversation": "c1", "id": "t1", "at": "2024-05-01T12:00:00Z", "speaker": "Ada", "text": "…", "importance": 0.5}`
  (`at`, `speaker` and `importance` may be left out) or
  `{"conversation": "c1", "question": "…", "evidence": ["t1"]}`
- `*.json`: that of LoCoMo (Maharana et al. 2024): a list of samples, each with `conversation` and `qa`
- a folder with `personas`: a saved simulation of generative agents, whose thoughts are the questions and the events
  and chats that each was drawn from the evidence
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from graph.errors import BadInput
from graph.ingest.smallville import read_smallville
from graph.model import MemoryKind

START = datetime(2024, 1, 1, tzinfo=UTC)
SESSION = re.compile(r"session_(\d+)")
LOCOMO_TIME = "%I:%M %p on %d %B, %Y"


@dataclass
class Turn:
    """Something to remember."""

    id: str
    text: str
    at: datetime
    importance: float = 0.5


@dataclass
class Question:
    """What is asked, and the ids of the turns that have the answer."""

    text: str
    evidence: set[str]


@dataclass
class Conversation:
    """What one agent remembers, and what it is asked."""

    name: str
    turns: list[Turn] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def ask(self, text: str, evidence: Iterable[str]) -> None:
        """Adds a question if something of its evidence was said."""
        found = {turn.id for turn in self.turns}.intersection(evidence)
        if text and found:
            self.questions.append(Question(text, found))


def read_conversations(directory: Path) -> list[Conversation]:
    """Reads all that a directory has. Raises BadInput that says which file makes no sense."""
    found: list[Conversation] = []
    for path in sorted(directory.rglob("*.json*")):
        try:
            if path.suffix == ".jsonl":
                found += read_lines(path)
            elif path.suffix == ".json" and "personas" not in path.parts and "reverie" not in path.parts:
                found += map(read_sample, orjson.loads(path.read_bytes()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path}: cannot be read as conversations ({type(error).__name__}: {error})") from None
    simulations = sorted(
        path.parent for path in [directory / "personas", *directory.glob("*/personas")] if path.is_dir()
    )
    for simulation in simulations:
        found += read_simulation(simulation)
    if not any(each.questions for each in found):
        raise BadInput(f"{directory}: holds no conversations with questions; README.md tells how they are written.")
    return [each for each in found if each.questions]


def read_lines(path: Path) -> list[Conversation]:
    """Reads this project's own layout; a question may stand before what it asks about."""
    lines: list[dict[str, Any]] = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    found: dict[str, Conversation] = {}
    for line in lines:
        conversation = found.setdefault(line["conversation"], Conversation(f"{path.stem}/{line['conversation']}"))
        if "question" not in line:
            at = (
                datetime.fromisoformat(line["at"])
                if "at" in line
                else START + timedelta(minutes=len(conversation.turns))
            )
            text = f"{line['speaker']}: {line['text']}" if "speaker" in line else line["text"]
            conversation.turns.append(Turn(line["id"], text, at, line.get("importance", 0.5)))
    for line in lines:
        if "question" in line:
            found[line["conversation"]].ask(line["question"], line["evidence"])
    return list(found.values())


def read_sample(sample: dict[str, Any]) -> Conversation:
    """Reads a sample of LoCoMo."""
    said = sample["conversation"]
    conversation = Conversation(str(sample.get("sample_id", id(sample))))
    sessions = [name for name, turns in said.items() if SESSION.fullmatch(name) and isinstance(turns, list)]
    for name in sorted(sessions, key=lambda name: int(name.partition("_")[2])):
        at = read_time(said.get(f"{name}_date_time", ""), conversation)
        for minute, turn in enumerate(said[name]):
            text = f"{turn['speaker']}: {turn['text']}"
            conversation.turns.append(Turn(turn["dia_id"], text, at + timedelta(minutes=minute)))
    for each in sample["qa"]:
        evidence = [id for one in each.get("evidence") or () for id in re.findall(r"D\d+:\d+", one)]
        conversation.ask(each["question"], evidence)
    return conversation


def read_time(text: str, conversation: Conversation) -> datetime:
    try:
        return datetime.strptime(text, LOCOMO_TIME).replace(tzinfo=UTC)
    except ValueError:
        # A day after what was said before.
        return (conversation.turns[-1].at if conversation.turns else START) + timedelta(days=1)


def read_simulation(directory: Path) -> Iterator[Conversation]:
    """Reads what each agent of a saved simulation has seen, and of its thoughts those that were drawn from it."""
    town = read_smallville([directory])
    for agent in town.agents:
        own = [memory for memory in town.memories if memory.agent == agent.key]
        conversation = Conversation(f"{directory.name}/{agent.key}")
        seen = {MemoryKind.EVENT, MemoryKind.CHAT}
        conversation.turns = [
            Turn(each.id, each.content, each.created_at, each.importance) for each in own if each.kind in seen
        ]
        for memory in own:
            conversation.ask(memory.content, memory.evidence)
        yield conversation
