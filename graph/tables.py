"""The few queries that write records in bulk; their property maps follow from the model.

A row is a list: the references first, then the columns' values. Times travel as seconds and nanoseconds,
because the driver takes four times as long over times of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import EnumType
from typing import Any

import orjson

from graph.mentions import mentions
from graph.model import Agent, Interaction, Knowledge, Memory, Relationship
from graph.records import Kind, Record, RelationshipRecord
from graph.rows import Column, columns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What relationships and interactions store of the agents between whom they are, so that indexes find them by these.
ENDS = {"sourceId": "a.id", "targetId": "b.id"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """How one kind is stored. `create` makes the rows in `$rows` and returns how many it made.

    `properties` is the Cypher map of what a row `r` becomes, `values` lists a record's values for it. `known` returns
    those ids in `$ids` that exist, `remove` deletes those.
    """

    create: str
    properties: str
    values: Callable[[Any], list[Any]]
    known: str
    remove: str


def instant(moment: datetime) -> tuple[int, int]:
    """Splits a time into seconds since 1970 and nanoseconds."""
    since = moment - EPOCH
    return since.days * 86400 + since.seconds, since.microseconds * 1000


def moment(seconds: int, nanoseconds: int) -> datetime:
    """Gives the time that `instant` has split, to the microsecond."""
    return EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)


def as_json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def property_map(
    row: type, references: tuple[str, ...], given: Mapping[str, str]
) -> tuple[str, Callable[[Any], list[Any]]]:
    """Writes the Cypher map of a row type's properties, and the function that lists their values.

    `references` are Python expressions over the record `r`, the first values of each row. `given` holds
    Cypher for the columns that come from elsewhere. In Cypher the row is `r` too.
    """
    values, properties = list(references), [f"{name}: {text}" for name, text in given.items()]
    position = len(references)
    for column in columns(row):
        if column.expression or column.property in given:
            continue
        properties.append(f"{column.property}: {_read(column, position)}")
        values.append(_python(column))
        position += 2 if column.type is datetime else 1
    scope = {"instant": instant, "as_json": as_json, "mentions": mentions}
    # The model's own names, nothing from outside; generated because it runs for every row.
    listed = eval(f"lambda r: [{', '.join(values)}]", scope)  # noqa: S307
    return f"{{{', '.join(properties)}}}", listed


def _read(column: Column, position: int) -> str:
    if column.type is not datetime:
        return f"r[{position}]"
    moment = f"datetime.fromEpoch(r[{position}], r[{position + 1}])"
    return f"CASE WHEN r[{position}] IS NULL THEN null ELSE {moment} END" if column.nullable else moment


def _python(column: Column) -> str:
    prefix, _, rest = column.name.partition("_")
    value = f"(r.persona and r.persona.{rest})" if prefix == "persona" else f"r.{column.name}"
    if column.type is datetime:
        return f"*(instant({value}) if {value} else (None, None))" if column.nullable else f"*instant({value})"
    if column.type is Any:
        return f"as_json({value})"
    return f"{value}.value" if isinstance(column.type, EnumType) else value


def write_mentions(words: str) -> str:
    """Cypher that writes the words of a piece of knowledge `n`: each for the index, and all together."""
    return (
        f"SET n.words = reduce(text = '', word IN {words} | text + ' ' + word[0]) "
        f"FOREACH (word IN {words} | CREATE (n)-[:MENTIONS {{"
        "word: word[0], place: word[1], item: split(n.id, ':')[1], agentId: n.agentId}]->(n))"
    )


def _agents() -> Table:
    properties, values = property_map(Agent, ("r.key",), {})
    return Table(
        create=f"UNWIND $rows AS r CREATE (n:Agent {properties}) RETURN count(*)",
        properties=properties,
        values=values,
        # Agents are known by their keys, so that the same person is not made twice.
        known="UNWIND $ids AS key MATCH (n:Agent {key: key}) RETURN n.key",
        remove="UNWIND $ids AS id MATCH (n:Agent {id: id}) DETACH DELETE n",
    )


def _memories() -> Table:
    properties, values = property_map(
        Memory, ("r.agent", "r.about", "r.embedding"), {"agentId": "a.id", "embedding": "r[2]"}
    )
    return Table(
        create=f"""
        UNWIND $rows AS r
        MATCH (a:Agent {{key: r[0]}})
        CREATE (a)-[:REMEMBERS]->(n:Memory {properties})
        WITH n, CASE WHEN size(r[1]) = 0 THEN [null] ELSE r[1] END AS keys
        UNWIND keys AS key
        OPTIONAL MATCH (o:Agent {{key: key}})
        FOREACH (each IN CASE WHEN o IS NULL THEN [] ELSE [o] END | CREATE (n)-[:ABOUT]->(each))
        RETURN count(DISTINCT n)
        """,
        properties=properties,
        values=values,
        known="UNWIND $ids AS id MATCH (n:Memory {id: id}) RETURN n.id",
        remove="UNWIND $ids AS id MATCH (n:Memory {id: id}) DETACH DELETE n",
    )


def _relationships() -> Table:
    properties, values = property_map(Relationship, ("r.source", "r.target"), ENDS)
    return Table(
        create=f"""
        UNWIND $rows AS r
        MATCH (a:Agent {{key: r[0]}}) MATCH (b:Agent {{key: r[1]}})
        CREATE (a)-[n:RELATES_TO {properties}]->(b)
        RETURN count(*)
        """,
        properties=properties,
        values=values,
        # There is at most one each way, whatever its id.
        known="""
        UNWIND $ids AS pair
        MATCH (a:Agent {key: pair[0]}) MATCH (b:Agent {key: pair[1]}) WHERE EXISTS { (a)-[:RELATES_TO]->(b) }
        RETURN pair
        """,
        remove="UNWIND $ids AS id MATCH ()-[n:RELATES_TO {id: id}]->() USING INDEX SEEK n:RELATES_TO(id) DELETE n",
    )


def _interactions() -> Table:
    properties, values = property_map(Interaction, ("r.source", "r.target"), ENDS)
    return Table(
        create=f"""
        UNWIND $rows AS r
        MATCH (a:Agent {{key: r[0]}}) MATCH (b:Agent {{key: r[1]}})
        CREATE (a)-[:INITIATED]->(n:Interaction {properties})-[:TOWARD]->(b)
        RETURN count(*)
        """,
        properties=properties,
        values=values,
        known="UNWIND $ids AS id MATCH (n:Interaction {id: id}) RETURN n.id",
        remove="UNWIND $ids AS id MATCH (n:Interaction {id: id}) DETACH DELETE n",
    )


def _knowledge() -> Table:
    given = {"agentId": "a.id", "topicName": "r[1]"}
    properties, values = property_map(Knowledge, ("r.agent", "r.topic", "mentions(r.topic, r.content)"), given)
    return Table(
        create=f"""
        UNWIND $rows AS r
        MATCH (a:Agent {{key: r[0]}})
        MERGE (t:Topic {{name: r[1]}})
        CREATE (a)-[:LEARNED]->(n:Knowledge {properties})-[:ON]->(t)
        {write_mentions("r[2]")}
        RETURN count(*)
        """,
        properties=properties,
        values=values,
        known="UNWIND $ids AS id MATCH (n:Knowledge {id: id}) RETURN n.id",
        # A topic that nobody knows anything about any more goes as well.
        remove="""
        UNWIND $ids AS id MATCH (n:Knowledge {id: id})
        OPTIONAL MATCH (n)-[:ON]->(t:Topic)
        DETACH DELETE n
        WITH DISTINCT t WHERE t IS NOT NULL AND NOT EXISTS { (t)<-[:ON]-() }
        DELETE t
        """,
    )


TABLES: dict[Kind, Table] = {
    Kind.AGENTS: _agents(),
    Kind.MEMORIES: _memories(),
    Kind.RELATIONSHIPS: _relationships(),
    Kind.INTERACTIONS: _interactions(),
    Kind.KNOWLEDGE: _knowledge(),
}

COUNTS: dict[Kind, str] = {
    Kind.AGENTS: "MATCH (n:Agent) RETURN count(n)",
    Kind.MEMORIES: "MATCH (n:Memory) RETURN count(n)",
    Kind.RELATIONSHIPS: "MATCH ()-[n:RELATES_TO]->() RETURN count(n)",
    Kind.INTERACTIONS: "MATCH (n:Interaction) RETURN count(n)",
    Kind.KNOWLEDGE: "MATCH (n:Knowledge) RETURN count(n)",
}

LINK_EVIDENCE = """
UNWIND $rows AS r
MATCH (m:Memory {id: r[0]}) MATCH (e:Memory {id: r[1]})
CREATE (m)-[:EVIDENCE]->(e)
RETURN count(*)
"""


def identity(record: Record) -> Any:
    """Gives what a record is known by: an agent's key, a relationship's ends, another's id."""
    match record:
        case Agent():
            return record.key
        case RelationshipRecord():
            return [record.source, record.target]
        case _:
            return record.id
