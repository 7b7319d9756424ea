"""The root of all reading."""

import asyncio
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from graph import edges
from graph.errors import BadInput
from graph.ids import TYPES, type_of
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, TOPIC_BY_NAME
from schema.agent import Agent, AgentConnection, AgentFilter, AgentOrder
from schema.connection import connection
from schema.node import LOOKUPS, Node
from schema.topic import Topic, TopicConnection
from schema.view import Request

MOST_NODES = 100


def described(annotation: Any, description: str) -> Any:
    """An argument's type with what clients read about it."""
    return Annotated[annotation, strawberry.argument(description=description)]


async def find_node(info: Request, id: str) -> Any:
    """Finds what an id names, or None. Raises BadInput for what is no id."""
    kind = kind_of(id)
    return await info.context.loaders.one(LOOKUPS[kind], id.partition(":")[2] if kind == "Topic" else id)


def kind_of(id: str) -> str:
    """Names the type of what an id names. Raises BadInput for what is no id."""
    if kind := type_of(id):
        return kind
    raise BadInput(f"This is not an id of this API: {id[:60]!r}. Ids start with one of {', '.join(TYPES)} and a colon.")


@strawberry.type(description="Where reading starts.")
class Query:
    @strawberry.field(description="The object with this global id; null if there is none.")
    async def node(self, info: Request, id: described(strawberry.ID, "A global id.")) -> Node | None:
        return await find_node(info, id)

    @strawberry.field(
        description=f"The objects with these global ids, in their order, null for none; {MOST_NODES} at most."
    )
    async def nodes(self, info: Request, ids: described(list[strawberry.ID], "Global ids.")) -> list[Node | None]:
        if len(ids) > MOST_NODES:
            raise BadInput(f"ids: {MOST_NODES} at most, there are {len(ids)}. Ask in several requests.")
        # An exception in the list becomes an error at its own place.
        found: list[Any] = await asyncio.gather(*(find_node(info, id) for id in ids), return_exceptions=True)
        return found

    @strawberry.field(description="The agent with this id or key; null if there is none.")
    async def agent(
        self,
        info: Request,
        id: described(strawberry.ID | None, "The agent's global id.") = UNSET,
        key: described(str | None, "The simulation's own name for the agent.") = UNSET,
    ) -> Agent | None:
        match id or None, key or None:
            case str(id), None:
                kind_of(id)
                return await info.context.loaders.one(AGENT_BY_ID, id)
            case None, str(key):
                return await info.context.loaders.one(AGENT_BY_KEY, key)
            case _:
                raise BadInput("agent: pass either id or key, and not the other.")

    agents: AgentConnection = connection(
        edges.AGENTS,
        filter=AgentFilter,
        order=AgentOrder,
        description="The society's agents; by key unless told otherwise.",
    )

    @strawberry.field(description="The topic with this name; null if there is none.")
    async def topic(self, info: Request, name: str) -> Topic | None:
        return await info.context.loaders.one(TOPIC_BY_NAME, name)

    topics: TopicConnection = connection(
        edges.TOPICS,
        prefix="name",
        description="What agents know something about, by name.",
    )
