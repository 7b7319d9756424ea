"""Measures whether recall brings the right memories: questions about conversations, with known evidence.

Each conversation becomes what an agent remembers, on an embedded Neo4j. Candidates come as `Agent.recall` gets
them; then they are ranked in several ways.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.eval.conversations import Conversation, Question, read_conversations
from deploy.servers import temporary_servers
from graph.database import Database
from graph.embedded.servers import EmbeddedServers
from graph.embedding import fault, load_model, plain
from graph.errors import SocietyError
from graph.ids import derived_id
from graph.ingest.bulk import writing
from graph.migrations import memory_search, migrate, without
from graph.model import Agent
from graph.ranking import DAY, HOUR, Candidate, Weights, rank
from graph.recall import MOST_ALIKE, RecallKey, RecallShape, fetch_candidates
from graph.records import Kind, MemoryRecord
from graph.search import read_words

AT = (1, 5, 10)
EVERYTHING = 1_000_000
WAYS = {
    "recency only": Weights(importance=0, relevance=0),
    "full text only": Weights(recency=0, importance=0),
    "recall": Weights(),
}
GRID = [
    Weights(recency=recency, importance=importance, relevance=relevance, half_life=half_life)
    for recency, importance, relevance, half_life in product(
        (0.0, 0.1, 0.25, 0.5, 1.0), (0.0, 0.1, 0.25, 0.5, 1.0), (1.0, 2.0), (12 * HOUR, 138 * HOUR, 30 * DAY)
    )
]
out = Console()


@dataclass(frozen=True)
class Asked:
    """A question, by the ids that its evidence has in the database, and all that may come to mind."""

    evidence: set[str]
    candidates: list[Candidate]


@dataclass(frozen=True)
class Figures:
    """The share of evidence that is among the first so many, and the mean of 1 over the first right one's place."""

    recall: dict[int, float]
    reciprocal: float


async def load(database: Database, conversations: Iterable[Conversation]) -> None:
    """Lets an agent remember each conversation."""
    for conversation in conversations:
        at = conversation.turns[0].at
        agent = Agent(
            id=agent_id(conversation), key=conversation.name, name=conversation.name, created_at=at, updated_at=at,
            memory_capacity=EVERYTHING,
        )  # fmt: skip
        memories = [
            MemoryRecord(
                id=memory_id(conversation, turn.id), agent=agent.key, content=turn.text, importance=turn.importance,
                created_at=turn.at, accessed_at=turn.at,
            )
            for turn in conversation.turns
        ]  # fmt: skip
        async with writing(database) as writer:
            await writer.write(Kind.AGENTS, [agent])
            await writer.write(Kind.MEMORIES, memories)


def agent_id(conversation: Conversation) -> str:
    return derived_id("Agent", "evaluation", conversation.name)


def memory_id(conversation: Conversation, turn: str) -> str:
    return derived_id("Memory", "evaluation", conversation.name, turn)


class Meanings:
    """Embeddings of all that is remembered and asked, by a small model that the extra `embeddings` brings along."""

    def __init__(self, conversations: Iterable[Conversation]) -> None:
        if lacking := fault():
            raise SystemExit(f"--embeddings {lacking}.")
        self._model = load_model()
        self._vectors = {
            memory_id(conversation, turn.id): self._model.passage(plain(turn.text))
            for conversation in conversations
            for turn in conversation.turns
        }

    def compare(self, candidates: Sequence[Candidate], text: str) -> list[Candidate]:
        """Tells how alike candidates are to a text, as a vector index would: of the nearest alone, as (1 + cos) / 2."""
        asked = self._model.query(plain(text))
        likeness = {each.id: (1 + float(self._vectors[each.id] @ asked)) / 2 for each in candidates}
        nearest = set(sorted(likeness, key=lambda id: -likeness[id])[:MOST_ALIKE])
        return [replace(each, likeness=likeness[each.id]) if each.id in nearest else each for each in candidates]


async def ask(database: Database, conversation: Conversation, question: Question) -> Asked:
    shape = RecallShape(EVERYTHING, read_words(question.text))
    key = RecallKey(shape, agent_id(conversation))
    (candidates,) = await fetch_candidates(database, shape, [key], 30)
    return Asked({memory_id(conversation, turn) for turn in question.evidence}, candidates)


