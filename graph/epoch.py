"""The epoch of what is cached: a value in the graph that changes when everything cached must be forgotten.

It stands at the first (:Migration), which every database has. While it begins with a mark, nothing is cached:
somebody writes without being able to say so to Redis. Whoever reads it trusts it for a few seconds only, so that a
writer who changed it knows when everybody has seen that.
"""

import asyncio
from uuid import uuid4

from graph.database import Database, Run

# Seconds for which what was read is trusted, from before it was read; and how long a change takes to be seen.
TRUST = 3.0
SEEN_AFTER = TRUST + 0.2

CLOSED = "!"

# To be read where it cannot lag behind: not from a follower.
READ = "MATCH (m:Migration {version: 1}) RETURN coalesce(m.epoch, '')"
CLOSE = f"""
MATCH (m:Migration {{version: 1}})
SET m._lock = 0
SET m.epoch = CASE WHEN m.epoch STARTS WITH '{CLOSED}' THEN m.epoch ELSE '{CLOSED}' + $new END
RETURN m.epoch
"""
# A closed one stays closed.
RENEW = f"""
MATCH (m:Migration {{version: 1}})
SET m._lock = 0
SET m.epoch = CASE WHEN m.epoch STARTS WITH '{CLOSED}' THEN '{CLOSED}' ELSE '' END + $new
RETURN m.epoch
"""
OPEN = """
MATCH (m:Migration {version: 1})
SET m._lock = 0
WITH m WHERE m.epoch = $seen
SET m.epoch = $new
RETURN m.epoch
"""


def is_open(epoch: str) -> bool:
    return not epoch.startswith(CLOSED)


async def read_epoch(database: Database, *, deadline: float) -> str:
    """Gives the epoch, empty if it never changed."""
    rows = await database.read("epoch", READ, deadline=deadline)
    return rows[0][0] if rows else CLOSED


async def close_epoch(run: Run) -> str:
    """Lets nobody cache, once the transaction is committed and everybody has seen it; gives the epoch."""
    ((epoch,),) = await run(CLOSE, {"new": uuid4().hex})
    return epoch


async def renew_epoch(run: Run) -> str:
    """Lets everybody forget what is cached, once the transaction is committed and everybody has seen it."""
    ((epoch,),) = await run(RENEW, {"new": uuid4().hex})
    return epoch


async def open_epoch(database: Database, seen: str) -> str | None:
    """Lets everybody cache again, unless the epoch is no more the one that was seen."""
    rows = await database.write("open epoch", OPEN, {"seen": seen, "new": uuid4().hex}, deadline=5.0)
    return rows[0][0] if rows else None


async def forget_everywhere(database: Database) -> None:
    """Lets every worker forget what it has cached; returns when they have."""
    await database.transaction("renew epoch", renew_epoch)
    await asyncio.sleep(SEEN_AFTER)
