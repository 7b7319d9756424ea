"""A real Redis cluster on this machine, whose nodes can come to harm."""

import asyncio
import os
from pathlib import Path
from typing import Any

from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from graph.embedded.ports import HOST, find_free_port
from graph.embedded.process import Process
from graph.embedded.valkey import SETTINGS, find_valkey

# Without a primary only what it held is lost.
CLUSTER = """
cluster-enabled yes
cluster-port {bus}
cluster-node-timeout 1000
cluster-require-full-coverage no
cluster-replica-validity-factor 0
repl-diskless-sync-delay 0
masterauth {password}
"""
PASSWORD = "secret"
SLOTS = 16384
PATIENCE = 20


class Member:
    """One node."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.port, self._bus = find_free_port(), find_free_port()
        self._process: Process | None = None
        self.client: Any = Client(
            host=HOST, port=self.port, password=PASSWORD, protocol=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )

    def start(self) -> None:
        """Starts it, with what it knew of the cluster and nothing else, unless it runs."""
        if self._process and self._process.exit_code is None:
            return
        self.stop()
        self._home.mkdir(exist_ok=True)
        config = SETTINGS.format(host=HOST, port=self.port, password=PASSWORD, maxmemory=2**25)
        (self._home / "valkey.conf").write_text(config + CLUSTER.format(bus=self._bus, password=PASSWORD))
        command = [str(find_valkey()), str(self._home / "valkey.conf")]
        self._process = Process.spawn(command, cwd=self._home, output=self._home / "valkey.log")

    def send(self, number: int) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    async def ask(self, *command: Any) -> Any:
        return await self.client.execute_command(*command)

    async def meet(self, other: "Member") -> None:
        await self.ask("CLUSTER MEET", HOST, other.port, other._bus)

    async def state(self) -> dict[str, str]:
        try:
            return await self.ask("CLUSTER INFO")
        except (RedisError, OSError):
            return {}


class Cluster:
    """Three primaries of a third of the slots each, and as many replicas of the second as are wanted."""

    def __init__(self, home: Path, *, replicas: int = 0) -> None:
        self.members = [Member(home / str(number)) for number in range(3 + replicas)]

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@{HOST}:{self.members[0].port}/0"

    async def form(self) -> None:
        primaries, replicas = self.members[:3], self.members[3:]
        for member in self.members:
            member.start()
        await asyncio.gather(*(settled(member, {}) for member in self.members))
        for place, member in enumerate(primaries):
            await member.ask("CLUSTER ADDSLOTSRANGE", place * SLOTS // 3, (place + 1) * SLOTS // 3 - 1)
            await member.ask("CLUSTER SET-CONFIG-EPOCH", place + 1)
        for member in self.members[1:]:
            await self.members[0].meet(member)
        await self.heal()
        for replica in replicas:
            await replica.ask("CLUSTER REPLICATE", (await primaries[1].ask("CLUSTER MYID")).decode())
            async with asyncio.timeout(PATIENCE):
                while (await replica.client.info("replication")).get("master_link_status") != "up":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    async def heal(self) -> None:
        """Starts again whoever does not run, and waits until all agree that all is well."""
        for member in self.members:
            member.start()
        wanted = {"cluster_state": "ok", "cluster_slots_ok": str(SLOTS), "cluster_known_nodes": str(len(self.members))}
        await asyncio.gather(*(settled(member, wanted) for member in self.members))

    async def owner(self, key: str) -> Member:
        """Who holds a key, as the others see it."""
        for asked in self.members:
            if not await asked.state():
                continue
            for first, last, (_, port, *_), *_ in await asked.ask("CLUSTER SLOTS"):
                if first <= key_slot(key.encode()) <= last:
                    return next(member for member in self.members if member.port == port)
        raise LookupError(key)

    async def empty(self) -> None:
        for member in self.members:
            if b"master" in (await member.ask("ROLE"))[0]:
                await member.ask("FLUSHALL")

    async def move(self, key: str, there: Member) -> None:
        """Moves the slot of a key, with what is in it, as one who rebalances a cluster does."""
        here, slot = await self.owner(key), key_slot(key.encode())
        name_here, name_there = [(await member.ask("CLUSTER MYID")).decode() for member in (here, there)]
        await there.ask("CLUSTER SETSLOT", slot, "IMPORTING", name_here)
        await here.ask("CLUSTER SETSLOT", slot, "MIGRATING", name_there)
        while keys := await here.ask("CLUSTER GETKEYSINSLOT", slot, 1):
            # One at a time, so that for a while they lie in two places.
            await asyncio.sleep(0.2)
            await here.ask("MIGRATE", HOST, there.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)
        await asyncio.sleep(0.2)
        for member in (there, here, *self.members):
            if b"master" in (await member.ask("ROLE"))[0]:
                await member.ask("CLUSTER SETSLOT", slot, "NODE", name_there)

    async def close(self) -> None:
        for member in self.members:
            await member.client.aclose()
            member.stop()


async def settled(member: Member, wanted: dict[str, str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not (state := await member.state()) or not state.items() >= wanted.items():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
