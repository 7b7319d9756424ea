"""The evaluation reads conversations of each layout, and finds what it should in a small one."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from deploy.eval.conversations import read_conversations
from deploy.eval.recall import WAYS, ask_all, load, measure
from graph.database import Database
from graph.errors import BadInput

DATA = Path(__file__).parent / "data"


def test_the_own_layout():
    (bakery,) = read_conversations(DATA)
    assert bakery.name == "bakery/bakery"
    assert [turn.id for turn in bakery.turns] == [f"t{number}" for number in range(1, 9)]
    assert bakery.turns[0].at == datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert bakery.turns[1].text == "Bo: I sold the last rye loaf to a sailor with a red beard."
    # A question without an answer is none that recall could fail.
    assert [question.evidence for question in bakery.questions] == [{"t1"}, {"t3"}, {"t5"}]


def test_the_layout_of_locomo(tmp_path: Path):
    said = {
        "speaker_a": "Ada",
        "session_10": [{"speaker": "Ada", "dia_id": "D10:1", "text": "It rains."}],
        "session_2_date_time": "1:56 pm on 8 May, 2023",
        "session_2": [
            {"speaker": "Bo", "dia_id": "D2:1", "text": "Tea?"},
            {"speaker": "Ada", "dia_id": "D2:2", "text": "Yes."},
        ],
        "session_10_date_time": "not known",
    }  # fmt: skip
    qa = [
        {"question": "What did Bo offer?", "evidence": ["D2:1; D10:1"], "category": 1},
        {"question": "Who?", "evidence": ["D9:9"], "category": 5},
        {"question": "When?"},
    ]
    (tmp_path / "some.json").write_bytes(orjson.dumps([{"sample_id": "conv-1", "conversation": said, "qa": qa}]))
    (sample,) = read_conversations(tmp_path)
    assert [(turn.id, turn.text) for turn in sample.turns] == [
        ("D2:1", "Bo: Tea?"), ("D2:2", "Ada: Yes."), ("D10:1", "Ada: It rains."),
    ]  # fmt: skip
    assert [turn.at.isoformat() for turn in sample.turns] == [
        "2023-05-08T13:56:00+00:00", "2023-05-08T13:57:00+00:00", "2023-05-09T13:57:00+00:00",
    ]  # fmt: skip
    assert [(each.text, each.evidence) for each in sample.questions] == [("What did Bo offer?", {"D2:1", "D10:1"})]


def test_a_saved_simulation(shared: Path):
    found = read_conversations(shared / "data" / "smallville" / "m")
    assert [each.name for each in found] == ["m/isabella_rodriguez", "m/klaus_mueller", "m/maria_lopez"]
    assert sum(len(each.questions) for each in found) == 89


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"conversation": 1, "qa": []}]'])
def test_what_makes_no_sense_names_its_file(tmp_path: Path, text: str):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(BadInput, match=r"bad\.json: cannot be read|holds no conversations"):
        read_conversations(tmp_path)


async def test_recall_finds_what_recency_does_not(database: Database):
    conversations = read_conversations(DATA)
    await load(database, conversations)
    asked = await ask_all(database, conversations)
    found = {name: measure(asked, weights) for name, weights in WAYS.items()}
    assert found["recency only"].recall[1] == 0
    assert found["full text only"].recall[1] == 1
    assert found["recall"].recall[1] == 1
    assert found["recall"].reciprocal == 1
