"""Single objects found by what names them, one query for any number of names."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from graph.database import Database
from graph.model import Agent, Interaction, Knowledge, Memory, Relationship, Topic
from graph.rows import Fields, projection, reader


@dataclass(frozen=True, kw_only=True, eq=False)
class Lookup:
    """How a row type is found by a key `k`, at most one for each."""

    name: str
    row: type
    match: str
    fields: Fields = None

    @property
    def lane(self) -> str:
        return self.name

    @property
    def text(self) -> str:
        return (
            f"UNWIND $keys AS k\nMATCH {self.match}\nRETURN collect([k, [{projection(self.row, chosen=self.fields)}]])"
        )


@lru_cache(maxsize=1024)
def narrowed_lookup(lookup: Lookup, fields: Fields) -> Lookup:
    """The lookup that reads only some fields."""
    return replace(lookup, fields=fields)


AGENT_BY_ID = Lookup(name="Agent.id", row=Agent, match="(n:Agent {id: k})")
AGENT_BY_KEY = Lookup(name="Agent.key", row=Agent, match="(n:Agent {key: k})")
MEMORY_BY_ID = Lookup(name="Memory.id", row=Memory, match="(n:Memory {id: k})")
RELATIONSHIP_BY_ID = Lookup(
    name="Relationship.id",
    row=Relationship,
    match="(:Agent)-[n:RELATES_TO {id: k}]->(:Agent) USING INDEX SEEK n:RELATES_TO(id)",
)
RELATIONSHIP_BETWEEN = Lookup(
    name="Relationship.between",
    row=Relationship,
    match="(:Agent {id: k[0]})-[n:RELATES_TO]->(:Agent {key: k[1]})",
)
INTERACTION_BY_ID = Lookup(name="Interaction.id", row=Interaction, match="(n:Interaction {id: k})")
KNOWLEDGE_BY_ID = Lookup(name="Knowledge.id", row=Knowledge, match="(n:Knowledge {id: k})")
TOPIC_BY_NAME = Lookup(name="Topic.name", row=Topic, match="(n:Topic {name: k})")

LOOKUPS = (
    AGENT_BY_ID,
    AGENT_BY_KEY,
    MEMORY_BY_ID,
    RELATIONSHIP_BY_ID,
    RELATIONSHIP_BETWEEN,
    INTERACTION_BY_ID,
    KNOWLEDGE_BY_ID,
    TOPIC_BY_NAME,
)


class LookupKey(NamedTuple):
    """One name looked up; `key` is a string or, for what several names name, a tuple of them."""

    shape: Lookup
    key: Any


async def fetch_lookups(database: Database, shape: Lookup, keys: list[LookupKey], deadline: float) -> list[Any]:
    """Finds what the keys name; None for those that name nothing."""
    parameters = {"keys": [key.key for key in keys]}
    ((records,),) = await database.read(shape.name, shape.text, parameters, deadline=deadline)
    read = reader(shape.row, shape.fields)
    found: dict[Any, Any] = {tuple(key) if isinstance(key, list) else key: read(row) for key, row in records}  # pyright: ignore[reportUnknownArgumentType]
    return [found.get(key.key) for key in keys]
