"""Tags: what of the society the answer to a key belongs to, and is changed by."""

from collections.abc import Sequence
from sys import intern
from typing import Any, cast

from graph.edges import AGENTS, INTERACTIONS, LEARNED, RELATES_TO, REMEMBERS, Direction
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, RELATIONSHIP_BETWEEN, Lookup
from graph.pages import Listing, PageShape, SummaryShape
from graph.prefixes import KnowledgeSearch, KnowledgeTally
from graph.reads import Key, Shape
from graph.search import SearchKey
from graph.writes.change import Part

PARTS = {
    REMEMBERS.name: Part.MEMORIES,
    RELATES_TO.name: Part.RELATIONSHIPS,
    INTERACTIONS.name: Part.INTERACTIONS,
    LEARNED.name: Part.KNOWLEDGE,
}
LOOKUPS = {
    AGENT_BY_ID.name: Part.SELF,
    AGENT_BY_KEY.name: Part.SELF,
    RELATIONSHIP_BETWEEN.name: Part.RELATIONSHIPS,
}
# What the list of all agents belongs to: whoever comes, goes or changes touches it.
ALL_AGENTS = "agents"
# What searches of everybody's knowledge belong to: whoever learns, forgets or goes touches it.
ALL_KNOWLEDGE = "knowledge"


def tag(owner: str, part: Part) -> str:
    """The tag of a part of an agent, who is named by id or, for what its key leads to, by key."""
    return intern(owner + part.ending)


def tags_of(keys: Sequence[Key]) -> list[str | None]:
    """The tag that the answer to each key belongs to; None for what other things may change as well."""
    found: list[str | None] = []
    shape: Any = None
    ending: str | None = None
    for key in keys:
        # One shape stands for many keys.
        if key.shape is not shape:
            shape, ending = key.shape, ending_of(key.shape)
        if ending is None:
            found.append(None)
            continue
        if isinstance(key, SearchKey):
            found.append(ending if key.agent is None else tag(key.agent, Part.KNOWLEDGE))
            continue
        owner: Any = cast("tuple[Any, ...]", key)[1]
        if type(owner) is tuple:
            owner = cast("Any", owner[0])
        if ending == ALL_AGENTS:
            found.append(ALL_AGENTS if owner is None else None)
        else:
            found.append(intern(owner + ending) if type(owner) is str else None)
    return found


def ending_of(shape: Shape) -> str | None:
    """What follows the owner in the tags of keys of a shape; None if other things may change their answers."""
    if isinstance(shape, Lookup):
        part = LOOKUPS.get(shape.name)
    elif isinstance(shape, PageShape | SummaryShape | Listing):
        listing = shape if isinstance(shape, Listing) else shape.listing
        # What fades at one end is not told to the other.
        one_sided = listing.edge is RELATES_TO and listing.direction is not Direction.OUT
        if one_sided or (listing.filter and not listing.filter.own):
            return None
        if listing.edge is AGENTS:
            return ALL_AGENTS
        part = PARTS.get(listing.edge.name)
    elif isinstance(shape, KnowledgeSearch | KnowledgeTally):
        # Unlike the scores of memories, which move with whatever anybody remembers.
        return ALL_KNOWLEDGE
    else:
        return None
    return part and part.ending


def names_agent(shape: Shape) -> bool:
    """Whether its keys name an agent, and are answered with it alone."""
    return isinstance(shape, Lookup) and LOOKUPS.get(shape.name) is Part.SELF
