"""A schema that needs no database, with subscriptions of every temper, and servers for it on real sockets."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, WebSocketRoute

from graph.errors import SlowConsumer
from schema.document import ParsedOnce
from schema.root import Schema
from server.graphql import GraphQLEndpoint
from server.websocket import GraphQLSocketEndpoint

# Seconds that no wait of a test should ever take.
PATIENCE = 20


class Tally:
    """What the subscriptions below did: how many run, how many contexts were made."""

    # Nothing is cached.
    moment = None

    def __init__(self) -> None:
        self.running = 0
        self.contexts = 0

    def make_context(self) -> Any:
        self.contexts += 1
        return self


@strawberry.type
class Query:
    @strawberry.field
    async def echo(self, text: str = "hello") -> str:
        return text

    @strawberry.field
    async def slow(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return True

    @strawberry.field
    async def broken(self) -> int | None:
        raise ZeroDivisionError("a secret")


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def change(self) -> bool:
        return True


@strawberry.type
class Count:
    number: int

    @strawberry.field
    async def odd(self) -> bool:
        if self.number % 2:
            raise SlowConsumer("odd")
        return False

    @strawberry.field
    async def context(self, info: strawberry.Info[Tally]) -> int:
        return info.context.contexts


SHARED = (Count(number=0), Count(number=1))


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def counter(
        self, info: strawberry.Info[Tally], to: int = 3, linger: bool = False
    ) -> AsyncGenerator[Count, None]:
        info.context.running += 1
        try:
            for number in range(to):
                yield Count(number=number)
            if linger:
                await asyncio.Event().wait()
        finally:
            info.context.running -= 1

    @strawberry.subscription
    async def shared(self) -> AsyncGenerator[Count, None]:
        for count in SHARED:
            yield count

    @strawberry.subscription
    async def text(self, info: strawberry.Info[Tally], size: int) -> AsyncGenerator[str, None]:
        info.context.running += 1
        try:
            while True:
                yield "x" * size
        finally:
            info.context.running -= 1

    @strawberry.subscription
    async def failing(self, known: bool = True) -> AsyncGenerator[int, None]:
        yield 1
        raise SlowConsumer("Too slow.") if known else ZeroDivisionError("a secret")

    @strawberry.subscription
    async def silent(self, info: strawberry.Info[Tally]) -> AsyncGenerator[int, None]:
        info.context.running += 1
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            info.context.running -= 1


def small_schema() -> Any:
    return Schema(Query, Mutation, Subscription, extensions=[ParsedOnce])


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """Serves an application on a free port of loopback; gives the address without scheme."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="warning", lifespan="auto", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            async with asyncio.timeout(PATIENCE):
                await task


@asynccontextmanager
async def small_app(tally: Tally, **options: Any) -> AsyncIterator[str]:
    schema = small_schema()
    endpoint = GraphQLSocketEndpoint(schema, tally.make_context, deadline=1.0, **options)
    http = GraphQLEndpoint(schema, tally.make_context, deadline=1.0)
    routes = [Route("/graphql", http, methods=["GET", "POST"]), WebSocketRoute("/graphql", endpoint.serve)]
    app = Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=1)])
    async with serving(app) as (address, _):
        yield address


async def settled(tally: Tally, running: int) -> None:
    """Waits until so many subscriptions run."""
    for _ in range(100 * PATIENCE):
        if tally.running == running:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{tally.running} subscriptions run, not {running}")
