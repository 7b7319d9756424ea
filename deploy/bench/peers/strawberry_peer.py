"""Strawberry as people write it: its ASGI view, its caches of documents, dataloaders for each request.

Its loaders read with the project's own Cypher and rows, so that what differs is how GraphQL is executed.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import orjson
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from deploy.bench.peers.statements import ADD_MEMORIES, RECORD_INTERACTIONS
from graph import edges, model
from graph.database import Database
from graph.filters import compile_filter
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, Lookup, LookupKey, fetch_lookups
from graph.page import Page
from graph.pages import Listing, PageKey, PageShape, complete_order, fetch_pages

DEADLINE = 10.0
Info = strawberry.Info[dict[str, Any], None]


@strawberry.enum
class SortDirection(Enum):
    ASC = "ASC"
    DESC = "DESC"


@strawberry.input
class StringFilter:
    gte: str


@strawberry.input
class FloatFilter:
    gte: float


@strawberry.input
class AgentFilter:
    key: StringFilter | None = None
    social_energy: FloatFilter | None = None


@strawberry.input
class AgentOrder:
    key: SortDirection | None = None
    name: SortDirection | None = None


@strawberry.input
class MemoryOrder:
    importance: SortDirection


@strawberry.input
class RelationshipOrder:
    strength: SortDirection


class Loaders:
    """The dataloaders of one request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages: dict[PageShape, DataLoader[PageKey, Page]] = {}
        self.agent_by_key = self._lookup(AGENT_BY_KEY)
        self.agent_by_id = self._lookup(AGENT_BY_ID)

    def _lookup(self, lookup: Lookup) -> DataLoader[str, model.Agent | None]:
        async def load(keys: list[str]) -> list[Any]:
            return await fetch_lookups(self._database, lookup, [LookupKey(lookup, key) for key in keys], DEADLINE)

        return DataLoader(load)

    def page(self, shape: PageShape, parent: str | None = None, after: tuple[Any, ...] = ()) -> Awaitable[Page]:
        if shape not in self._pages:

            async def load(keys: list[PageKey]) -> list[Page]:
                return await fetch_pages(self._database, shape, keys, DEADLINE)

            self._pages[shape] = DataLoader(load)
        return self._pages[shape].load(PageKey(shape, parent, after))


def shape_of(edge: edges.Edge, first: int, order: Sequence[Any], **more: Any) -> PageShape:
    chosen = [
        edges.Order(property=name, descending=direction is SortDirection.DESC, unique=edge.orders[name].unique)
        for item in order
        for name, direction in vars(item).items()
        if direction
    ]
    after = more.pop("after", False)
    return PageShape(Listing(edge, **more), complete_order(edge, chosen), first, after=after)


@strawberry.type
class Memory:
    id: strawberry.ID
    content: str
    importance: float


@strawberry.type
class MemoryEdge:
    node: Memory


@strawberry.type
class MemoryConnection:
    edges: list[MemoryEdge]


@strawberry.type
class RelationshipEdge:
    strength: float
    target: strawberry.Private[str]

    @strawberry.field
    async def node(self, info: Info) -> "Agent":
        return Agent.of(await info.context["loaders"].agent_by_id.load(self.target))


@strawberry.type
class RelationshipConnection:
    edges: list[RelationshipEdge]


@strawberry.type
class Agent:
    id: strawberry.ID
    key: str
    name: str
    social_energy: float

    @classmethod
    def of(cls, row: model.Agent) -> "Agent":
        return cls(id=strawberry.ID(row.id), key=row.key, name=row.name, social_energy=row.social_energy)

    @strawberry.field
    async def memories(self, info: Info, first: int, order_by: list[MemoryOrder]) -> MemoryConnection:
        page = await info.context["loaders"].page(shape_of(edges.REMEMBERS, first, order_by), self.id)
        return MemoryConnection(
            edges=[
                MemoryEdge(node=Memory(id=strawberry.ID(row.id), content=row.content, importance=row.importance))
                for row in page.items
            ]
        )

    @strawberry.field
    async def relationships(self, info: Info, first: int, order_by: list[RelationshipOrder]) -> RelationshipConnection:
        page = await info.context["loaders"].page(shape_of(edges.RELATES_TO, first, order_by), self.id)
        return RelationshipConnection(
            edges=[RelationshipEdge(strength=row.strength, target=row.target_id) for row in page.items]
        )


