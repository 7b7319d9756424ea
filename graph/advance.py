"""Lets simulated time go by for agents, chunk by chunk: what was begun is finished by whoever begins it again.

(:Advance {key}) stands for one such span of time. Each of its parts, (:AdvanceChunk), holds the ids of its
agents until it is done, in the transaction that does it, and from then on what came of it. So nothing is
applied twice, by whomever. Agents that come later take no part; those that are gone drop out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import blake2b
from typing import Any

import orjson

from graph.checks import shown
from graph.database import Database, Run
from graph.dynamics import (
    CONFIDENCE_HALF_LIFE,
    DAY,
    ENERGY_HALF_LIFE,
    FORGOTTEN_BELOW,
    STRENGTH_HALF_LIFE,
    cypher_fade,
    cypher_fade_importance,
    cypher_recover,
)
from graph.errors import BadInput, Conflict, NotFound
from graph.ids import new_mark
from graph.writes.change import Announce, Part, Touched, Transact, transacting


class System(Enum):
    """What time works on."""

    MEMORY = "MEMORY"
    SOCIAL = "SOCIAL"
    KNOWLEDGE = "KNOWLEDGE"


# Each lane has a transaction of its own at a time. A forgotten memory takes locks of the agents that it was about,
# so two transactions that forget would soon end in a deadlock.
LANES = ((System.MEMORY,), (System.SOCIAL, System.KNOWLEDGE))
LONGEST = 36_525 * DAY
# Later moments cannot be read.
END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
DEADLINE = 120.0

# `$seconds` and `$span` are the same. Whoever runs one of these has locked the agents, and with them what is theirs.
FADE_MEMORIES = f"""
UNWIND $ids AS id
MATCH (a:Agent {{id: id}})-[:REMEMBERS]->(n:Memory)
WITH n, {cypher_fade_importance("n.importance", "a.importanceThreshold", "$seconds")} AS importance
FOREACH (m IN CASE WHEN importance < {FORGOTTEN_BELOW} THEN [n] ELSE [] END | DETACH DELETE m)
FOREACH (m IN CASE WHEN importance < {FORGOTTEN_BELOW} THEN [] ELSE [n] END | SET m.importance = importance)
RETURN sum(CASE WHEN importance < {FORGOTTEN_BELOW} THEN 1 ELSE 0 END)
"""
RECOVER_ENERGY = f"""
UNWIND $ids AS id
MATCH (a:Agent {{id: id}})
SET a.socialEnergy = {cypher_recover("a.socialEnergy", "$seconds", ENERGY_HALF_LIFE)},
    a.energyAt = CASE WHEN a.energyAt + $span > $end THEN $end ELSE a.energyAt + $span END
"""
# A tie is its source's, so that it fades once.
FADE_TIES = f"""
UNWIND $ids AS id
MATCH (a:Agent {{id: id}})-[n:RELATES_TO]->()
WITH n, coalesce(n.strengthAt, n.lastInteractionAt, n.firstMetAt) + $span AS at
SET n.strength = {cypher_fade("n.strength", "$seconds", STRENGTH_HALF_LIFE)},
    n.strengthAt = CASE WHEN at > $end THEN $end ELSE at END
