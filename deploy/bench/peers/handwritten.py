"""The least that can answer the benchmark: one function a query, over the project's own Cypher, without GraphQL.

It goes by the operation's name and variables and never reads the document. Queries of requests in flight are joined
as the project joins them; rows go into JSON as they come, without objects in between.
"""

import gc
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from deploy.bench.peers.statements import ADD_MEMORIES, RECORD_INTERACTIONS
from graph.database import Database
from graph.eager import EagerKey, EagerLookup, EagerPage, eager_lookup, eager_parameters, eager_text
from graph.edges import AGENTS, RELATES_TO, REMEMBERS, Edge, Order
from graph.filters import Filter, compile_filter
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, Lookup, LookupKey, narrowed_lookup
from graph.model import Agent, Memory, Relationship
from graph.pages import Listing, PageKey, PageShape, complete_order, layout_of, page_parameters, text_of
from graph.rows import Fields, choose, chosen_columns
from resolvers.coalescer import Coalescer

Data = dict[str, Any]
Row = list[Any]


# It reads what is asked for alone, as the project does.
READ = {
    Agent: choose(Agent, frozenset({"id", "name", "social_energy"})),
    Memory: choose(Memory, frozenset({"id", "content", "importance"})),
    Relationship: choose(Relationship, frozenset({"strength"})),
}
BY_KEY = narrowed_lookup(AGENT_BY_KEY, READ[Agent])
# Relationships bring along who is at their other ends.
FRIEND = choose(Agent, frozenset({"id", "name"}))


def shape(
    edge: Edge, limit: int, order: Order, filter: Filter | None = None, *, after: bool = False, placed: bool = False
) -> PageShape:
    ordered = complete_order(edge, [order])
    return PageShape(Listing(edge, filter=filter), ordered, limit, after=after, fields=READ[edge.row], placed=placed)


def memories(limit: int) -> PageShape:
    return shape(REMEMBERS, limit, Order(property="importance", descending=True))


RELATIONSHIPS = replace(
    shape(RELATES_TO, 10, Order(property="strength", descending=True)), brings=narrowed_lookup(AGENT_BY_ID, FRIEND)
)
PROFILE = eager_lookup(BY_KEY, (memories(20), RELATIONSHIPS))
FRIENDS = eager_lookup(BY_KEY, (RELATIONSHIPS,))
FEED = (memories(5), RELATIONSHIPS)
KEY_ORDER, NAME_ORDER = Order(property="key", unique=True), Order(property="name")


def places(row: type, chosen: Fields, laid_out: Sequence[int], *names: str) -> list[int]:
    """Where in a row the columns of these names are."""
    columns = [column.name for column in chosen_columns(row, chosen)]
    return [laid_out[columns.index(name)] for name in names]


MEMORY, TIE = layout_of(memories(1)), layout_of(RELATIONSHIPS)
# Agents are laid out alike wherever they are read: their columns come first.
ID, NAME, ENERGY = places(Agent, READ[Agent], range(9), "id", "name", "social_energy")
MEMORY_ID, CONTENT, IMPORTANCE = places(Memory, READ[Memory], MEMORY.row, "id", "content", "importance")
(STRENGTH,) = places(Relationship, READ[Relationship], TIE.row, "strength")
SORTED = layout_of(shape(AGENTS, 20, NAME_ORDER, placed=True)).sorts
FRIEND_ID, FRIEND_NAME = places(Agent, FRIEND, TIE.brought, "id", "name")


def agent_json(row: Row) -> Data:
    return {"id": row[ID], "name": row[NAME], "socialEnergy": row[ENERGY]}


def memories_json(rows: list[Row]) -> Data:
    nodes = ({"id": row[MEMORY_ID], "content": row[CONTENT], "importance": row[IMPORTANCE]} for row in rows)
    return {"edges": [{"node": node} for node in nodes]}


