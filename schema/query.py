"""The root of all reading."""

import strawberry
from strawberry import UNSET

from graph import edges
from graph.errors import BadInput
from graph.ids import TYPES, type_of
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, TOPIC_BY_NAME, LookupKey
from graph.reads import Key
from resolvers import steps
from resolvers.connections import DEFAULT_SIZE, LARGEST_SIZE, Window
from resolvers.loaders import Step
from resolvers.search import search_knowledge, search_memories
from resolvers.society import look_at_society, name_community
from schema.agent import Agent, AgentConnection, AgentFilter, AgentOrder
from schema.connection import connection
from schema.field import answered, described, given
from schema.knowledge import KnowledgeConnection
from schema.memory import MemoryConnection, MemoryFilter
from schema.node import LOOKUPS, Node
from schema.society import Society
from schema.topic import Topic, TopicConnection

MOST_NODES = 100


def node_key(id: str) -> Key:
    """Says what an id names. Raises BadInput for what is no id."""
    match kind_of(id), id.partition(":")[2]:
        case "Community", name:
            return name_community(name)
        case "Topic", name:
            return LookupKey(TOPIC_BY_NAME, name)
        case kind, _:
            return LookupKey(LOOKUPS[kind], id)


def kind_of(id: str) -> str:
    """Names the type of what an id names. Raises BadInput for what is no id."""
    if kind := type_of(id):
        return kind
    raise BadInput(f"This is not an id of this API: {id[:60]!r}. Ids start with one of {', '.join(TYPES)} and a colon.")


def find_node(id: described(strawberry.ID, "A global id.")) -> Step:
    return steps.find(node_key(id))


def find_nodes(ids: described(list[strawberry.ID], "Global ids.")) -> Step:
    if len(ids) > MOST_NODES:
        raise BadInput(f"ids: {MOST_NODES} at most, there are {len(ids)}. Ask in several requests.")
    # An exception in the list becomes an error at its own place.
    return steps.find_all([steps.attempt(node_key, id) for id in ids])


def find_agent(
    id: described(strawberry.ID | None, "The agent's global id.") = UNSET,
    key: described(str | None, "The simulation's own name for the agent.") = UNSET,
) -> Step:
    match id or None, key or None:
        case str(id), None:
            kind_of(id)
            return steps.find(LookupKey(AGENT_BY_ID, id))
        case None, str(key):
            return steps.find(LookupKey(AGENT_BY_KEY, key))
        case _:
            raise BadInput("agent: pass either id or key, and not the other.")


def find_memories(
    text: described(str, "Words to look for, of which any may be found; the more and the rarer, the better."),
    agent: described(str | None, "Only what the agent with this key remembers.") = UNSET,
    first: described(int | None, f"How many; {DEFAULT_SIZE} unless told, {LARGEST_SIZE} at most.") = UNSET,
    after: described(str | None, "Only what comes after this cursor.") = UNSET,
    filter: described(MemoryFilter | None, "Only what passes this filter.") = UNSET,
) -> Step:
    window = Window(given(first), given(after))
    return search_memories(text, agent=given(agent), window=window, filter=given(filter))


def find_knowledge(
    prefix: described(str, "What somebody has typed: each word of it must begin one of the topic or the content."),
    agent: described(str | None, "Only what the agent with this key knows.") = UNSET,
    first: described(int | None, f"How many; {DEFAULT_SIZE} unless told, {LARGEST_SIZE} at most.") = UNSET,
    after: described(str | None, "Only what comes after this cursor.") = UNSET,
) -> Step:
    return search_knowledge(prefix, agent=given(agent), window=Window(given(first), given(after)))


def find_topic(name: str) -> Step:
    return steps.find(LookupKey(TOPIC_BY_NAME, name))


def find_society(
    fresh: described(bool, "Whether figures of its network must be of this moment, however much that takes.") = False,
) -> Step:
    return look_at_society(fresh=fresh)


@strawberry.type(description="Where reading starts.")
class Query:
    node: Node | None = answered(find_node, "The object with this global id; null if there is none.")
    nodes: list[Node | None] = answered(
        find_nodes, f"The objects with these global ids, in their order, null for none; {MOST_NODES} at most."
    )
    agent: Agent | None = answered(find_agent, "The agent with this id or key; null if there is none.")
    agents: AgentConnection = connection(
        edges.AGENTS,
        filter=AgentFilter,
        order=AgentOrder,
        description="The society's agents; by key unless told otherwise.",
    )
    search_memories: MemoryConnection = answered(
        find_memories,
        "Memories by their words, in whatever form (English is stemmed); the best first. Query syntax means nothing.",
    )
    search_knowledge: KnowledgeConnection = answered(
        find_knowledge,
        "Knowledge by the beginnings of words, whatever their case and diacritics; by the word that is found first, "
        "then what has it in its topic before what has it in its content.",
    )
    topic: Topic | None = answered(find_topic, "The topic with this name; null if there is none.")
    topics: TopicConnection = connection(
        edges.TOPICS,
        prefix="name",
        description="What agents know something about, by name.",
    )
    society: Society = answered(find_society, "The society as a whole.")
