"""Whatever the model can say is read back as it was written."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import Database
from graph.edges import REMEMBERS
from graph.model import Agent, Interaction, Knowledge, Memory, MemoryKind, Persona, Relationship, Topic
from graph.pages import Listing, PageShape, complete_order, page_reader
from graph.rows import (
    camel,
    choose,
    column,
    columns,
    converted,
    converter,
    projection,
    reader,
    split_optional,
    stored_places,
    writer,
)

STEADY = settings(
    derandomize=True, deadline=None, max_examples=8, database=None, suppress_health_check=list(HealthCheck)
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC, fold=0)),
    Any: json,
    list[str]: st.lists(texts, max_size=3),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that a field may have."""
    plain, nullable = split_optional(hint)
    if isinstance(plain, type) and get_origin(plain) is None and is_dataclass(plain):
        found = objects(plain)
    elif isinstance(plain, type) and get_origin(plain) is None and issubclass(plain, Enum):
        found = st.sampled_from(plain)
    else:
        found = PLAIN[plain]
    return found | st.none() if nullable else found


def objects(row: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(row)
    return st.builds(row, **{item.name: values_of(hints[item.name]) for item in fields(row)})


def properties(row: Any, prefix: str = "") -> dict[str, Any]:
    """An object's properties as they are stored, written down once more by hand; times as text."""
    stored: dict[str, Any] = {}
    for item in fields(row):
        value, name = getattr(row, item.name), camel(f"{prefix}{item.name}")
        if isinstance(value, Persona):
            stored |= properties(value, prefix="persona_")
        elif item.name == "extra":
            stored[name] = None if value is None else orjson.dumps(value).decode()
        elif isinstance(value, datetime):
            stored[name] = value.isoformat()
        else:
            stored[name] = value.value if isinstance(value, Enum) else value
    return stored


CREATE = {
    Relationship: """
        CREATE (:Agent {id: $stored.sourceId})-[n:RELATES_TO]->(:Agent {id: $stored.targetId})
        SET n = $stored""",
    Topic: "CREATE (n:Topic {name: $stored.name})",
}
MODELS = [Agent, Memory, Relationship, Interaction, Knowledge, Topic]


@pytest.mark.parametrize("model", MODELS)
@STEADY
@given(st.data())
async def test_an_object_is_read_back_as_it_was_written(migrated: Database, model: type, data: st.DataObject):
    written = data.draw(objects(model))
    if isinstance(written, Topic):
        written.id = f"Topic:{written.name}"
    if isinstance(written, Relationship) and written.source_id == written.target_id:
        written.target_id += "'"
    times = [each.property for each in columns(model) if each.type is datetime]
    text = "\n".join(
        [
            CREATE.get(model, f"CREATE (n:{model.__name__}) SET n = $stored"),
            *(f"SET n.{name} = datetime($stored.{name})" for name in times),
            f"RETURN [{projection(model)}]",
        ]
    )
    await migrated.write("wipe", "MATCH (n) WHERE NOT n:Migration DETACH DELETE n")
    [[row]] = await migrated.write("create", text, {"stored": properties(written)})
    found = reader(model)(row)
    assert found == written
    assert repr(found) == repr(written)


async def test_times_keep_nanoseconds_in_the_database_and_microseconds_in_python(migrated: Database):
    [[text]] = await migrated.read("time", "RETURN toString(datetime('2024-02-29T12:00:00.123456789Z'))")
    assert datetime.fromisoformat(text) == datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("model", MODELS)
def test_further_values_of_a_row_are_ignored(model: type):
    moment = "2024-01-01T00:00:00Z"
    values = {datetime: moment, float: 0.5, int: 1, str: "x", list[str]: ["x"], Any: "{}"}
    row = [values.get(each.type, "EVENT") for each in columns(model)]
    assert reader(model)([*row, "more"]) == reader(model)(row)


@pytest.mark.parametrize("model", MODELS)
def test_rows_to_which_times_and_enums_are_appended_hold_what_their_objects_do(model: type):
    @STEADY
    @given(objects(model))
    def check(written: Any) -> None:
        stored: list[Any] = orjson.loads(orjson.dumps(writer(model)(written)))
        places, appended = tuple(reversed(range(len(stored)))), len(converted(model, None))
        row = stored[::-1]
        if convert := converter((model, None, places)):
            convert([row])
        assert len(row) == len(stored) + appended
        assert reader(model, None, places, appended)(row) == reader(model)(stored) == written
        held = stored_places(model, None, places, appended)
        assert (held is None) == (model is Agent)
        if held:
            assert {name: row[place] for name, place in held.items()} == vars(written)

    check()


def test_a_time_or_enum_that_cannot_be_read_fails_the_page_it_is_in():
    order = complete_order(REMEMBERS, ())
    fields = choose(Memory, frozenset({"id", "kind", "created_at"}))
    read = page_reader(PageShape(Listing(REMEMBERS), order, 5, fields=fields, placed=False))
    good = ["EVENT", "Memory:1", "2024-01-01T00:00:00Z"]
    (memory,) = read([good.copy()]).items
    assert (memory.kind, memory.id, memory.created_at) == (
        MemoryKind.EVENT,
        "Memory:1",
        datetime(2024, 1, 1, tzinfo=UTC),
    )
    for place, bad in ((0, "DREAM"), (2, "yesterday"), (2, None)):
        with pytest.raises((ValueError, TypeError)):
            read([good.copy(), [*good[:place], bad, *good[place + 1 :]]])


async def test_a_row_read_in_part_has_those_fields_and_no_others(migrated: Database):
    await migrated.write("wipe", "MATCH (n) WHERE NOT n:Migration DETACH DELETE n")
    create = "CREATE (n:Agent {id: 'Agent:1', key: 'a', name: 'A', personaSummary: 'calm', personaAge: 7}) "
    chosen = choose(Agent, frozenset({"id", "name", "persona", "age", "importance"}))
    assert chosen == ("name", "persona", "id")
    [[row]] = await migrated.write("create", f"{create} RETURN [{projection(Agent, chosen=chosen)}]")
    found = reader(Agent, chosen)(row)
    assert isinstance(found, Agent)
    assert vars(found).keys() == set(chosen)
    assert (found.name, found.id, found.persona and found.persona.age) == ("A", "Agent:1", 7)
    with pytest.raises(AttributeError, match="social_energy was not read"):
        _ = found.social_energy


def test_all_fields_are_as_good_as_none_chosen():
    assert choose(Memory, frozenset(each.field for each in columns(Memory))) is None


def test_names_in_the_database_are_those_of_the_api():
    assert [each.property for each in columns(Interaction)] == [
        "kind",
        "content",
        "impact",
        "id",
        "sourceId",
        "targetId",
        "at",
    ]
    assert column(Agent, "personaSummary")
    assert column(Agent, "persona") is None
    assert column(Agent, "id; DROP") is None
