"""The society's network as it was at one moment, streamed from Neo4j into arrays."""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from graph.analytics.network import Network
from graph.database import Database
from graph.errors import TooLarge

SIZE = "RETURN COUNT { (:Agent) }, COUNT { ()-[:RELATES_TO]->() }"
# One row for each agent, so that a relationship costs no row; ids are the database's own, which are plain numbers.
RELATIONSHIPS = """
MATCH (a:Agent) WHERE a.id IS NOT NULL
CALL (a) {
  MATCH (a)-[r:RELATES_TO]->(b:Agent)
  RETURN collect(id(b)) AS targets, collect(coalesce(toFloat(r.strength), 0.0)) AS strengths
}
RETURN id(a), a.id, a.key, targets, strengths
"""
ROWS_AT_ONCE = 250


@dataclass(eq=False)
class Snapshot:
    """A network, and who its agents are: their ids and keys by their numbers, in the order of their keys.

    `nodes` are the database's own numbers of them. `whole` says that nothing was left out of the network and nothing
    weighs 0, which not every engine can handle. `version` is the same for the same network of the same agents.
    """

    as_of: datetime
    ids: list[str]
    keys: list[str]
    nodes: np.ndarray[Any, np.dtype[np.int64]]
    network: Network
    whole: bool
    version: bytes = field(repr=False)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The agents' numbers by their ids."""
        return {id: number for number, id in enumerate(self.ids)}

    def number_of_key(self, key: str) -> int | None:
        place = bisect_left(self.keys, key)
        return place if place < len(self.keys) and self.keys[place] == key else None


async def read_snapshot(database: Database, *, most_relationships: int, deadline: float) -> Snapshot:
    """Reads the network. Raises TooLarge for one with more relationships than are allowed."""
    ((_, relationships),) = await database.read("analytics.size", SIZE)
    if relationships > most_relationships:
        raise TooLarge(
            f"The society has {relationships:,} relationships, and its network is analysed up to "
            f"{most_relationships:,}. Raise ECS_ANALYTICS_MAX_RELATIONSHIPS if there is memory for more."
        )
    as_of = datetime.now(UTC)
    collected = Collected()
    rows = database.stream("analytics.snapshot", RELATIONSHIPS, fetch_size=ROWS_AT_ONCE, deadline=deadline)
    async for row in rows:
        collected.add(*row)
    return collected.finish(as_of)


class Collected:
    """What was read so far: agents as objects, relationships as numbers."""

    def __init__(self) -> None:
        self.agents: list[tuple[str, str]] = []
        self.nodes, self.degrees = array("q"), array("q")
        self.targets, self.strengths = array("q"), array("d")

    def add(self, node: int, id: str, key: str, targets: list[int], strengths: list[float]) -> None:
        self.agents.append((key, id))
        self.nodes.append(node)
        self.degrees.append(len(targets))
        self.targets.extend(targets)
        self.strengths.extend(strengths)

    def finish(self, as_of: datetime) -> Snapshot:
        """Numbers the agents by their keys, and leaves out what leads to nobody known, or to the agent itself."""
        size = len(self.agents)
        order = sorted(range(size), key=self.agents.__getitem__)
        nodes = np.frombuffer(self.nodes, dtype=np.int64) if size else np.zeros(0, dtype=np.int64)
        rank = np.empty(size, dtype=np.int64)
        rank[order] = np.arange(size)
        source, target, strength = self._relationships(nodes, rank)
        nodes = nodes[order]
        network = Network(size, source.astype(np.int32), target.astype(np.int32), strength)
        keys, ids = [self.agents[i][0] for i in order], [self.agents[i][1] for i in order]
        whole = len(strength) == len(self.strengths) and bool((strength > 0).all())
        return Snapshot(as_of, ids, keys, nodes, network, whole, digest(ids, keys, network))

    def _relationships(self, nodes: Any, rank: Any) -> tuple[Any, Any, Any]:
        if not len(self.targets):
            return np.zeros(0), np.zeros(0), np.zeros(0)
        by_node = np.argsort(nodes)
        found = np.frombuffer(self.targets, dtype=np.int64)
        place = np.minimum(np.searchsorted(nodes, found, sorter=by_node), len(nodes) - 1)
        source = np.repeat(rank, np.frombuffer(self.degrees, dtype=np.int64))
        target, known = rank[by_node[place]], nodes[by_node[place]] == found
        kept = known & (source != target)
        source, target = source[kept], target[kept]
        strength = np.frombuffer(self.strengths, dtype=np.float64)[kept]
        ordered = np.lexsort((target, source))
        return source[ordered], target[ordered], strength[ordered]


def digest(ids: list[str], keys: list[str], network: Network) -> bytes:
    found = blake2b(digest_size=16)
    for text in (*ids, *keys):
        found.update(text.encode() + b"\0")
    for values in (network.source, network.target, network.strength):
        found.update(values.tobytes())
    return found.digest()
