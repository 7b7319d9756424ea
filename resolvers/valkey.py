"""The connection to Redis or Valkey, to one server or to a cluster: each command goes to whoever holds its key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Any, Self, TypeVar

from redis.commands import AsyncCoreCommands
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as NotConnected

from resolvers.nodes import TIMEOUT, Node, Nodes, within

T = TypeVar("T")

log = logging.getLogger("ecs.redis")

# Seconds after which a node that did not answer is looked at again.
PAUSE = 1.0
# So often is a command sent on.
REDIRECTIONS = 3

# Its key says where it goes: one that names several finds them in one place.
Command = Sequence[Any]


class LeftAlone(NotConnected):
    """A node that did not answer of late is not asked now."""


class Redis(AsyncCoreCommands):
    """A server or a cluster, for one use, which waits so many seconds for an answer.

    Who can do without an answer says for which `purpose` it asks. Then nobody waits for a node that did not answer,
    until it has answered a question in the background. Everybody else always asks.
    """

    def __init__(self, nodes: Nodes, patience: float, purpose: str = "") -> None:
        self._nodes = nodes
        self._patience = patience
        self._purpose = purpose
        self._left: set[Node] = set()

    def within(self, seconds: float, purpose: str = "") -> Self:
        """The same servers for another use."""
        return type(self)(self._nodes, seconds, purpose)

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """Sends a command; one that is a single word is sent to all nodes. Raises RedisError and OSError."""

        def send(client: Any) -> Awaitable[Any]:
            return client.execute_command(*command, **options)

        if len(command) == 1:
            return (await asyncio.gather(*(self._ask(node, send) for node in self._nodes.all)))[0]
        node, asking = self._nodes.owner(key_of(command)), False
        for _ in range(REDIRECTIONS):
            try:
                if not asking:
                    return await self._ask(node, send)
                return (await self._ask(node, lambda client: pipe(client, [("ASKING",), command]).execute()))[1]
            except AskError as told:
                node, asking = self._redirect(node, told)
        raise ClusterDownError("The nodes of the cluster do not agree.")

    async def send_all(self, commands: Sequence[Command]) -> list[Any]:
        """Sends commands together, and gives for each its answer or what befell it."""
        found: list[Any] = [None] * len(commands)
        ahead = {place: (self._nodes.owner(key_of(command)), False) for place, command in enumerate(commands)}
        for _ in range(REDIRECTIONS):
            parts: dict[tuple[Node, bool], list[int]] = {}
            for place, target in ahead.items():
                parts.setdefault(target, []).append(place)
            sent = (self._send_part(target, [commands[place] for place in part]) for target, part in parts.items())
            for part, answers in zip(parts.values(), await asyncio.gather(*sent), strict=True):
                for place, answer in zip(part, answers, strict=True):
                    found[place] = answer
            ahead = {
                place: self._redirect(node, found[place])
                for place, (node, _) in ahead.items()
                if isinstance(found[place], AskError)
            }
            if not ahead:
                break
        return found

    async def _send_part(self, target: tuple[Node, bool], commands: Sequence[Command]) -> list[Any]:
        node, asking = target
        step = 2 if asking else 1
        sent = [each for command in commands for each in ([("ASKING",), command] if asking else [command])]
        try:
            answers = await self._ask(node, lambda client: pipe(client, sent).execute(raise_on_error=False))
        except (RedisError, OSError) as error:
            return [error] * len(commands)
        return answers[step - 1 :: step]

    def _redirect(self, node: Node, told: AskError) -> tuple[Node, bool]:
        """Where a command is to be sent instead, and whether that is an exception."""
        node = self._nodes.named(node, told)
        if isinstance(told, MovedError):
            self._nodes.move(told.slot_id, node)
        return node, not isinstance(told, MovedError)

    async def _ask(self, node: Node, send: Callable[[Any], Awaitable[T]]) -> T:
        if node in self._left:
            raise LeftAlone(f"{node.address} did not answer.")
        try:
            return await within(self._patience, send(node.client))
        except (NotConnected, OSError) as error:
            self._nodes.refresh()
            if self._purpose and node not in self._left:
                self._left.add(node)
                reason = type(error).__name__
                log.warning(
                    "Redis at %s does not answer (%s): going on without %s.", node.address, reason, self._purpose
                )
                self._nodes.spawn(self._await_answer(node))
            raise

    async def _await_answer(self, node: Node) -> None:
        answered = False
        while not answered and node in self._nodes.all:
            await asyncio.sleep(PAUSE)
            # Another node may have taken its place.
            self._nodes.refresh()
            with suppress(RedisError, OSError):
                answered = await within(self._patience, node.client.ping())
        if answered:
            # A node that hung may have been replaced, and not know it yet.
            await self._nodes.reread(doubted=node)
        self._left.discard(node)
        if answered:
            log.warning("Redis at %s answers again, for %s.", node.address, self._purpose)

    async def aclose(self) -> None:
        """Closes the connections, whatever they are used for."""
        await self._nodes.aclose()


class Script:
    """A script, which is sent whole to those who do not know it."""

    def __init__(self, redis: Redis, text: str) -> None:
        self._redis: Any = redis
        self._text = text
        self._hash = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Runs it on keys of one place. Raises RedisError and OSError."""
        try:
            return await self._redis.execute_command("EVALSHA", self._hash, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._redis.execute_command("EVAL", self._text, len(keys), *keys, *arguments)

    async def run_all(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Runs it on a key each with arguments, and gives what came of each."""
        found = await self._redis.send_all([("EVALSHA", self._hash, 1, *call) for call in calls])
        unknown = [place for place, answer in enumerate(found) if isinstance(answer, NoScriptError)]
        if unknown:
            again = await self._redis.send_all([("EVAL", self._text, 1, *calls[place]) for place in unknown])
            for place, answer in zip(unknown, again, strict=True):
                found[place] = answer
        return found


def connect(url: str) -> Redis:
    """Prepares the connection; nothing is sent before the first command."""
    return Redis(Nodes(url), TIMEOUT)  # pyright: ignore[reportAbstractUsage]


async def answers(redis: Redis) -> bool:
    """Says whether the server answers, or every node of the cluster."""
    try:
        return bool(await redis.ping())  # pyright: ignore
    except (RedisError, OSError):
        return False


def pipe(client: Any, commands: Sequence[Command]) -> Any:
    found = client.pipeline(transaction=False)
    for command in commands:
        found.execute_command(*command)
    return found


def key_of(command: Command) -> Any:
    """The key that says where a command goes."""
    match command[0]:
        case "EVAL" | "EVALSHA":
            return command[3]
        case "XREAD":
            return command[command.index(b"STREAMS") + 1]
        case _:
            return command[1]