RETURN count(*)
"""
FADE_KNOWLEDGE = f"""
UNWIND $ids AS id
MATCH (a:Agent {{id: id}})-[:LEARNED]->(n:Knowledge)
SET n.confidence = {cypher_fade("n.confidence", "$seconds", CONFIDENCE_HALF_LIFE)}
"""

BEGIN = """
MERGE (v:Advance {key: $key})
ON CREATE SET v.fingerprint = $fingerprint, v.at = datetime()
RETURN v.fingerprint, v.chunks, v.processed, v.forgotten, v.decayed
"""
KNOWN = "UNWIND $agents AS key MATCH (a:Agent {key: key}) RETURN key"
ALL = "MATCH (a:Agent)"
SOME = "UNWIND $agents AS key MATCH (a:Agent {key: key})"
# The ids of a chunk stand in the order of the agents' keys, which is the order of locks.
DIVIDE = """
MATCH (v:Advance {{key: $key}})
CALL () {{
    {agents}
    WITH a.id AS id ORDER BY a.key
    RETURN collect(id) AS ids
}}
WITH v, ids, toInteger(ceil(size(ids) / toFloat($size))) AS chunks
SET v.chunks = chunks * size($lanes)
WITH v, ids, chunks
UNWIND $lanes AS lane
UNWIND range(0, chunks - 1) AS number
CREATE (v)-[:HAS_PART]->(:AdvanceChunk {{
    id: $key + '/' + lane + '/' + number, lane: lane, number: number,
    agents: ids[number * $size .. (number + 1) * $size]
}})
RETURN count(*)
"""
PENDING = """
MATCH (:Advance {key: $key})-[:HAS_PART]->(c:AdvanceChunk) WHERE c.agents IS NOT NULL
RETURN c.lane, c.id ORDER BY c.number
"""
# Writing the same value takes the lock and changes nothing.
CLAIM = "MATCH (c:AdvanceChunk {id: $chunk}) SET c._lock = 0 RETURN c.agents"
LOCK = "UNWIND $ids AS id MATCH (a:Agent {id: id}) SET a._lock = $mark RETURN a.id, a.key"
DONE = """
MATCH (c:AdvanceChunk {id: $chunk})
SET c.processed = $processed, c.forgotten = $forgotten, c.decayed = $decayed
REMOVE c.agents
"""
LOCK_ADVANCE = "MATCH (v:Advance {key: $key}) SET v._lock = 0 RETURN v.processed, v.forgotten, v.decayed"
SUM = """
MATCH (v:Advance {key: $key})
OPTIONAL MATCH (v)-[:HAS_PART]->(c:AdvanceChunk)
WITH v, c ORDER BY c.lane
WITH v, collect(c) AS parts, sum(c.forgotten) AS forgotten, sum(c.decayed) AS decayed
WITH v, parts, forgotten, decayed,
  reduce(sum = 0, c IN parts | sum + CASE WHEN c.lane = parts[0].lane THEN c.processed ELSE 0 END) AS processed
