"""Clients who read and write all the time, send again what was not answered, and count what must be there."""

import asyncio
import time
from collections import Counter
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

DEADLINE = 5
# Much longer than any answer may take: who waits for so long hangs.
HANGING = 4 * DEADLINE
WRITERS = READERS = 4

CREATE = "mutation ($input: CreateAgentsInput!) { createAgents(input: $input) { agents { id } } }"
REMEMBER = "mutation ($input: AddMemoriesInput!) { addMemories(input: $input) { memories { id } } }"
INTERACT = "mutation ($input: RecordInteractionsInput!) { recordInteractions(input: $input) { interactions { id } } }"
READ = """query ($key: String!) { agent(key: $key) { name
  memories(first: 5) { totalCount nodes { content } } relationships(first: 5) { edges { strength } } } }"""
FOUND = """query ($key: String!, $after: String) { agent(key: $key) {
  memories(first: 1000, after: $after) { pageInfo { hasNextPage endCursor } nodes { content } }
  interactions { totalCount }
  relationships(first: 10) { nodes { key } edges { relationship { interactionCount } } } } }"""

# What a client may be told while something is broken.
TOLD = {"UNAVAILABLE", "TIMEOUT", "OVERLOADED"}


class Load:
    """Writers and readers at work for as long as the context lasts."""

    def __init__(self, url: str, *, writers: int = WRITERS, readers: int = READERS) -> None:
        self._url = f"{url}/graphql"
        self._mark = uuid4().hex[:8]
        self._writers, self._readers = writers, readers
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.written: dict[str, list[str]] = {self.key(at): [] for at in range(writers)}
        self.interactions: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.acknowledged = self.answered = 0
        self.longest = 0.0

    def key(self, number: int) -> str:
        return f"{self._mark}_{number}"

    async def __aenter__(self) -> "Load":
        # A connection for each request, so that every worker has its part.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(timeout=HANGING, limits=limits)
        agents = [{"key": self.key(at), "name": "x", "memoryCapacity": 1_000_000} for at in range(self._writers)]
        assert await self._send(CREATE, {"input": {"agents": agents}})
        work = [self._write(at) for at in range(self._writers)] + [self._read(at) for at in range(self._readers)]
        self._tasks = [asyncio.create_task(each) for each in work]
        await self.progress()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        try:
            if kind is None:
                async with asyncio.timeout(90):
                    await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if kind is None:
            await self._check()
        await self._client.aclose()

    async def progress(self, writes: int = 20, reads: int = 20, seconds: float = 90) -> None:
        """Waits until so many more writes and reads have succeeded, as they do by themselves when all is well."""
        acknowledged, answered = self.acknowledged + writes, self.answered + reads
        async with asyncio.timeout(seconds):
            while self.acknowledged < acknowledged or self.answered < answered:
                if failed := [task for task in self._tasks if task.done() and not self._over.is_set()]:
                    failed[0].result()
                await asyncio.sleep(0.05)

    async def _send(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """Gives the data of a request that succeeded; one that failed may have done so only as it is allowed to."""
        started = time.monotonic()
        try:
            response = await self._client.post(self._url, json={"query": query, "variables": variables})
        except httpx.ReadTimeout:
            raise AssertionError(f"a request hung for {HANGING} s") from None
        except httpx.TransportError as error:
            self.codes[type(error).__name__] += 1
            return None
        self.longest = max(self.longest, time.monotonic() - started)
        answer = response.json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= TOLD, answer
        assert response.status_code == (503 if "OVERLOADED" in codes else 200), answer
        self.codes.update(codes or {"OK"})
        return None if codes else answer["data"]

    async def _repeat(self, query: str, input: dict[str, Any]) -> None:
        """Sends a mutation, under its key, until it is acknowledged."""
        while await self._send(query, {"input": input}) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self.acknowledged += 1

    async def _write(self, number: int) -> None:
        key, other = self.key(number), self.key((number + 1) % self._writers)
        while not self._over.is_set():
            content = uuid4().hex
            self.written[key].append(content)
            memory = {"agent": key, "content": content, "importance": 0.5}
            await self._repeat(REMEMBER, {"idempotencyKey": content, "memories": [memory]})
            self.interactions[key] += 1
            meeting = {"source": key, "target": other, "kind": "chat", "impact": 0.1}
            await self._repeat(INTERACT, {"idempotencyKey": uuid4().hex, "interactions": [meeting]})

    async def _read(self, number: int) -> None:
        key = self.key(number % self._writers)
        while not self._over.is_set():
            known = len(self.written[key]) - 1
            data = await self._send(READ, {"key": key})
            if data is None:
                await asyncio.sleep(0.05)
                continue
            assert data["agent"]["memories"]["totalCount"] >= known, "what was acknowledged is read"
            self.answered += 1

    async def _check(self) -> None:
        """Everything that was acknowledged, which is all, is there exactly once."""
        for number in range(self._writers):
            key = self.key(number)
            contents, after = list[str](), None
            while True:
                data = await self._send(FOUND, {"key": key, "after": after})
                assert data, self.codes
                page = data["agent"]["memories"]
                contents += [node["content"] for node in page["nodes"]]
                if not page["pageInfo"]["hasNextPage"]:
                    break
                after = page["pageInfo"]["endCursor"]
            assert Counter(contents) == Counter(self.written[key])
            other = self.key((number + 1) % self._writers)
            # Both lists have what each of the two started.
            before = self.interactions[self.key((number - 1) % self._writers)] if self._writers > 2 else 0
            edges = dict(
                zip(
                    [node["key"] for node in data["agent"]["relationships"]["nodes"]],
                    [edge["relationship"]["interactionCount"] for edge in data["agent"]["relationships"]["edges"]],
                    strict=True,
                )
            )
            assert edges[other] == self.interactions[key]
            assert data["agent"]["interactions"]["totalCount"] in {
                self.interactions[key],
                self.interactions[key] + before,
            }
