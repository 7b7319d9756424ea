"""Brings saved generative-agents simulations into the graph.

An agent's key is its name in lower case with underscores, so that several simulations of the same persons
combine. What a simulation says is the same whichever order they are read in: of a persona the latest clock
counts; a memory is the same if persona, node, time and text are; ties follow from all facts and chats together
(`graph.ingest.facts` has the rules). Each chat is one interaction each way.

A memory is about the personas that its subject, object and keywords name, except the one who remembers and
those named in a place such as "the Ville:Maria Lopez's room". Times are the simulation's clock taken as UTC.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from graph.ids import derived_id
from graph.ingest.facts import Names, met, topic_of, weigh
from graph.ingest.simulation import FACTS_FILE, MemoryNode, PersonaFolder, Simulation, read_simulation
from graph.model import Agent, MemoryKind, Persona
from graph.records import InteractionRecord, KnowledgeRecord, MemoryRecord, RelationshipRecord, Society

CHAT_IMPACT = 0.3
CONFIDENCE = 0.9
LONGEST_CONTENT = 20_000
PLAN = re.compile(r"This is .+'s plan for ")
EXTRA = ("daily_plan_req", "living_area", "daily_req", "f_daily_schedule_hourly_org")

Pair = tuple[str, str]


@dataclass(kw_only=True)
class Evidence:
    """All that ties follow from: sentences and times of chats, by who feels them and toward whom."""

    facts: defaultdict[Pair, set[str]] = field(default_factory=lambda: defaultdict(set))
    chats: defaultdict[Pair, set[datetime]] = field(default_factory=lambda: defaultdict(set))

    def pairs(self) -> list[Pair]:
        return sorted(self.facts.keys() | self.chats.keys())

    def tie(self, pair: Pair, start: datetime) -> RelationshipRecord:
        """Draws the tie that follows for a pair, in a simulation that began at `start`."""
        chats = sorted(self.chats.get(pair, ()))
        bond = weigh(self.facts.get(pair, ()), len(chats))
        return RelationshipRecord(
            id=derived_id("Relationship", *pair),
            source=pair[0],
            target=pair[1],
            kind=bond.kind,
            strength=bond.strength,
            trust=bond.trust,
            interaction_count=len(chats),
            first_met_at=met(bond, start, chats[0] if chats else None),
            last_interaction_at=chats[-1] if chats else None,
        )


@dataclass(kw_only=True)
class Smallville(Society):
    """A society read from simulations, with what its relationships follow from."""

    start: datetime
    names: Names
    evidence: Evidence = field(default_factory=Evidence)


def slug(name: str) -> str:
    """Turns a name into a key: Isabella Rodriguez into isabella_rodriguez."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or re.sub(r"\s+", "_", name.strip().lower())


def read_smallville(directories: Iterable[Path]) -> Smallville:
    """Reads simulations into one society. Raises BadInput that names the file and what is wrong with it."""
    simulations = [read_simulation(directory) for directory in directories]
    notes = [note for simulation in simulations for note in simulation.notes]
    keys = {persona.name: slug(persona.name) for each in simulations for persona in each.personas}
    town = Smallville(start=min(simulation.start for simulation in simulations), names=Names(keys, notes), notes=notes)
    agents: dict[str, Agent] = {}
    memories: dict[str, MemoryRecord] = {}
    interactions: dict[str, InteractionRecord] = {}
    for simulation in simulations:
        for persona in simulation.personas:
            agent = agent_of(persona, simulation.start)
            agents[agent.key] = max(agents.get(agent.key, agent), agent, key=age_of_news)
            for memory in memories_of(persona, agent.key, town):
                memories[memory.id] = merged(memories.get(memory.id, memory), memory)
            for interaction in interactions_of(persona, agent.key, town):
                known = interactions.get(interaction.id, interaction)
                interactions[interaction.id] = max(known, interaction, key=lambda each: each.content or "")
        read_knowledge(simulation, town)
    town.agents = [agents[key] for key in sorted(agents)]
    town.memories = sorted(memories.values(), key=lambda memory: memory.id)
    town.interactions = sorted(interactions.values(), key=lambda interaction: interaction.id)
    for interaction in town.interactions:
        town.evidence.chats[interaction.source, interaction.target].add(interaction.at)
    town.relationships = [town.evidence.tie(pair, town.start) for pair in town.evidence.pairs()]
    town.knowledge = sorted({each.id: each for each in town.knowledge}.values(), key=lambda each: each.id)
    return town


