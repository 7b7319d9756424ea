"""Relay's Node: whatever has an id that finds it again."""

from operator import attrgetter
from typing import Any

import strawberry

from graph.lookups import (
    AGENT_BY_ID,
    INTERACTION_BY_ID,
    KNOWLEDGE_BY_ID,
    MEMORY_BY_ID,
    RELATIONSHIP_BY_ID,
    Lookup,
)
from resolvers.steps import look_up
from schema.field import stepped

LOOKUPS: dict[str, Lookup] = {
    "Agent": AGENT_BY_ID,
    "Memory": MEMORY_BY_ID,
    "Relationship": RELATIONSHIP_BY_ID,
    "Interaction": INTERACTION_BY_ID,
    "Knowledge": KNOWLEDGE_BY_ID,
}


@strawberry.interface(description="An object with a global id; `node(id:)` finds it again.")
class Node:
    id: strawberry.ID = strawberry.field(description="The global id, opaque and stable.")


def agent_named(attribute: str, description: str) -> Any:
    """A field that leads to the agent whose id an attribute holds."""
    return stepped(look_up(AGENT_BY_ID, attrgetter(attribute)), description, reads=[attribute])
