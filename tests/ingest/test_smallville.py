"""The real saved simulations: what is read of them, how they combine, and what is said of broken files."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from graph.database import Database
from graph.errors import BadInput
from graph.forms import read_record, write_record
from graph.ingest.arrivals import import_smallville
from graph.ingest.export import export_jsonl
from graph.ingest.smallville import Smallville, read_smallville, slug
from graph.model import MemoryKind
from graph.records import Kind
from tests.conftest import WIPE

from .society import contents, is_empty


@pytest.fixture(scope="module")
def simulations(shared: Path) -> Path:
    folder = shared / "data" / "smallville"
    if not folder.is_dir():
        pytest.skip(f"needs the simulations in {folder}")
    return folder


@pytest.fixture(scope="module")
def town(simulations: Path) -> Smallville:
    return read_smallville([simulations / "m", simulations / "n25", simulations / "xs"])


def test_all_personas_are_read_once(town: Smallville) -> None:
    assert len(town.agents) == 25
    assert len({agent.key for agent in town.agents}) == 25
    klaus = next(agent for agent in town.agents if agent.key == "klaus_mueller")
    assert klaus.persona
    assert (klaus.name, klaus.persona.age) == ("Klaus Mueller", 20)
    assert klaus.persona.traits == ["kind", "inquisitive", "passionate"]
    assert klaus.persona.summary.startswith("Klaus Mueller is a student at Oak Hill College studying sociology.")
    assert klaus.persona.extra["living_area"] == "the Ville:Dorm for Oak Hill College:Klaus Mueller's room"
    assert (klaus.created_at, klaus.updated_at) == (
        datetime(2023, 2, 13, tzinfo=UTC), datetime(2023, 2, 13, 17, 25, tzinfo=UTC)
    )  # fmt: skip


def test_all_memories_are_read_with_kind_evidence_and_vectors(town: Smallville) -> None:
    assert Counter(memory.agent for memory in town.memories) == {
        "isabella_rodriguez": 714, "klaus_mueller": 395, "maria_lopez": 400
    }  # fmt: skip
    assert Counter(memory.kind for memory in town.memories) == {
        MemoryKind.EVENT: 1236, MemoryKind.REFLECTION: 245, MemoryKind.THOUGHT: 15, MemoryKind.CHAT: 10,
        MemoryKind.PLAN: 3,
    }  # fmt: skip
    # The 63 + 15 + 14 of the earlier simulation are among the later one's.
    vectors = [memory.embedding for memory in town.memories if memory.embedding]
    assert Counter(map(len, vectors)) == {1536: 92}
    ids = {memory.id for memory in town.memories}
    assert len(ids) == 1509
    assert all(memory.evidence == [] or set(memory.evidence) <= ids for memory in town.memories)


def test_one_memory_is_what_its_node_says(town: Smallville) -> None:
    [invited] = [m for m in town.memories if m.content == "Klaus Mueller is invited to the Valentine's Day party"]
    assert (invited.agent, invited.kind, invited.importance) == ("isabella_rodriguez", MemoryKind.REFLECTION, 0.5)
    assert (invited.created_at, invited.about) == (datetime(2023, 2, 13, 15, 36, tzinfo=UTC), ["klaus_mueller"])
    [evidence] = [memory.content for memory in town.memories if memory.id in invited.evidence]
    assert "Klaus" in evidence


def test_nobody_remembers_something_about_themselves_or_a_room(town: Smallville) -> None:
    assert not [memory for memory in town.memories if memory.agent in memory.about]
    idle = [memory for memory in town.memories if memory.content == "closet is idle"]
    assert idle
    assert not any(memory.about for memory in idle)


def test_chats_are_interactions_both_ways_told_once(town: Smallville) -> None:
    pairs = Counter((interaction.source, interaction.target) for interaction in town.interactions)
    isabella, klaus, maria = "isabella_rodriguez", "klaus_mueller", "maria_lopez"
    assert pairs == {
        (isabella, klaus): 1, (klaus, isabella): 1, (isabella, maria): 1, (maria, isabella): 1, (klaus, maria): 3,
        (maria, klaus): 3,
    }  # fmt: skip
    assert all("\n" in (interaction.content or "") for interaction in town.interactions)


@pytest.mark.parametrize(
    ("source", "target", "kind", "strength", "trust", "met"),
    [
        # "John Lin is your husband", but "your husband, John Lin" makes none of Tom Moreno.
        ("mei_lin", "john_lin", "husband", 0.9, 0.9, "2023-02-13"),
        ("mei_lin", "tom_moreno", "acquaintance", 0.3, 0.5, "2023-02-13"),
        ("john_lin", "tom_moreno", "colleague", 0.5, 0.5, "2023-02-13"),
        # Written "Abigail Chan" and "Haily Johnson".
        ("latoya_williams", "abigail_chen", "housemate", 0.6, 0.6, "2022-02-13"),
        ("latoya_williams", "hailey_johnson", "housemate", 0.3, 0.3, "2022-02-13"),
        ("francisco_lopez", "abigail_chen", "crush", 0.9, 0.8, "2022-02-13"),
        ("giorgio_rossi", "carlos_gomez", "neighbour", 0.1, 0.2, "2021-02-13"),
        ("arthur_burton", "isabella_rodriguez", "friend", 0.7, 0.7, "2020-02-14"),
        ("isabella_rodriguez", "carlos_gomez", "acquaintance", 0.4, 0.6, "2019-02-14"),
        # Facts and three chats; and a chat alone.
        ("klaus_mueller", "maria_lopez", "crush", 1.0, 0.86, "2021-02-13"),
        ("maria_lopez", "isabella_rodriguez", "acquaintance", 0.35, 0.52, "2023-02-13"),
    ],
)
def test_ties_follow_from_facts_and_chats(
    town: Smallville, source: str, target: str, kind: str, strength: float, trust: float, met: str
) -> None:
    [tie] = [each for each in town.relationships if (each.source, each.target) == (source, target)]
    assert (tie.kind, tie.strength, tie.trust) == (kind, strength, trust)
    assert tie.first_met_at.date().isoformat() == met


def test_every_tie_counts_its_interactions(town: Smallville) -> None:
    assert len(town.relationships) == 121
    for tie in town.relationships:
        times = [each.at for each in town.interactions if (each.source, each.target) == (tie.source, tie.target)]
        assert tie.interaction_count == len(times)
        assert tie.last_interaction_at == max(times, default=None)


def test_facts_become_knowledge(town: Smallville) -> None:
    assert len(town.knowledge) == 186
    topics = {(each.agent, each.content): each.topic for each in town.knowledge}
    assert topics["latoya_williams", "You like to talk about politics and local elections"] == "politics"
    assert topics["giorgio_rossi", "You think Carlos Gomez is a coward"] == "Carlos Gomez"
    assert topics["tom_moreno", "You are loud"] == "self"


def test_what_was_read_with_doubt_is_told(town: Smallville) -> None:
    notes = "\n".join(town.notes)
    assert "Abigail Chan is taken for Abigail Chen" in notes
    assert "Haily Johnson is taken for Hailey Johnson" in notes
    assert "agent_history.csv breaks off: left out its last fact, 'You think Sam Moore is a k'" in notes


def test_all_that_is_read_keeps_the_rules_of_records(town: Smallville) -> None:
    for kind in Kind:
        for record in getattr(town, kind.value):
            assert read_record(kind, write_record(kind, record), town.start) == record


def test_the_order_of_directories_makes_no_difference(simulations: Path) -> None:
    societies = [read_smallville([simulations / name for name in names]) for names in permutations(("m", "n25", "xs"))]
    for kind in Kind:
        assert all(getattr(each, kind.value) == getattr(societies[0], kind.value) for each in societies)


async def test_simulations_combine_whichever_comes_first(database: Database, simulations: Path, tmp_path: Path) -> None:
    orders = [[("m", "n25", "xs")], [("xs",), ("n25",), ("m",), ("n25", "m")], [("m",), ("xs",), ("n25",)]]
    exports: list[dict[str, bytes]] = []
    for number, order in enumerate(orders):
        await database.write("wipe", WIPE)
        for names in order:
            await import_smallville(database, [simulations / name for name in names], max_agents=25)
        await export_jsonl(database, tmp_path / str(number))
        exports.append(contents(tmp_path / str(number)))
    assert exports[0]["manifest.json"].count(b"1509") == 1
    assert exports[0] == exports[1] == exports[2]


async def test_importing_a_simulation_again_changes_nothing(
    database: Database, simulations: Path, tmp_path: Path
) -> None:
    await import_smallville(database, [simulations / "m"], max_agents=3)
    await database.write("change", "MATCH (:Agent)-[r:RELATES_TO]->() SET r.strength = 0.123")
    await export_jsonl(database, tmp_path / "one")
    created, _ = await import_smallville(database, [simulations / "m"], max_agents=3)
    assert set(created.values()) == {0}
    await export_jsonl(database, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


async def test_more_agents_than_may_be_are_refused(database: Database, simulations: Path) -> None:
    with pytest.raises(BadInput, match="25 would be added, but there may be 24 at most"):
        await import_smallville(database, [simulations / "n25"], max_agents=24)
    assert await is_empty(database)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return edit


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


NODES = "personas/Maria Lopez/bootstrap_memory/associative_memory/nodes.json"
VECTORS = "personas/Maria Lopez/bootstrap_memory/associative_memory/embeddings.json"
SCRATCH = "personas/Klaus Mueller/bootstrap_memory/scratch.json"


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        (NODES, lambda path: path.write_bytes(path.read_bytes()[:-100]), f"{NODES}:\\d+: is not JSON"),
        (NODES, text("[]"), f"{NODES}: must hold a JSON object"),
        (NODES, edited(lambda n: n["node_3"].update(type="dream")), "node_3.type: must be one of event, thought, chat"),
        (NODES, edited(lambda n: n["node_3"].update(poignancy=11)), "node_3.poignancy: must be a number from 0 to 10"),
        (NODES, edited(lambda n: n["node_3"].update(poignancy="5")), "node_3.poignancy: must be a number"),
        (NODES, edited(lambda n: n["node_3"].update(created="now")), "node_3.created: must be a time such as 2023-02-"),
        (NODES, edited(lambda n: n["node_3"].pop("description")), "node_3.description: is missing"),
        (NODES, edited(lambda n: n["node_3"].update(keywords=[1])), "node_3.keywords: must be a list of texts"),
        (NODES, edited(lambda n: n["node_3"].update(filling="node_1")), "node_3.filling: must be a list"),
        (NODES, edited(lambda n: n.update(node_3=None)), "node_3: must be an object"),
        (NODES, edited(lambda n: n["node_3"].update(type="chat", filling=[["a"]])), "node_3.filling: must be lists of"),
        (VECTORS, edited(lambda v: v.update({key: [None] for key in v})), f"{VECTORS}: .*: must be a list of finite"),
        (SCRATCH, lambda path: path.unlink(), f"{SCRATCH}: cannot be read: No such file"),
        (SCRATCH, edited(lambda s: s.pop("name")), f"{SCRATCH}: name: is missing"),
        (SCRATCH, edited(lambda s: s.update(age="old")), f"{SCRATCH}: age: must be a whole number, is 'old'"),
        (
            "reverie/meta.json",
            text('{"start_date": "today"}'),
            "meta.json: start_date: must be a time such as February",
        ),
        ("agent_history.csv", text("Who,What\na,b\n"), "agent_history.csv:1: the header must be Name,Whisper"),
        ("agent_history.csv", text("Name,Whisper\na,b,c\n"), "agent_history.csv: row 2: must have 2 columns, has 3"),
    ],
)
async def test_a_broken_file_names_itself_and_nothing_is_written(
    database: Database, simulations: Path, tmp_path: Path, file: str, damage: Callable[[Path], None], message: str
) -> None:
    # The data may be read-only, and so would be a copy that keeps its modes.
    shutil.copytree(simulations / "xs", tmp_path / "xs", copy_function=shutil.copyfile)
    for folder in (tmp_path / "xs", *(tmp_path / "xs").rglob("*/")):
        folder.chmod(0o755)
    damage(tmp_path / "xs" / file)
    with pytest.raises(BadInput, match=message):
        await import_smallville(database, [simulations / "n25", tmp_path / "xs"], max_agents=100)
    assert await is_empty(database)


def test_a_directory_without_personas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no personas folder"):
        read_smallville([tmp_path])


def test_keys_are_plain() -> None:
    assert slug("Isabella Rodriguez") == "isabella_rodriguez"
    assert slug(" Éponine  O'Neil ") == "eponine_o_neil"
    assert slug("李 雷") == "李_雷"