class Reads:
    """Each query of the benchmark, answered by level."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._coalescer = Coalescer(self._fetch)

    async def _fetch(self, shape: Any, keys: list[Any]) -> list[Any]:
        if isinstance(shape, Lookup):
            ((rows,),) = await self._database.read(shape.name, shape.text, {"keys": [key.key for key in keys]})
            found: dict[Any, Any] = dict(rows)
            return [found.get(key.key) for key in keys]
        if isinstance(shape, EagerLookup | EagerPage):
            ((rows,),) = await self._database.read(shape.lane, eager_text(shape), eager_parameters(shape, keys))
            if isinstance(shape, EagerPage):
                pages: list[list[Row]] = [[] for _ in keys]
                for number, *row_and_lists in rows:
                    pages[number].append(row_and_lists)
                return pages
            found = {key: row_and_lists for key, *row_and_lists in rows}
            return [found.get(key.plain.key) for key in keys]
        ((rows,),) = await self._database.read(shape.lane, text_of(shape), page_parameters(shape, keys))
        found = dict(rows)
        return [found[i] for i in range(len(keys))]

    async def _load(self, keys: Sequence[Any]) -> list[Any]:
        answers = await self._coalescer.load_many(keys)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _pages(self, shape: PageShape, parents: Sequence[str]) -> list[list[Row]]:
        return await self._load([PageKey(shape, parent) for parent in parents])

    async def agent(self, variables: Data) -> Data:
        (row,) = await self._load([LookupKey(BY_KEY, variables["key"])])
        return {"agent": agent_json(row)}

    async def profile(self, variables: Data) -> Data:
        ((row, remembered, ties),) = await self._load([EagerKey(PROFILE, LookupKey(BY_KEY, variables["key"]))])
        more = {"memories": memories_json(remembered), "relationships": ties_json(ties)}
        return {"agent": agent_json(row) | more}

    async def feed(self, variables: Data) -> Data:
        filter = compile_filter(Agent, {"key": {"gte": variables["from"]}})
        page = PageKey(shape(AGENTS, 50, KEY_ORDER, filter))
        (rows,) = await self._load([EagerKey(EagerPage(page.shape, FEED), page)])
        edges = [
            {"node": {"id": row[ID], "name": row[NAME], "memories": memories_json(remembered),
                      "relationships": ties_json(ties)}}
            for row, remembered, ties in rows
        ]  # fmt: skip
        return {"agents": {"edges": edges}}

    async def friends(self, variables: Data) -> Data:
        ((row, near),) = await self._load([EagerKey(FRIENDS, LookupKey(BY_KEY, variables["key"]))])
        ids = [tie[FRIEND_ID] for tie in near]
        pages = await self._pages(RELATIONSHIPS, ids)
        theirs = {id: {"relationships": ties_json(page)} for id, page in zip(ids, pages, strict=True)}
        edges = ties_json(near)
        for edge in edges["edges"]:
            edge["node"] |= theirs[edge["node"]["id"]]
        return {"agent": {"id": row[ID], "name": row[NAME], "relationships": edges}}

    async def page(self, variables: Data) -> Data:
        filter = compile_filter(Agent, {"socialEnergy": {"gte": variables["energy"]}})
        cursor = variables.get("after")
        after = tuple(orjson.loads(urlsafe_b64decode(cursor))) if cursor else ()
        asked = shape(AGENTS, 20, NAME_ORDER, filter, after=bool(after), placed=True)
        (rows,) = await self._load([PageKey(asked, after=after)])
        shown = rows[:20]
        end = urlsafe_b64encode(orjson.dumps([shown[-1][at] for at in SORTED])).decode() if shown else None
        info = {"hasNextPage": len(rows) > 20, "endCursor": end}
        return {"agents": {"edges": [{"node": agent_json(row)} for row in shown], "pageInfo": info}}

    async def add_memories(self, variables: Data) -> Data:
        given = {"rows": variables["input"]["memories"]}
        (rows,) = await self._database.transact("add", (ADD_MEMORIES, given))
        return {"addMemories": {"memories": [memory for (memory,) in rows]}}

    async def record_interactions(self, variables: Data) -> Data:
        given = {"rows": variables["input"]["interactions"]}
        (rows,) = await self._database.transact("record", (RECORD_INTERACTIONS, given))
        interactions = [{"id": item["id"]} for (item,) in rows]
        ties = [{"strength": strength} for (item,) in rows for strength in item["strengths"]]
        return {"recordInteractions": {"interactions": interactions, "relationships": ties}}


def ties_json(rows: list[Row]) -> Data:
    return {
        "edges": [{"strength": row[STRENGTH], "node": {"id": row[FRIEND_ID], "name": row[FRIEND_NAME]}} for row in rows]
    }


def create_app() -> Callable[[Data, Any, Any], Awaitable[None]]:
    """Makes the application; its lifespan opens and closes the database."""
    url, password = os.environ["ECS_DATABASE_URL"], os.environ["ECS_DATABASE_PASSWORD"]
    queries: dict[str, Callable[[Data], Awaitable[Data]]] = {}

    async def live(receive: Any, send: Any) -> None:
        await receive()
        async with Database.connect(url, user="neo4j", password=password) as database:
            reads = Reads(database)
            queries.update(
                Agent=reads.agent, Profile=reads.profile, Feed=reads.feed, Friends=reads.friends, Page=reads.page,
                AddMemories=reads.add_memories, RecordInteractions=reads.record_interactions,
            )  # fmt: skip
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def app(scope: Data, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await live(receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        asked = orjson.loads(body)
        try:
            answer = orjson.dumps({"data": await queries[asked["operationName"]](asked["variables"])})
        except Exception as error:  # whatever it is, the load generator must see it
            answer = orjson.dumps({"errors": [{"message": repr(error)}]})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        return None

    return app
