"""Generated societies: the same each time, and of a believable shape."""

import statistics
from collections import Counter
from pathlib import Path

import pytest

from graph.database import Database
from graph.errors import BadInput, Conflict
from graph.forms import read_record, write_record
from graph.ingest.export import export_jsonl
from graph.ingest.les_miserables import demo_society, read_les_miserables, seed_les_miserables
from graph.ingest.synthetic import EPOCH, SyntheticSociety, seed_society
from graph.records import Kind
from tests.conftest import WIPE

from .society import contents, is_empty, totals


@pytest.fixture(scope="module")
def society() -> SyntheticSociety:
    return SyntheticSociety(agents=1000, memories=5, relationships=12, knowledge=2.5, seed=7)


def test_degrees_have_the_asked_for_mean_and_a_heavy_tail(society: SyntheticSociety) -> None:
    out = [len(targets) for targets in society.network.out]
    known = Counter(target for targets in society.network.out for target in targets)
    assert statistics.mean(out) == pytest.approx(12, rel=0.15)
    assert max(out) > 3 * statistics.mean(out)
    assert max(known.values()) > 3 * statistics.median(known.values())


def test_ties_are_mostly_inside_communities_and_stronger_there(society: SyntheticSociety) -> None:
    inside: list[float] = []
    outside: list[float] = []
    for source in range(society.agents):
        for tie in society.ties(source):
            (inside if society.network.is_inside(source, tie.target) else outside).append(tie.strength)
    assert 0.6 < len(inside) / (len(inside) + len(outside)) < 0.95
    assert statistics.mean(inside) > 2 * statistics.mean(outside)


def test_nobody_knows_themselves_or_anyone_twice(society: SyntheticSociety) -> None:
    for source, targets in enumerate(society.network.out):
        assert source not in targets
        assert len(set(targets)) == len(targets)


def test_memories_are_about_those_one_knows(society: SyntheticSociety) -> None:
    memories = list(society.memory_records())
    assert Counter(memory.agent for memory in memories) == dict.fromkeys(society.keys(), 5)
    known = {
        f"agent_{source}": {f"agent_{target}" for target in targets}
        for source, targets in enumerate(society.network.out)
    }
    assert all(set(memory.about) <= known[memory.agent] for memory in memories)
    by_agent = {memory.id: memory.agent for memory in memories}
    assert any(memory.evidence for memory in memories)
    assert all(by_agent[id] == memory.agent for memory in memories for id in memory.evidence)


def test_interactions_agree_with_the_ties(society: SyntheticSociety) -> None:
    times: dict[tuple[str, str], list[object]] = {}
    for each in society.interaction_records():
        times.setdefault((each.source, each.target), []).append(each.at)
    for tie in society.relationship_records():
        found = times.pop((tie.source, tie.target), [])
        assert tie.interaction_count == len(found)
        assert tie.last_interaction_at == (found[-1] if found else None)
        assert not tie.last_interaction_at or tie.first_met_at <= tie.last_interaction_at
    assert not times


def test_few_topics_are_known_by_many(society: SyntheticSociety) -> None:
    topics = Counter(each.topic for each in society.knowledge_records()).most_common()
    assert topics[0][1] > 5 * topics[len(topics) // 2][1]


def test_all_that_is_generated_keeps_the_rules_of_records(society: SyntheticSociety) -> None:
    for kind, records in (
        (Kind.AGENTS, society.agent_records()),
        (Kind.MEMORIES, society.memory_records()),
        (Kind.RELATIONSHIPS, society.relationship_records()),
        (Kind.INTERACTIONS, society.interaction_records()),
        (Kind.KNOWLEDGE, society.knowledge_records()),
    ):
        ids: set[str] = set()
        for record in records:
            assert read_record(kind, write_record(kind, record), EPOCH) == record
            ids.add(record.id)
        assert len(ids) > 1000 * (kind is not Kind.AGENTS)


async def test_the_same_seed_gives_the_same_graph(database: Database, tmp_path: Path) -> None:
    exports: list[dict[str, bytes]] = []
    for number, seed in enumerate((5, 5, 6)):
        await database.write("wipe", WIPE)
        await seed_society(database, agents=60, memories=5, relationships=4, knowledge=1, seed=seed, max_agents=60)
        await export_jsonl(database, tmp_path / str(number))
        exports.append(contents(tmp_path / str(number)))
    assert exports[0] == exports[1]
    assert exports[0]["memories.jsonl"] != exports[2]["memories.jsonl"]


async def test_taken_keys_are_a_conflict_and_nothing_changes(database: Database) -> None:
    await seed_society(database, agents=3, memories=1, relationships=1, knowledge=1, seed=1, max_agents=10)
    before = await totals(database)
    with pytest.raises(Conflict, match="agent_0 and 2 more exist already"):
        await seed_society(database, agents=5, memories=1, relationships=1, knowledge=1, seed=2, max_agents=10)
    assert await totals(database) == before


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"agents": 0}, "agents: must be 1 or more, is 0"),
        ({"agents": 1, "memories": -1}, "memories: must be no less than 0, is -1"),
        ({"agents": 11}, "11 would be added, but there may be 10 at most"),
    ],
)
async def test_numbers_that_make_no_sense_are_refused(
    database: Database, numbers: dict[str, int], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        await seed_society(database, **numbers, max_agents=10)
    assert await is_empty(database)


@pytest.mark.parametrize("agents", [1, 2, 5])
async def test_tiny_societies_work(database: Database, agents: int) -> None:
    created = await seed_society(
        database, agents=agents, memories=2, relationships=15, knowledge=1, seed=1, max_agents=10
    )
    assert created["memories"] == 2 * agents
    assert created["relationships"] <= agents * (agents - 1)


def test_the_miserable_are_the_77_of_the_book_with_ties_both_ways() -> None:
    society = read_les_miserables()
    assert (len(society.agents), len(society.relationships)) == (77, 2 * 254)
    keys = {agent.key for agent in society.agents}
    assert {"jean_valjean", "javert", "cosette", "mme_thenardier"} <= keys
    ties = {(tie.source, tie.target): tie for tie in society.relationships}
    assert all((target, source) in ties for source, target in ties)
    # The closest pair of the book shares 31 chapters.
    assert ties["jean_valjean", "cosette"].strength == 1.0
    assert {key for memory in society.memories for key in memory.about} <= keys
    for tie in ties.values():
        times = [each.at for each in society.interactions if (each.source, each.target) == (tie.source, tie.target)]
        assert (tie.interaction_count, tie.last_interaction_at) == (len(times), max(times, default=None))
    for kind in Kind:
        for record in getattr(society, kind.value):
            assert read_record(kind, write_record(kind, record), EPOCH) == record


async def test_the_demonstration_is_there_at_once_and_only_once(database: Database) -> None:
    await demo_society(database)
    assert (await totals(database))["agents"] == 77
    with pytest.raises(Conflict, match="exist already"):
        await seed_les_miserables(database, max_agents=1000)
