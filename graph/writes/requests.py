"""Idempotency keys: a mutation that is sent again under the same key is answered as the first time.

(:Request {key, fingerprint, answer, at}) is written in the transaction of the mutation itself. Making it takes
the lock of its key, so that of two that arrive at once the second waits and finds the first one's answer.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import orjson

from graph.checks import LONGEST_NAME
from graph.database import Database, Run, collect
from graph.errors import BadInput, Conflict, SocietyError
from graph.rows import pack_row, unpack_row
from graph.writes.change import Answer, Change, Outcome, Request, Unreached, own_fields

log = logging.getLogger("ecs.writes")

KEPT = timedelta(days=7)
REMOVED_AT_ONCE = 1000
USED = "was used for another input before: take a new key for a new mutation."

CLAIM = """
UNWIND $rows AS r
MERGE (q:Request {key: r[0]})
ON CREATE SET q.fingerprint = r[1], q.at = datetime()
RETURN collect([q.key, q.fingerprint, q.answer])
"""
ANSWER = "UNWIND $rows AS r MATCH (q:Request {key: r[0]}) SET q.answer = r[1]"
RELEASE = "UNWIND $keys AS key MATCH (q:Request {key: key}) DELETE q"
EXPIRE = """
MATCH (q:Request) WHERE q.at < datetime() - duration({seconds: $seconds})
WITH q LIMIT $most
DELETE q
RETURN count(*)
"""
EXPIRE_ADVANCES = """
MATCH (q:Advance) WHERE q.at < datetime() - duration({seconds: $seconds})
WITH q LIMIT $most
OPTIONAL MATCH (q)-[:HAS_PART]->(c)
DETACH DELETE q, c
RETURN count(DISTINCT q)
"""


def check_key(given: Mapping[str, Any]) -> str | None:
    """Reads an input's idempotency key, if it has one. Raises BadInput."""
    key = given.get("idempotencyKey")
    if key is not None and not 1 <= len(key) <= LONGEST_NAME:
        raise BadInput(f"must be 1 to {LONGEST_NAME} characters long, is {len(key)}.", "idempotencyKey")
    return key


def make_request(mutation: str, given: Mapping[str, Any]) -> Request | None:
    """Reads an input's idempotency key, if it has one, and marks what was asked for. Raises BadInput."""
    key = check_key(given)
    if key is None:
        return None
    mark = blake2b(orjson.dumps((mutation, own_fields(given)), option=orjson.OPT_SORT_KEYS), digest_size=16)
    return Request(key, mark.hexdigest())


@dataclass
class Claims:
    """The keys that a transaction has taken: whose they are, and who came later with the same in the same group."""

    holders: dict[str, Change]
    later: dict[Change, Change]
    answers: dict[Change, Answer]

    def before(self, change: Change) -> Change | None:
        """Gives the change without which this one is not to be written."""
        return self.later.get(change.after, change.after) if change.after else None


async def claim(run: Run, changes: Sequence[Change]) -> Claims:
    """Takes the keys of those that have one, and answers those whose key was used before."""
    claims = Claims({}, {}, {})
    asked = [(change, change.request) for change in changes if change.request]
    if not asked:
        return claims
    # Of several with one key the first has it.
    marks = {request.key: request.fingerprint for _, request in reversed(asked)}
    rows = await collect(run, CLAIM, rows=sorted(marks.items()))
    found = {key: (fingerprint, answer) for key, fingerprint, answer in rows}
    for change, request in asked:
        fingerprint, answer = found[request.key]
        if fingerprint != request.fingerprint:
            claims.answers[change] = Conflict(USED, "idempotencyKey")
        elif answer is not None:
            claims.answers[change] = Outcome(decode_result(answer))
        elif holder := claims.holders.get(request.key):
            claims.later[change] = holder
        else:
            claims.holders[request.key] = change
    return claims


async def settle(run: Run, claims: Claims, answers: dict[Change, Answer]) -> None:
    """Stores what was answered under each new key, and lets go of the keys of what was not written."""
    outcomes = {key: answers[change] for key, change in claims.holders.items()}
    if kept := [(key, encode_result(each.result)) for key, each in outcomes.items() if isinstance(each, Outcome)]:
        await run(ANSWER, {"rows": kept})
    if failed := [key for key, each in outcomes.items() if isinstance(each, SocietyError)]:
        await run(RELEASE, {"keys": failed})
    for change, holder in claims.later.items():
        answer = answers[holder]
        if isinstance(answer, Unreached):
            # It would have been this one's turn: each is to have a transaction of its own.
            raise answer
        answers[change] = Outcome(answer.result) if isinstance(answer, Outcome) else answer


def encode_result(result: Mapping[str, Any]) -> str:
    """Writes a payload's fields as JSON; rows of the model are written as their columns."""

    def row(value: Any) -> Any:
        return {"row": pack_row(value)}

    return orjson.dumps(result, default=row, option=orjson.OPT_PASSTHROUGH_DATACLASS).decode()


def decode_result(text: str) -> dict[str, Any]:
    """Reads what `encode_result` wrote."""

    def read(value: Any) -> Any:
        match value:
            case {"row": packed}:
                return unpack_row(packed)
            case list():
                return [read(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
            case _:
                return value

    return {name: read(value) for name, value in orjson.loads(text).items()}


async def expire_requests(database: Database) -> int:
    """Removes the keys that are older than a week; returns how many."""
    removed = 0
    parameters = {"seconds": int(KEPT.total_seconds()), "most": REMOVED_AT_ONCE}
    for text in (EXPIRE, EXPIRE_ADVANCES):
        count = REMOVED_AT_ONCE
        while count == REMOVED_AT_ONCE:
            ((count,),) = await database.write("expire requests", text, parameters)
            removed += count
    return removed


async def keep_expiring(database: Database) -> None:
    """Removes old keys every hour, for as long as it runs; the first time after a minute, when the start is over."""
    pause = 60.0
    while True:
        await asyncio.sleep(pause)
        try:
            await expire_requests(database)
        except SocietyError as error:
            log.warning("Old idempotency keys could not be removed: %s", error)
        pause = 3600.0
