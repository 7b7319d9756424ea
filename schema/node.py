"""Relay's Node: whatever has an id that finds it again."""

import strawberry

from graph.lookups import (
    AGENT_BY_ID,
    INTERACTION_BY_ID,
    KNOWLEDGE_BY_ID,
    MEMORY_BY_ID,
    RELATIONSHIP_BY_ID,
    Lookup,
)

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
