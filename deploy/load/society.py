"""The society that is asked: one seeded into servers of its own, or that of a server that runs."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

import orjson

from deploy.bench.compare import seed
from deploy.bench.systems import CACHED, run_system
from deploy.load.generator import GeneratorError
from deploy.load.operations import OPERATIONS, SOCIETY, Person, draw, persons_of
from deploy.servers import temporary_servers

FEWEST_PERSONS = 2
TRIES = 5


@contextmanager
def embedded(society: tuple[int, int, int], memory_limit: int | None, say: Callable[[str], None]) -> Iterator[str]:
    """Serves so many agents, with memories and relationships each, until the block ends; yields the API's URL."""
    with (
        TemporaryDirectory(prefix="ecs-load-", ignore_cleanup_errors=True) as logs,
        temporary_servers(say, memory_limit=memory_limit) as servers,
    ):
        agents, memories, relationships = society
        say(f"Seeding {agents:,} agents of {memories:,} memories and {relationships} relationships each")
        asyncio.run(seed(servers, society))
        with run_system(CACHED, servers, {}, Path(logs)) as system:
            yield system.url.removesuffix("/graphql")


def read_society(url: str, most: int) -> list[Person]:
    """Asks who there is and who knows whom. Raises GeneratorError for fewer than two agents."""
    nodes: list[dict[str, Any]] = []
    info: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while info["hasNextPage"] and len(nodes) < most:
        page = ask(url, SOCIETY, {"after": info["endCursor"]})["agents"]
        nodes, info = nodes + page["nodes"], page["pageInfo"]
    if len(nodes) < FEWEST_PERSONS:
        raise GeneratorError(f"{url} has {len(nodes)} agents, {FEWEST_PERSONS} are needed: seed it first (ecs seed).")
    return persons_of(nodes[:most])


def prime(url: str, person: Person) -> None:
    """Lets one agent take a turn: a database that has just started needs seconds for its first writes.

    Under a load that does not wait they would end in a queue that never empties. Raises GeneratorError.
    """
    for operation in OPERATIONS:
        for patience in range(TRIES - 1, -1, -1):
            try:
                ask(url, operation.document, draw(operation, person, Random(1)))  # noqa: S311
            except GeneratorError:
                if not patience:
                    raise
            else:
                break


def ask(url: str, document: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Asks one query. Raises GeneratorError."""
    body = orjson.dumps({"query": document, "variables": variables})
    headers = {"content-type": "application/json", "accept": "application/json"}
    try:
        with urlopen(Request(f"{url}/graphql", body, headers), timeout=60) as response:  # noqa: S310 — the user's own
            answer = orjson.loads(response.read())
    except (OSError, ValueError) as error:
        raise GeneratorError(f"{url} cannot be asked: {error}") from None
    if errors := answer.get("errors"):
        raise GeneratorError(f"{url} answers with an error: {errors[0].get('message')}")
    return answer["data"]