async def ask_all(database: Database, conversations: Iterable[Conversation]) -> list[Asked]:
    return [await ask(database, each, question) for each in conversations for question in each.questions]


def measure(asked: Sequence[Asked], weights: Weights) -> Figures:
    """Ranks the candidates of every question."""
    found: list[dict[int, float]] = []
    reciprocals: list[float] = []
    for each in asked:
        ids = [ranked.id for ranked in rank(each.candidates, weights)]
        places = [place for place, id in enumerate(ids, 1) if id in each.evidence]
        found.append({most: sum(place <= most for place in places) / len(each.evidence) for most in AT})
        reciprocals.append(1 / places[0] if places else 0.0)
    return Figures({most: mean(one[most] for one in found) for most in AT}, mean(reciprocals))


def show(title: str, rows: Iterable[tuple[str, Figures]]) -> None:
    table = Table("ranked by", *(f"recall@{most}" for most in AT), "MRR", title=title)
    for name, figures in rows:
        table.add_row(name, *(f"{figures.recall[most]:.3f}" for most in AT), f"{figures.reciprocal:.3f}")
    out.print(table)


def describe(weights: Weights) -> str:
    return (
        f"recency {weights.recency:g}, importance {weights.importance:g}, relevance {weights.relevance:g}, "
        f"half-life {weights.half_life / HOUR:g} h"
    )


async def evaluate(
    database: Database, conversations: Sequence[Conversation], *, grid: bool, analyzer: str, embeddings: bool
) -> None:
    await migrate(database)
    if analyzer:
        await database.write("analyzer", without("memory_search"))
        await database.write("analyzer", memory_search(analyzer))
    await load(database, conversations)
    asked = await ask_all(database, conversations)
    turns = sum(len(each.turns) for each in conversations)
    out.print(f"{len(conversations)} conversations, {turns} memories, {len(asked)} questions")
    show(analyzer or "as it is", [(name, measure(asked, weights)) for name, weights in WAYS.items()])
    if embeddings:
        meanings = Meanings(conversations)
        texts = [question.text for each in conversations for question in each.questions]
        both = [
            replace(each, candidates=meanings.compare(each.candidates, text))
            for each, text in zip(asked, texts, strict=True)
        ]
        ways = {"words and meaning only": WAYS["full text only"], "recall": WAYS["recall"]}
        show("by words and meaning", [(name, measure(both, weights)) for name, weights in ways.items()])
    if grid:
        tried = [(describe(weights), measure(asked, weights)) for weights in GRID]
        tried.sort(key=lambda each: (each[1].recall[10], each[1].reciprocal), reverse=True)
        show("the best of other weights", tried[:12])


async def run(
    servers: EmbeddedServers, conversations: Sequence[Conversation], grid: bool, analyzer: str, embeddings: bool
) -> None:
    url, password = servers.addresses.database_url, servers.password
    async with Database.connect(url, user="neo4j", password=password) as database:
        await database.wait_until_ready(60)
        await evaluate(database, conversations, grid=grid, analyzer=analyzer, embeddings=embeddings)


def main(
    directory: Annotated[Path, typer.Argument(help="Where the conversations are.", exists=True, file_okay=False)],
    grid: Annotated[bool, typer.Option(help="Try other weights as well.")] = False,
    analyzer: Annotated[str, typer.Option(help="Index with another analyzer of Neo4j's.")] = "",
    embeddings: Annotated[bool, typer.Option(help="Compare meanings as well, by the extra's model.")] = False,
    most: Annotated[int, typer.Option(help="Questions of each conversation at most.")] = EVERYTHING,
) -> None:
    """Measure recall on an embedded Neo4j of its own."""
    try:
        conversations = [replace(each, questions=each.questions[:most]) for each in read_conversations(directory)]
    except SocietyError as error:
        raise SystemExit(error.message) from None
    with temporary_servers(lambda _: None) as servers:
        asyncio.run(run(servers, conversations, grid, analyzer, embeddings))


if __name__ == "__main__":
    typer.run(main)
