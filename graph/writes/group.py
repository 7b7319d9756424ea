"""Writes changes together: one transaction, one lock for each agent, each change with an answer of its own.

Locks are taken in one order, requests before agents, each by key, so that transactions wait for one another
and don't end in a deadlock. Whoever holds an agent's lock alone writes what belongs to it.
"""

from collections.abc import Iterable, Sequence

from graph.database import DIMENSION, Run
from graph.errors import SocietyError
from graph.writes.change import Answer, Change, Known, KnownAgent
from graph.writes.requests import claim, settle

OWNERS = """
UNWIND $ids AS id
MATCH (m:Memory {id: id}) MATCH (a:Agent {id: m.agentId})
RETURN id, a.key
"""
# Writing the same value takes the lock and changes nothing.
LOCK = """
UNWIND $keys AS key
MATCH (a:Agent {key: key})
SET a._lock = 0
RETURN a.id, a.key, a.memoryCapacity, a.learningRate, COUNT { (a)-[:REMEMBERS]->() }
"""


async def write_group(
    run: Run, changes: Sequence[Change], *, max_agents: int, dimension: int = DIMENSION
) -> list[Answer]:
    """Writes changes in one transaction, as if one after another, and answers them in their order.

    What keeps one change from being written is its own answer; whatever else goes wrong is raised.
    """
    claims = await claim(run, changes)
    answers = claims.answers
    done = {*answers, *(change for change, _ in claims.later)}
    pending = [change for change in changes if change not in done]
    known = await lock(run, pending, max_agents, dimension)
    for stage in stages(pending, known):
        await write_stage(run, stage, known, answers)
    await settle(run, claims, answers)
    return [answers[change] for change in changes]


async def lock(run: Run, changes: Sequence[Change], max_agents: int, dimension: int) -> Known:
    """Locks every agent that the changes touch."""
    memories = list({id for change in changes for id in change.memories()})
    owners = dict(await run(OWNERS, {"ids": memories})) if memories else {}
    keys = sorted({key for change in changes for key in change.agents()}.union(owners.values()))
    agents = [KnownAgent(*row) for row in await run(LOCK, {"keys": keys})] if keys else []
    # What was there before the locks were taken may be gone by now.
    owners = dict(await run(OWNERS, {"ids": memories})) if owners else {}
    return Known({agent.key: agent for agent in agents}, owners, max_agents, dimension)


def stages(changes: Iterable[Change], known: Known) -> list[list[Change]]:
    """Sorts changes into statements of one kind each, so that those of one agent keep their order."""
    found: list[list[Change]] = []
    latest: dict[str, int] = {}
    for change in changes:
        touched = {*change.agents(), *(known.owners.get(id, id) for id in change.memories())}
        earliest = max((latest.get(key, 0) for key in touched), default=0)
        if not change.merges and any(key in latest for key in touched):
            earliest += 1
        place = next((at for at in range(earliest, len(found)) if type(found[at][0]) is type(change)), len(found))
        if place == len(found):
            found.append([])
        found[place].append(change)
        latest |= dict.fromkeys(touched, place)
    return found


async def write_stage(run: Run, stage: list[Change], known: Known, answers: dict[Change, Answer]) -> None:
    fit: list[Change] = []
    for change in stage:
        try:
            change.check(known)
        except SocietyError as error:
            answers[change] = error
        else:
            fit.append(change)
    if fit:
        answers |= dict(zip(fit, await type(fit[0]).write(run, fit, known), strict=True))
