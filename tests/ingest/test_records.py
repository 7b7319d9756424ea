"""Records survive being written and read, and every field is checked."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import BadInput
from graph.forms import read_record, write_record
from graph.model import Agent, MemoryKind, Persona
from graph.records import (
    InteractionRecord,
    Kind,
    KnowledgeRecord,
    MemoryRecord,
    Record,
    RelationshipRecord,
)

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)

names = st.text(min_size=1, max_size=200)
texts = st.text(min_size=1, max_size=300)
shares = st.floats(0, 1)
counts = st.integers(0, 2**31 - 1)
# A zone of at most a day from UTC must not lead out of the calendar.
times = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def ids(type_name: str) -> st.SearchStrategy[str]:
    return st.binary(min_size=16, max_size=16).map(lambda data: f"{type_name}:{data.hex()}")


personas = st.builds(
    Persona,
    summary=texts,
    traits=st.lists(names, unique=True, max_size=3),
    age=st.none() | counts,
    lifestyle=st.none() | st.text(max_size=50),
    currently=st.none() | st.text(max_size=50),
    extra=json,
)
agents = st.builds(
    Agent,
    id=ids("Agent"),
    key=names,
    name=names,
    persona=st.none() | personas,
    social_energy=shares,
    learning_rate=shares,
    memory_capacity=st.integers(1, 2**31 - 1),
    importance_threshold=shares,
    created_at=times,
    updated_at=times,
    energy_at=st.none() | times,
)
memories = st.builds(
    MemoryRecord,
    id=ids("Memory"),
    agent=names,
    content=texts,
    importance=shares,
    kind=st.sampled_from(MemoryKind),
    created_at=times,
    accessed_at=times,
    access_count=counts,
    about=st.lists(names, unique=True, max_size=3),
    evidence=st.lists(ids("Memory"), unique=True, max_size=3),
    embedding=st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8),
).filter(lambda memory: memory.id not in memory.evidence)
ends = st.lists(names, min_size=2, max_size=2, unique=True)
relationships = ends.flatmap(
    lambda pair: st.builds(
        RelationshipRecord,
        id=ids("Relationship"),
        source=st.just(pair[0]),
        target=st.just(pair[1]),
        kind=names,
        strength=shares,
        trust=shares,
        interaction_count=counts,
        first_met_at=times,
        last_interaction_at=st.none() | times,
        strength_at=st.none() | times,
    )
)
interactions = ends.flatmap(
    lambda pair: st.builds(
        InteractionRecord,
        id=ids("Interaction"),
        source=st.just(pair[0]),
        target=st.just(pair[1]),
        kind=names,
        content=st.none() | st.text(max_size=50),
        impact=st.floats(-1, 1),
        at=times,
    )
)
knowledge = st.builds(
    KnowledgeRecord,
    id=ids("Knowledge"),
    agent=names,
    topic=names,
    content=texts,
    confidence=shares,
    source=st.none() | st.text(max_size=50),
    learned_at=times,
)
records = st.one_of(
    st.tuples(st.just(Kind.AGENTS), agents),
    st.tuples(st.just(Kind.MEMORIES), memories),
    st.tuples(st.just(Kind.RELATIONSHIPS), relationships),
    st.tuples(st.just(Kind.INTERACTIONS), interactions),
    st.tuples(st.just(Kind.KNOWLEDGE), knowledge),
)


@given(records)
def test_reading_gives_back_what_was_written(pair: tuple[Kind, Record]) -> None:
    kind, record = pair
    line = write_record(kind, record)
    assert line.count(b"\n") == 1
    assert read_record(kind, line, NOW) == record
    assert write_record(kind, read_record(kind, line, NOW)) == line


MEMORY = {"agent": "ada", "content": "Rain.", "importance": 0.5}
TIE = {"source": "ada", "target": "bo", "strength": 0.5}


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        (Kind.MEMORIES, {**MEMORY, "importance": 1.5}, "importance: must lie in [0, 1], is 1.5"),
        (Kind.MEMORIES, {**MEMORY, "importance": True}, "importance: must be a number, is True"),
        (Kind.MEMORIES, {**MEMORY, "importance": "1"}, "importance: must be a number, is '1'"),
        (Kind.MEMORIES, {**MEMORY, "content": ""}, "content: must be 1 to 20000 characters long, is 0"),
        (Kind.MEMORIES, {**MEMORY, "content": "x" * 20_001}, "content: must be 1 to 20000 characters long, is 20001"),
        (Kind.MEMORIES, {**MEMORY, "kind": "DREAM"}, "kind: must be one of EVENT, THOUGHT, CHAT, PLAN, REFLECTION"),
        (Kind.MEMORIES, {**MEMORY, "createdAt": "yesterday"}, "createdAt: must be a time in ISO 8601"),
        (Kind.MEMORIES, {**MEMORY, "createdAt": "0001-01-01T00:00:00+10:00"}, "createdAt: must be a time"),
        (Kind.MEMORIES, {**MEMORY, "id": "Agent:" + "0" * 32}, "id: must be Memory: and 32 hexadecimal digits"),
        (Kind.MEMORIES, {**MEMORY, "about": "bo"}, "about: must be a list, is 'bo'"),
        (Kind.MEMORIES, {**MEMORY, "embedding": [1, "2"]}, "embedding: must be a list of finite numbers"),
        (Kind.MEMORIES, {**MEMORY, "embedding": []}, "embedding: must have 1 to 4096 numbers, has 0"),
        (Kind.MEMORIES, {**MEMORY, "accessCount": -1}, "accessCount: must lie in [0, 2147483647], is -1"),
        (Kind.MEMORIES, {**MEMORY, "accessCount": 1.0}, "accessCount: must be a whole number, is 1.0"),
        (Kind.MEMORIES, {**MEMORY, "colour": "red"}, "'colour': there is no such field (there are about, accessCount"),
        (Kind.MEMORIES, {"agent": "ada"}, "content: is missing"),
        (Kind.MEMORIES, {"agent": "ada", "content": None}, "content: is missing"),
        (Kind.MEMORIES, [1], "must be an object, is [1]"),
        (Kind.AGENTS, {"key": "", "name": "A"}, "key: must be 1 to 200 characters long, is 0"),
        (Kind.AGENTS, {"key": "a", "name": "A", "persona": {"age": 3}}, "persona.summary: is missing"),
        (Kind.AGENTS, {"key": "a", "name": "A", "persona": {"summary": "S", "x": 1}}, "persona: 'x': there is no such"),
        (Kind.AGENTS, {"key": "a", "name": "A", "memoryCapacity": 0}, "memoryCapacity: must lie in [1, 2147483647]"),
        (Kind.RELATIONSHIPS, {**TIE, "target": "ada"}, "target: is the source itself, 'ada'"),
        (Kind.RELATIONSHIPS, {**TIE, "trust": -0.1}, "trust: must lie in [0, 1], is -0.1"),
        (Kind.RELATIONSHIPS, {"source": "a", "target": "b"}, "strength: is missing"),
        (
            Kind.INTERACTIONS,
            {"source": "a", "target": "b", "kind": "chat", "impact": -2},
            "impact: must lie in [-1, 1], is -2",
        ),
        (Kind.KNOWLEDGE, {"agent": "a", "topic": "t", "content": "c"}, "confidence: is missing"),
    ],
)
def test_a_bad_field_is_named(kind: Kind, raw: Any, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_record(kind, orjson.dumps(raw), NOW)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("line", ["{", "", '{"importance": NaN}', '{"importance": 1e999}', '"\\ud800"', "[" * 5000])
def test_what_is_not_json_is_said_to_be_none(line: str) -> None:
    with pytest.raises(BadInput, match="is not JSON: "):
        read_record(Kind.MEMORIES, line, NOW)


def test_a_memory_cannot_be_its_own_evidence() -> None:
    id = "Memory:" + "0" * 32
    with pytest.raises(BadInput, match="evidence: names the memory itself"):
        read_record(Kind.MEMORIES, orjson.dumps({**MEMORY, "id": id, "evidence": [id]}), NOW)


def test_a_time_without_a_zone_is_in_utc_and_others_are_turned_into_utc() -> None:
    for text, hour in (("2024-05-01T08:00:00", 8), ("2024-05-01T08:00:00+02:00", 6), ("2024-05-01T08:00:00Z", 8)):
        record = read_record(Kind.MEMORIES, orjson.dumps({**MEMORY, "createdAt": text}), NOW)
        assert isinstance(record, MemoryRecord)
        assert record.created_at == record.accessed_at == datetime(2024, 5, 1, hour, tzinfo=UTC)


def test_a_record_without_an_id_has_the_same_one_each_time() -> None:
    for kind, raw in ((Kind.MEMORIES, MEMORY), (Kind.RELATIONSHIPS, TIE), (Kind.AGENTS, {"key": "a", "name": "A"})):
        later = datetime(2025, 1, 1, tzinfo=UTC)
        first, second = (read_record(kind, orjson.dumps(raw), now) for now in (NOW, later))
        assert first.id == second.id
    other = read_record(Kind.MEMORIES, orjson.dumps({**MEMORY, "content": "Snow."}), NOW)
    assert other.id != read_record(Kind.MEMORIES, orjson.dumps(MEMORY), NOW).id


def test_what_is_named_twice_counts_once() -> None:
    record = read_record(Kind.MEMORIES, orjson.dumps({**MEMORY, "about": ["bo", "cy", "bo"]}), NOW)
    assert isinstance(record, MemoryRecord)
    assert record.about == ["bo", "cy"]