@strawberry.type
class AgentEdge:
    node: Agent


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class AgentConnection:
    edges: list[AgentEdge]
    page_info: PageInfo


@strawberry.type
class Query:
    @strawberry.field
    async def agent(self, info: Info, key: str) -> Agent | None:
        row = await info.context["loaders"].agent_by_key.load(key)
        return Agent.of(row) if row else None

    @strawberry.field
    async def agents(
        self, info: Info, first: int, filter: AgentFilter, order_by: list[AgentOrder], after: str | None = None
    ) -> AgentConnection:
        given = {"key": filter.key, "socialEnergy": filter.social_energy}
        wanted = compile_filter(model.Agent, {name: {"gte": value.gte} for name, value in given.items() if value})
        position = tuple(orjson.loads(urlsafe_b64decode(after))) if after else ()
        shape = shape_of(edges.AGENTS, first, order_by, filter=wanted, after=bool(position))
        page = await info.context["loaders"].page(shape, None, position)
        end = urlsafe_b64encode(orjson.dumps(page.positions[-1])).decode() if page.positions else None
        return AgentConnection(
            edges=[AgentEdge(node=Agent.of(row)) for row in page.items],
            page_info=PageInfo(has_next_page=page.more, end_cursor=end),
        )


@strawberry.input
class NewMemory:
    agent: str
    content: str
    importance: float


@strawberry.input
class AddMemoriesInput:
    memories: list[NewMemory]


@strawberry.type
class Written:
    id: strawberry.ID


@strawberry.type
class AddMemoriesPayload:
    memories: list[Written]


@strawberry.input
class NewInteraction:
    source: str
    target: str
    kind: str
    content: str | None = None
    impact: float


@strawberry.input
class RecordInteractionsInput:
    interactions: list[NewInteraction]


@strawberry.type
class Tie:
    strength: float


@strawberry.type
class RecordInteractionsPayload:
    interactions: list[Written]
    relationships: list[Tie]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def add_memories(self, info: Info, input: AddMemoriesInput) -> AddMemoriesPayload:
        given = {"rows": [vars(each) for each in input.memories]}
        (rows,) = await info.context["database"].transact("add", (ADD_MEMORIES, given))
        return AddMemoriesPayload(memories=[Written(id=memory["id"]) for (memory,) in rows])

    @strawberry.mutation
    async def record_interactions(self, info: Info, input: RecordInteractionsInput) -> RecordInteractionsPayload:
        given = {"rows": [vars(each) for each in input.interactions]}
        (rows,) = await info.context["database"].transact("record", (RECORD_INTERACTIONS, given))
        return RecordInteractionsPayload(
            interactions=[Written(id=item["id"]) for (item,) in rows],
            relationships=[Tie(strength=strength) for (item,) in rows for strength in item["strengths"]],
        )


class View(GraphQL[dict[str, Any], None]):
    """Strawberry's view, with new loaders for each request."""

    def __init__(self, schema: strawberry.Schema, connect: Callable[[], Database]) -> None:
        super().__init__(schema, graphql_ide=None)
        self._database = connect

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        database = self._database()
        return {"database": database, "loaders": Loaders(database)}


def create_app() -> Starlette:
    """Makes the application; its lifespan opens and closes the database."""
    url, password = os.environ["ECS_DATABASE_URL"], os.environ["ECS_DATABASE_PASSWORD"]
    opened: list[Database] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with Database.connect(url, user="neo4j", password=password) as database:
            opened.append(database)
            yield

    schema = strawberry.Schema(Query, Mutation, extensions=[ParserCache, ValidationCache])
    return Starlette(lifespan=lifespan, routes=[Route("/graphql", View(schema, lambda: opened[0]))])