def agent_of(persona: PersonaFolder, start: datetime) -> Agent:
    scratch = persona.scratch
    extra: dict[str, Any] = {name: scratch[name] for name in EXTRA if scratch.get(name)}
    key = slug(persona.name)
    return Agent(
        id=derived_id("Agent", key),
        key=key,
        name=persona.name,
        persona=Persona(
            summary=scratch.get("learned") or scratch.get("currently") or f"{persona.name} lives here.",
            traits=[trait.strip() for trait in (scratch.get("innate") or "").split(",") if trait.strip()],
            age=scratch.get("age"),
            lifestyle=scratch.get("lifestyle") or None,
            currently=scratch.get("currently") or None,
            extra=extra or None,
        ),
        created_at=start,
        updated_at=persona.clock,
    )


def age_of_news(agent: Agent) -> tuple[datetime, bytes]:
    """Orders what is said of one person: the latest clock last, ties by the text so that order never counts."""
    return agent.updated_at, orjson.dumps(agent.persona)


def memory_id(key: str, node: MemoryNode) -> str:
    return derived_id("Memory", key, node.name, node.created.isoformat(), node.description)


def memories_of(persona: PersonaFolder, key: str, town: Smallville) -> Iterable[MemoryRecord]:
    ids = {node.name: memory_id(key, node) for node in persona.nodes}
    for node in persona.nodes:
        lost = [name for name in node.evidence if name not in ids]
        if lost:
            town.notes.append(
                f"{persona.name}, {node.name}: left out the filling {', '.join(lost)}, which is not there"
            )
        about = town.names.find(
            "; ".join(part for part in (node.subject, node.object, *node.keywords) if ":" not in part),
            apart_from=key,
        )
        yield MemoryRecord(
            id=ids[node.name],
            agent=key,
            content=node.description[:LONGEST_CONTENT],
            importance=node.poignancy / 10,
            kind=kind_of(node),
            created_at=node.created,
            accessed_at=node.created,
            about=sorted(about),
            evidence=sorted({ids[name] for name in node.evidence if name in ids} - {ids[node.name]}),
            embedding=node.embedding,
        )


def kind_of(node: MemoryNode) -> MemoryKind:
    """Tells plans by their first words, and reflections by what they were drawn from or their depth."""
    if node.type != "thought":
        return MemoryKind(node.type.upper())
    if PLAN.match(node.description):
        return MemoryKind.PLAN
    return MemoryKind.REFLECTION if node.evidence or node.depth > 1 else MemoryKind.THOUGHT


def merged(one: MemoryRecord, other: MemoryRecord) -> MemoryRecord:
    """Combines what two simulations say of the same memory; the order makes no difference."""
    return replace(
        one,
        importance=max(one.importance, other.importance),
        about=sorted({*one.about, *other.about}),
        evidence=sorted({*one.evidence, *other.evidence}),
        embedding=max(filter(None, (one.embedding, other.embedding)), default=None),
    )


def interactions_of(persona: PersonaFolder, key: str, town: Smallville) -> Iterable[InteractionRecord]:
    """Yields each chat both ways; both who took part may remember it, which makes it no second one."""
    for node in persona.nodes:
        if node.type != "chat":
            continue
        named = [node.object, node.subject, *(speaker for speaker, _ in node.lines)]
        others = {other for name in named if name and (other := town.names.key_of(name)) not in (None, key)}
        if len(others) != 1:
            whom = "nobody known" if not others else "several"
            town.notes.append(f"{persona.name}, {node.name}: a chat with {whom} makes no interaction")
            continue
        said = "\n".join(f"{speaker}: {line}" for speaker, line in node.lines) or node.description
        ends = sorted((key, *(other for other in others if other)))
        for source, target in (ends, ends[::-1]):
            yield InteractionRecord(
                id=derived_id("Interaction", "chat", source, target, node.created.isoformat()),
                source=source,
                target=target,
                kind="chat",
                content=said[:LONGEST_CONTENT],
                impact=CHAT_IMPACT,
                at=node.created,
            )


def read_knowledge(simulation: Simulation, town: Smallville) -> None:
    """Turns facts into knowledge, about whom they name or else a theme, and remembers what they say of ties."""
    for name, sentences in simulation.facts.items():
        key = town.names.key_of(name)
        if key is None:
            town.notes.append(f"{FACTS_FILE}: there is no persona {name}: left out what it knows")
            continue
        for sentence in sentences:
            people = town.names.find(sentence, apart_from=key)
            for other, masked in people.items():
                town.evidence.facts[key, other].add(masked)
            town.knowledge.append(
                KnowledgeRecord(
                    id=derived_id("Knowledge", key, sentence),
                    agent=key,
                    topic=town.names.name_of(min(people)) if people else topic_of(sentence),
                    content=sentence,
                    confidence=CONFIDENCE,
                    source=FACTS_FILE,
                    learned_at=simulation.start,
                )
            )
