"""Generates societies: the same numbers and the same seed always give the same one, to the last id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random

from graph.database import Database
from graph.errors import BadInput, Conflict
from graph.ids import derived_id
from graph.ingest import words
from graph.ingest.bulk import Progress, check_room, silent, writing
from graph.ingest.network import Network, draw
from graph.model import Agent, MemoryKind, Persona
from graph.records import InteractionRecord, Kind, KnowledgeRecord, MemoryRecord, RelationshipRecord

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 30
SECONDS = DAYS * 86400
CONTENTS = (
    (0.60, MemoryKind.EVENT, words.EVENTS),
    (0.78, MemoryKind.THOUGHT, words.THOUGHTS),
    (0.90, MemoryKind.CHAT, words.CHATS),
    (0.95, MemoryKind.PLAN, words.PLANS),
    (1.01, MemoryKind.REFLECTION, words.REFLECTIONS),
)


@dataclass(frozen=True)
class Tie:
    """One relationship, and when its interactions happened, in seconds after the epoch."""

    target: int
    kind: str
    strength: float
    trust: float
    met: int
    interactions: list[int]


@dataclass
class SyntheticSociety:
    """A society of `agents`, with averages for each of them; its records are made as they are asked for."""

    agents: int
    memories: int
    relationships: float
    knowledge: float
    seed: int

    @cached_property
    def network(self) -> Network:
        return draw(self.agents, self.relationships, self.seed)

    @cached_property
    def names(self) -> list[str]:
        random = self.random("names", 0)
        return [f"{random.choice(words.FIRST_NAMES)} {random.choice(words.LAST_NAMES)}" for _ in range(self.agents)]

    def random(self, stream: str, agent: int) -> Random:
        """Gives each agent random numbers of its own for each purpose, so that any part can be made alone."""
        return Random(f"{self.seed}/{stream}/{agent}")  # noqa: S311

    def id(self, type_name: str, *parts: object) -> str:
        return derived_id(type_name, "synthetic", self.seed, *parts)

    def keys(self) -> list[str]:
        return [f"agent_{number}" for number in range(self.agents)]

    def agent_records(self) -> Iterator[Agent]:
        for number, name in enumerate(self.names):
            random = self.random("agents", number)
            trade, pastime = random.choice(words.TRADES), random.choice(words.PASTIMES)
            yield Agent(
                id=self.id("Agent", number),
                key=f"agent_{number}",
                name=name,
                persona=Persona(
                    summary=f"{name} is a {trade} who spends free hours on {pastime}.",
                    traits=random.sample(words.TRAITS, 3),
                    age=random.randint(18, 85),
                    lifestyle=f"Goes to bed around {random.randint(9, 12)}pm, gets up around {random.randint(5, 9)}am.",
                    currently=said("Is often at {place}, thinking about {subject}.", name, random),
                    extra={"community": self.network.community[number], "trade": trade},
                ),
                social_energy=round(random.uniform(0.3, 1.0), 3),
                learning_rate=round(random.uniform(0.05, 0.3), 3),
                memory_capacity=max(1000, 2 * self.memories),
                created_at=EPOCH,
                updated_at=EPOCH,
            )

    def memory_records(self) -> Iterator[MemoryRecord]:
        for number in range(self.agents):
            random = self.random("memories", number)
            known = self.network.out[number]
            moments = sorted(random.randrange(SECONDS) for _ in range(self.memories))
            for order, moment in enumerate(moments):
                yield self._memory(number, order, EPOCH + timedelta(seconds=moment), known, random)

    def _memory(self, number: int, order: int, at: datetime, known: list[int], random: Random) -> MemoryRecord:
        other = random.choice(known) if known else None
        lot = random.random()
        kind, templates = next((kind, templates) for limit, kind, templates in CONTENTS if lot < limit)
        evidence: list[str] = []
        if kind is MemoryKind.REFLECTION and order >= 2:
            evidence = [self.id("Memory", number, each) for each in random.sample(range(order), 2)]
        return MemoryRecord(
            id=self.id("Memory", number, order),
            agent=f"agent_{number}",
            content=said(random.choice(templates), "a stranger" if other is None else self.names[other], random),
            importance=round(random.random() ** (1.2 if kind is MemoryKind.REFLECTION else 2), 4),
            kind=kind,
            created_at=at,
            accessed_at=at,
            about=[] if other is None else [f"agent_{other}"],
            evidence=evidence,
        )

    def ties(self, number: int) -> Iterator[Tie]:
        """Yields an agent's relationships: those inside its community are stronger and busier."""
        random = self.random("ties", number)
        for target in self.network.out[number]:
            inside = self.network.is_inside(number, target)
            strength = 0.3 + 0.7 * max(random.random(), random.random()) if inside else 0.6 * random.random()
            met = random.randrange(SECONDS // 2)
            times = int(strength * 4 * random.random() ** 2)
            yield Tie(
                target=target,
                kind=random.choice(words.TIES_INSIDE if inside else words.TIES_OUTSIDE),
                strength=round(strength, 4),
                trust=round(min(1.0, max(0.0, strength + random.uniform(-0.2, 0.2))), 4),
                met=met,
                interactions=sorted(random.randrange(met, SECONDS) for _ in range(times)),
            )

    def relationship_records(self) -> Iterator[RelationshipRecord]:
        for number in range(self.agents):
            for tie in self.ties(number):
                latest = tie.interactions[-1] if tie.interactions else None
                yield RelationshipRecord(
                    id=self.id("Relationship", number, tie.target),
                    source=f"agent_{number}",
                    target=f"agent_{tie.target}",
                    kind=tie.kind,
                    strength=tie.strength,
                    trust=tie.trust,
                    interaction_count=len(tie.interactions),
                    first_met_at=EPOCH + timedelta(seconds=tie.met),
                    last_interaction_at=None if latest is None else EPOCH + timedelta(seconds=latest),
                )

    def interaction_records(self) -> Iterator[InteractionRecord]:
        for number in range(self.agents):
            random = self.random("interactions", number)
            for tie in self.ties(number):
                for order, moment in enumerate(tie.interactions):
                    kind, impact, template = random.choice(words.INTERACTIONS)
                    yield InteractionRecord(
                        id=self.id("Interaction", number, tie.target, order),
                        source=f"agent_{number}",
                        target=f"agent_{tie.target}",
                        kind=kind,
                        content=said(template, self.names[tie.target], random),
                        impact=round(max(-1.0, min(1.0, impact + random.uniform(-0.3, 0.3))), 3),
                        at=EPOCH + timedelta(seconds=moment),
                    )

    def knowledge_records(self) -> Iterator[KnowledgeRecord]:
        for number in range(self.agents):
            random = self.random("knowledge", number)
            count = int(self.knowledge) + (random.random() < self.knowledge % 1)
            for order in range(count):
                topic = zipf(words.SUBJECTS, random)
                yield KnowledgeRecord(
                    id=self.id("Knowledge", number, order),
                    agent=f"agent_{number}",
                    topic=topic,
                    content=random.choice(words.LEARNED).format(subject=topic),
                    confidence=round(random.uniform(0.2, 1.0), 3),
                    source=random.choice(("experience", "hearsay", "a book", None)),
                    learned_at=EPOCH + timedelta(seconds=random.randrange(SECONDS)),
                )


def said(template: str, name: str, random: Random) -> str:
    return template.format(
        name=name,
        place=random.choice(words.PLACES),
        subject=zipf(words.SUBJECTS, random),
        pastime=random.choice(words.PASTIMES),
    )


def zipf(items: Sequence[str], random: Random) -> str:
    """Chooses the k-th item with a probability of about 1/k."""
    return items[min(len(items) - 1, int((len(items) + 1) ** random.random()) - 1)]


async def seed_society(
    database: Database,
    *,
    agents: int,
    memories: int = 30,
    relationships: float = 15,
    knowledge: float = 3,
    seed: int = 0,
    max_agents: int,
    progress: Progress = silent,
) -> dict[str, int]:
    """Adds a synthetic society; returns how many of each kind. All but the first are averages for an agent.

    Raises BadInput for numbers that make no sense or too many agents, Conflict if its keys are taken.
    """
    given = {"agents": agents, "memories": memories, "relationships": relationships, "knowledge": knowledge}
    for name, number in given.items():
        if number < (1 if name == "agents" else 0):
            raise BadInput(f"{name}: must be {'1 or more' if name == 'agents' else 'no less than 0'}, is {number}")
    society = SyntheticSociety(agents, memories, relationships, knowledge, seed)
    await refuse_clashes(database, society.keys(), max_agents)
    created: dict[str, int] = {}
    async with writing(database, progress) as writer:
        created["agents"] = await writer.write(Kind.AGENTS, society.agent_records(), agents)
        created["memories"] = await writer.write(Kind.MEMORIES, society.memory_records(), agents * memories)
        await writer.link_evidence()
        ties = sum(map(len, society.network.out))
        created["relationships"] = await writer.write(Kind.RELATIONSHIPS, society.relationship_records(), ties)
        created["interactions"] = await writer.write(Kind.INTERACTIONS, society.interaction_records())
        created["knowledge"] = await writer.write(Kind.KNOWLEDGE, society.knowledge_records())
    return created


async def refuse_clashes(database: Database, keys: list[str], max_agents: int) -> None:
    """Raises BadInput if these are too many agents, Conflict if one of their keys is taken."""
    taken = await check_room(database, keys, max_agents)
    if taken:
        first = min(taken, key=lambda key: (len(key), key))
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise Conflict(f"The agent {first}{more} exist already: seed an empty database.")
