"""The characters of Les Misérables and who appears with whom, as networkx ships them (D. E. Knuth's data).

A tie's strength grows with the number of chapters that two share, relative to the closest pair of the book,
on a logarithmic scale; every five chapters shared are one interaction each way.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import log
from random import Random
from typing import Any, cast

import networkx

from graph.database import Database
from graph.ids import derived_id
from graph.ingest.bulk import Progress, silent, writing
from graph.ingest.roles import CHARACTERS, KNOWN, NAMES, STORIES, TIES
from graph.ingest.smallville import slug
from graph.ingest.synthetic import refuse_clashes
from graph.model import Agent, MemoryKind, Persona
from graph.records import (
    InteractionRecord,
    Kind,
    KnowledgeRecord,
    MemoryRecord,
    RelationshipRecord,
    Society,
)

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
MOST_MEMORIES = 12
CHAPTERS_AN_INTERACTION = 5

Neighbours = dict[str, list[tuple[str, int]]]


def name_of(label: str) -> str:
    """Writes a character's name as the book does."""
    return NAMES.get(label, label)


def appearances() -> Neighbours:
    """Lists for each character the others by the chapters shared, the most first."""
    graph = cast("Any", networkx).les_miserables_graph()
    return {
        str(label): sorted(
            ((str(other), int(data["weight"])) for other, data in graph[label].items()),
            key=lambda pair: (-pair[1], pair[0]),
        )
        for label in sorted(graph)
    }


def read_les_miserables() -> Society:
    """Makes the society: it is the same every time."""
    neighbours = appearances()
    closest = max(weight for others in neighbours.values() for _, weight in others)
    society = Society()
    for label, others in neighbours.items():
        random = Random(label)  # noqa: S311
        society.agents.append(agent_of(label, others, random))
        society.memories += memories_of(label, others, random)
        for other, weight in others:
            meetings = meetings_of(label, other, weight)
            society.relationships.append(tie_of(label, other, weight, closest, meetings))
            society.interactions += interactions_of(label, other, meetings)
        society.knowledge += knowledge_of(label)
    return society


def agent_of(label: str, others: list[tuple[str, int]], random: Random) -> Agent:
    name = name_of(label)
    summary, traits = CHARACTERS.get(label, ("", ""))
    beside = " and ".join(name_of(other) for other, _ in others[:2])
    return Agent(
        id=derived_id("Agent", slug(name)),
        key=slug(name),
        name=name,
        persona=Persona(
            summary=summary or f"{name} is seen beside {beside}.",
            traits=traits.split(),
            currently=f"Is mostly in the company of {beside}.",
            extra={"chaptersShared": sum(weight for _, weight in others)},
        ),
        social_energy=round(random.uniform(0.4, 1.0), 2),
        created_at=EPOCH,
        updated_at=EPOCH,
    )


def memories_of(label: str, others: list[tuple[str, int]], random: Random) -> Iterator[MemoryRecord]:
    key = slug(name_of(label))
    day = 0
    told = [(*story, MemoryKind.EVENT) for story in STORIES.get(label, ())]
    for other, weight in others[: MOST_MEMORIES - len(told)]:
        times = "once" if weight == 1 else f"in {weight} chapters"
        importance = round(0.15 + 0.5 * log(weight + 1) / log(32), 3)
        told.append((f"{name_of(other)} and I met {times}.", importance, other, MemoryKind.THOUGHT))
    for content, importance, about, kind in told:
        day += 1 + random.randrange(3)
        at = EPOCH + timedelta(days=day, minutes=random.randrange(1440))
        yield MemoryRecord(
            id=derived_id("Memory", key, content),
            agent=key,
            content=content,
            importance=importance,
            kind=kind,
            created_at=at,
            accessed_at=at,
            about=[slug(name_of(about))],
        )


def meetings_of(label: str, other: str, weight: int) -> list[datetime]:
    """Says when two met: the same times for both."""
    random = Random("/".join(sorted((label, other))))  # noqa: S311
    count = weight // CHAPTERS_AN_INTERACTION
    return sorted(EPOCH + timedelta(days=random.randrange(1, 40), minutes=random.randrange(1440)) for _ in range(count))


def tie_of(label: str, other: str, weight: int, closest: int, meetings: list[datetime]) -> RelationshipRecord:
    source, target = slug(name_of(label)), slug(name_of(other))
    strength = round(log(weight + 1) / log(closest + 1), 4)
    kind, trust = TIES.get((label, other), ("acquaintance" if weight < 3 else "companion", strength))
    return RelationshipRecord(
        id=derived_id("Relationship", source, target),
        source=source,
        target=target,
        kind=kind,
        strength=strength,
        trust=trust,
        interaction_count=len(meetings),
        first_met_at=EPOCH,
        last_interaction_at=meetings[-1] if meetings else None,
    )


def interactions_of(label: str, other: str, meetings: list[datetime]) -> Iterator[InteractionRecord]:
    source, target = slug(name_of(label)), slug(name_of(other))
    _, trust = TIES.get((label, other), ("", 0.6))
    for order, at in enumerate(meetings):
        yield InteractionRecord(
            id=derived_id("Interaction", source, target, order),
            source=source,
            target=target,
            kind="conversation" if trust >= 0.3 else "confrontation",
            content=f"{name_of(label)} met {name_of(other)}.",
            impact=round(trust - 0.3, 2),
            at=at,
        )


def knowledge_of(label: str) -> Iterator[KnowledgeRecord]:
    key = slug(name_of(label))
    for topic, content, confidence in KNOWN.get(label, ()):
        yield KnowledgeRecord(
            id=derived_id("Knowledge", key, content),
            agent=key,
            topic=topic,
            content=content,
            confidence=confidence,
            source="experience",
            learned_at=EPOCH,
        )


async def seed_les_miserables(database: Database, *, max_agents: int, progress: Progress = silent) -> dict[str, int]:
    """Adds the characters of Les Misérables; returns how many of each kind.

    Raises BadInput if these are too many agents, Conflict if one of their keys is taken.
    """
    society = read_les_miserables()
    await refuse_clashes(database, [agent.key for agent in society.agents], max_agents)
    created: dict[str, int] = {}
    async with writing(database, progress) as writer:
        for kind, records in (
            (Kind.AGENTS, society.agents),
            (Kind.MEMORIES, society.memories),
            (Kind.RELATIONSHIPS, society.relationships),
            (Kind.INTERACTIONS, society.interactions),
            (Kind.KNOWLEDGE, society.knowledge),
        ):
            created[kind.value] = await writer.write(kind, records, len(records))
    return created


async def demo_society(database: Database, *, max_agents: int = 10_000, progress: Progress = silent) -> None:
    """Fills an empty database with a society for a first look around; the caller sees that it is empty."""
    await seed_les_miserables(database, max_agents=max_agents, progress=progress)