SET v.processed = processed, v.forgotten = forgotten, v.decayed = decayed
FOREACH (c IN parts | DETACH DELETE c)
RETURN processed, forgotten, decayed
"""


@dataclass(frozen=True, slots=True)
class AdvanceResult:
    """What came of a span of time; relationships count once for each direction."""

    agents_processed: int = 0
    memories_forgotten: int = 0
    relationships_decayed: int = 0


Progress = Callable[[float], Awaitable[None]]

# What of an agent each system changes.
CHANGED = {
    System.MEMORY: (Part.MEMORIES,),
    System.SOCIAL: (Part.SELF, Part.RELATIONSHIPS),
    System.KNOWLEDGE: (Part.KNOWLEDGE,),
}


async def advance(
    database: Database,
    *,
    key: str,
    agents: Collection[str] | None,
    by: float,
    systems: Collection[System],
    progress: Progress,
    transact: Transact | None = None,
    chunk: int = 100,
) -> AdvanceResult:
    """Lets `by` seconds go by for agents, named by key, or for all; `progress` gets the part done, in [0, 1].

    What was interrupted goes on when it is called again with the same key, and what is finished answers its
    result again. `transact` runs the transactions that change agents. Raises Conflict for the same key with
    something else, NotFound for the first unknown agent.
    """
    if not 0 < by <= LONGEST:
        raise BadInput(f"must be longer than nothing and no longer than a hundred years, is {by:g} seconds.", "by")
    transact = transact or transacting(database)
    chunks, result = await begin(database, key, agents, by, systems, chunk)
    if result:
        return result
    pending: list[tuple[int, str]] = [
        (lane, id) for lane, id in await database.read("pending", PENDING, {"key": key}, deadline=DEADLINE)
    ]
    done = chunks - len(pending)

    async def work(lane: int) -> None:
        nonlocal done
        asked = [system for system in LANES[lane] if system in systems]
        for id in [id for of, id in pending if of == lane]:
            await apply_chunk(transact, id, by, asked)
            done += 1
            await progress(done / chunks)

    try:
        async with asyncio.TaskGroup() as group:
            for lane in range(len(LANES)):
                group.create_task(work(lane))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return await finish(database, key)


async def begin(
    database: Database,
    key: str,
    agents: Collection[str] | None,
    by: float,
    systems: Collection[System],
    size: int,
) -> tuple[int, AdvanceResult | None]:
    """Divides the agents into chunks, unless that was done before; returns how many, and what a finished one gave."""
    asked = (None if agents is None else sorted(set(agents)), by, sorted({system.value for system in systems}))
    mark = blake2b(orjson.dumps(asked), digest_size=16).hexdigest()

    async def work(run: Run) -> tuple[int, AdvanceResult | None]:
        ((fingerprint, chunks, *counts),) = await run(BEGIN, {"key": key, "fingerprint": mark})
        if fingerprint != mark:
            raise Conflict("was used for another input before: take a new key for a new mutation.", "idempotencyKey")
        if chunks is not None:
            return chunks, None if counts[0] is None else AdvanceResult(*counts)
        if agents is not None:
            await refuse_unknown(run, agents)
        divide = DIVIDE.format(agents=ALL if agents is None else SOME)
        lanes = [lane for lane, of in enumerate(LANES) if any(system in systems for system in of)]
        ((chunks,),) = await run(divide, {"key": key, "agents": asked[0], "size": size, "lanes": lanes})
        return chunks, None

    return await database.transaction("begin advance", work, deadline=DEADLINE)


async def refuse_unknown(run: Run, agents: Collection[str]) -> None:
    known = {key for (key,) in await run(KNOWN, {"agents": list(agents)})}
    for place, key in enumerate(agents):
        if key not in known:
            raise NotFound(f"there is no agent {shown(key)}: create it with createAgents first.", "agents", place)


async def apply_chunk(transact: Transact, id: str, by: float, systems: Collection[System]) -> None:
    """Lets the time go by for the agents of one chunk, unless that was done."""

    async def work(run: Run, announce: Announce) -> None:
        claimed = await run(CLAIM, {"chunk": id})
        if not claimed or claimed[0][0] is None:
            return
        agents = await run(LOCK, {"ids": claimed[0][0], "mark": new_mark()})
        parts = [part for system in systems for part in CHANGED[system]]
        await announce(run, Touched({(id, key): set(parts) for id, key in agents}))
        forgotten, decayed = await apply_systems(run, claimed[0][0], by, systems)
        await run(DONE, {"chunk": id, "processed": len(agents), "forgotten": forgotten, "decayed": decayed})

    await transact("advance", work, DEADLINE)


async def apply_systems(run: Run, ids: list[str], by: float, systems: Collection[System]) -> tuple[int, int]:
    """Lets time work on locked agents; returns how many memories were forgotten and relationships decayed."""
    given: Mapping[str, Any] = {"ids": ids, "seconds": by, "span": timedelta(seconds=by), "end": END_OF_TIME}
    forgotten = decayed = 0
    if System.MEMORY in systems:
        ((forgotten,),) = await run(FADE_MEMORIES, given)
    if System.SOCIAL in systems:
        await run(RECOVER_ENERGY, given)
        ((decayed,),) = await run(FADE_TIES, given)
    if System.KNOWLEDGE in systems:
        await run(FADE_KNOWLEDGE, given)
    return forgotten, decayed


async def finish(database: Database, key: str) -> AdvanceResult:
    """Adds up what came of the chunks, which then go."""

    async def work(run: Run) -> AdvanceResult:
        ((processed, forgotten, decayed),) = await run(LOCK_ADVANCE, {"key": key})
        if processed is None:
            ((processed, forgotten, decayed),) = await run(SUM, {"key": key})
        return AdvanceResult(processed, forgotten, decayed)

    return await database.transaction("finish advance", work, deadline=DEADLINE)
