"""Writes changes together: one transaction, one lock for each agent, each change with an answer of its own.

Locks are taken in one order, requests before agents, each by key, so that transactions wait for one another
and don't end in a deadlock. Whoever holds an agent's lock alone writes what belongs to it.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from graph.database import DIMENSION, Run, collect
from graph.errors import SocietyError
from graph.ids import new_mark
from graph.writes.change import Announce, Answer, Change, Known, KnownAgent, Part, Touched, Unreached, tell_nobody
from graph.writes.requests import claim, settle

# Tells which change must have been written before another.
Before = Callable[[Change], Change | None]

OWNERS = """
UNWIND $ids AS id
MATCH (m:Memory {id: id}) MATCH (a:Agent {id: m.agentId})
RETURN collect([id, a.key])
"""
# Writing takes the lock; the mark, a new one each time, tells who looks at it later that something changed.
LOCK = """
UNWIND $keys AS key
MATCH (a:Agent {key: key})
SET a._lock = $mark
RETURN collect([a.id, a.key, a.memoryCapacity, a.learningRate, COUNT { (a)-[:REMEMBERS]->() }])
"""
# Who has a part in what belongs to an agent.
TIED = """
UNWIND $ids AS id
MATCH (a:Agent {id: id})
CALL (a) {
  MATCH (a)-[:RELATES_TO]-(o:Agent) RETURN o
  UNION
  MATCH (a)-[:INITIATED]->(:Interaction)-[:TOWARD]->(o:Agent) RETURN o
  UNION
  MATCH (a)<-[:TOWARD]-(:Interaction)<-[:INITIATED]-(o:Agent) RETURN o
}
RETURN collect(DISTINCT [o.id, o.key])
"""


async def write_group(
    run: Run,
    changes: Sequence[Change],
    *,
    max_agents: int,
    dimension: int = DIMENSION,
    announce: Announce = tell_nobody,
) -> list[Answer]:
    """Writes changes in one transaction, as if one after another, and answers them in their order.

    What keeps one change from being written is its own answer, and that of those that are not to be written without
    it; whatever else goes wrong is raised.
    """
    claims = await claim(run, changes)
    answers = claims.answers
    done = {*answers, *claims.later}
    pending = [change for change in changes if change not in done]
    # With those that were written before: whoever did may have died before it could say so.
    known = await lock(run, changes, max_agents, dimension)
    await announce(run, await touched(run, changes, known, repeated=set(claims.answers)))
    for stage in stages(pending, known, claims.before):
        await write_stage(run, stage, known, answers, claims.before)
    await settle(run, claims, answers)
    return [answers[change] for change in changes]


async def lock(run: Run, changes: Sequence[Change], max_agents: int, dimension: int) -> Known:
    """Locks every agent that the changes touch."""
    memories = list({id for change in changes for id in change.memories()})
    owners = dict(await collect(run, OWNERS, ids=memories)) if memories else {}
    keys = sorted({key for change in changes for key in change.agents()}.union(owners.values()))
    agents = [KnownAgent(*row) for row in await collect(run, LOCK, keys=keys, mark=new_mark())] if keys else []
    # What was there before the locks were taken may be gone by now.
    owners = dict(await collect(run, OWNERS, ids=memories)) if owners else {}
    return Known({agent.key: agent for agent in agents}, owners, max_agents, dimension)


async def touched(run: Run, changes: Iterable[Change], known: Known, repeated: set[Change]) -> Touched:
    """Says what changes may change, or may have changed when they were written before."""
    found, spreading = Touched(), list[str]()
    for change in changes:
        found.newcomers |= change.creates
        if not change.parts:
            continue
        owners = [known.owners.get(id) for id in change.memories()]
        agents = [known.agents.get(key or "") for key in (*change.agents(), *owners)]
        if change in repeated and None in agents:
            # Nothing tells any more whose it was.
            found.all = True
        for agent in filter(None, agents):
            found.add(agent.id, agent.key, change.parts)
            if change.spreads:
                spreading.append(agent.id)
    for id, key in await collect(run, TIED, ids=spreading) if spreading else ():
        found.add(id, key, (Part.RELATIONSHIPS, Part.INTERACTIONS))
    return found


def stages(changes: Iterable[Change], known: Known, before: Before = attrgetter("after")) -> list[list[Change]]:
    """Sorts changes into statements of one kind each, so that those of the same part of an agent keep their order.

    What comes `before` a change has a stage before it, too.
    """
    found: list[list[Change]] = []
    latest: dict[tuple[str, Part], int] = {}
    places: dict[Change | None, int] = {}
    for change in changes:
        owners = {*change.agents(), *(known.owners.get(id, id) for id in change.memories())}
        touched = [(owner, part) for owner in owners for part in (Part if change.leads else change.parts)]
        earliest = max((latest.get(key, 0) for key in touched), default=0)
        if not change.merges and any(key in latest for key in touched):
            earliest += 1
        earliest = max(earliest, places.get(before(change), -1) + 1)
        place = next((at for at in range(earliest, len(found)) if type(found[at][0]) is type(change)), len(found))
        if place == len(found):
            found.append([])
        found[place].append(change)
        places[change] = place
        latest |= dict.fromkeys(touched, place)
    return found


async def write_stage(
    run: Run, stage: list[Change], known: Known, answers: dict[Change, Answer], before: Before
) -> None:
    fit: list[Change] = []
    for change in stage:
        ahead = before(change)
        if ahead and isinstance(answers[ahead], SocietyError):
            answers[change] = Unreached("was not written, because what comes before it failed.")
            continue
        try:
            change.check(known)
        except SocietyError as error:
            answers[change] = error
        else:
            fit.append(change)
    if fit:
        answers |= dict(zip(fit, await type(fit[0]).write(run, fit, known), strict=True))
