"""The Redis or Valkey servers behind one address: one, or the nodes of a cluster, and which of them holds what.

One server holds everything, until it says that a key lies elsewhere: then it is one of a cluster, whose slots are
read. What a node that is gone held is found again once another has taken it over.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from contextlib import suppress
from itertools import count
from random import sample
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError, RedisError

from resolvers.futures import over

T = TypeVar("T")

# Seconds that a server may take.
TIMEOUT = 2.0
# In so many turns a wait goes by.
TURNS = 10


class Node(NamedTuple):
    """A server, and its name for people."""

    address: str
    client: Any


class Nodes:
    """The servers that are known. Nothing is sent before the first command."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._seed = Node(write_address(self._url.hostname or "localhost", self._url.port or 6379), open_client(url))
        self._known: dict[str, Node] = {}
        # Those that hold nothing any more. They are closed once more at the end: a connection may have been on its way.
        self._gone: dict[str, Node] = {}
        self._slots: dict[int, Node] = {}
        self._refreshing = False
        self._turns = count(1)
        self._latest = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def all(self) -> list[Node]:
        """Every server that holds something."""
        return list(self._known.values()) or [self._seed]

    def owner(self, key: str | bytes) -> Node:
        """The server that holds a key, as far as is known."""
        if not self._slots:
            return self._seed
        return self._slots.get(key_slot(key.encode() if isinstance(key, str) else key), self._seed)

    def named(self, asked: Node, told: AskError) -> Node:
        """The node that another one names."""
        host, port = cast("tuple[str, int]", told.node_addr)  # pyright: ignore[reportUnknownMemberType]
        return self._at(asked, host, port)

    def move(self, slot: int, node: Node) -> None:
        """Notes that a node holds a slot now, and looks what else has changed."""
        self._slots[slot] = node
        self.refresh()

    def refresh(self) -> None:
        """Reads in the background who holds which slot, if there is a cluster."""
        if self._slots and not self._refreshing:
            self._refreshing = True
            self.spawn(self._refresh())

    async def _refresh(self) -> None:
        try:
            await self.reread()
        finally:
            self._refreshing = False

    async def reread(self, doubted: Node | None = None) -> None:
        """Reads who holds which slot, if there is a cluster, from a node that nobody doubts if one answers."""
        if self._slots:
            for node in [*sorted(sample(self.all, len(self.all)), key=lambda each: each == doubted), self._seed]:
                with suppress(RedisError, OSError):
                    await self._read_slots(node)
                    return

    async def _read_slots(self, asked: Node) -> None:
        slots: dict[int, Node] = {}
        turn = next(self._turns)
        for first, last, (host, port, *_), *_ in await within(TIMEOUT, asked.client.execute_command("CLUSTER SLOTS")):
            node = self._at(asked, (host or b"").decode(), port)
            slots.update(dict.fromkeys(range(first, last + 1), node))
        # What was asked for earlier and comes later is out of date.
        if not slots or turn < self._latest:
            return
        self._slots, self._latest = slots, turn
        held = {node.address for node in self._slots.values()}
        for address in self._known.keys() - held:
            node = self._gone[address] = self._known.pop(address)
            await node.client.aclose()

    def _at(self, asked: Node, host: str, port: int) -> Node:
        # A node that does not know its own address means the one by which it was asked.
        host = asked.address.rpartition(":")[0].strip("[]") if host in {"", "?"} else host
        address = write_address(host, port)
        if address not in self._known:
            login, at, _ = self._url.netloc.rpartition("@")
            url = self._url._replace(netloc=f"{login}{at}{address}")
            self._known[address] = self._gone.pop(address, None) or Node(address, open_client(url.geturl()))
        return self._known[address]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something in the background, until all is closed at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await close_all([self._seed, *self._known.values(), *self._gone.values()])


def open_client(url: str) -> Client:
    """Prepares connections to one server.

    What failed is not tried again: by itself the client would try ten times more. In the older protocol it notices
    that the server closed a connection before it sends. It has no timeouts of its own: see `within`.
    """
    return Client.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        socket_timeout=None,
        socket_connect_timeout=None,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


async def close_all(nodes: Iterable[Node]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*(node.client.aclose() for node in nodes), return_exceptions=True)


async def within(seconds: float, command: Awaitable[T]) -> T:
    """Waits so long for a command. Raises TimeoutError.

    Time that this process was busy with other things does not count: while it is, it hears no answer, however long
    that has been there. So a wait goes by in turns of the event loop, each of which counts as short as it should be.
    The command has a task of its own, for before Python 3.12 one may swallow its caller's cancellation, and the wait a
    future: `asyncio.wait` would take longer than the command.
    """
    loop = asyncio.get_running_loop()
    task, turns = asyncio.ensure_future(command), TURNS
    waiting = over(task)

    def pass_by() -> None:
        nonlocal turn, turns
        turns -= 1
        if turns:
            turn = loop.call_later(seconds / TURNS, pass_by)
        elif not waiting.done():
            waiting.set_result(None)

    turn = loop.call_later(seconds / TURNS, pass_by)
    try:
        await waiting
        if task.done():
            return task.result()
    finally:
        turn.cancel()
        if not task.done():
            task.cancel()
            # Nobody is left to hear how it failed.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
    raise TimeoutError(f"no answer in {seconds:g} s")


def write_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
