"""Steps about an agent's surroundings, which are read live, each question by one query for all agents of a level."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import log
from operator import attrgetter
from typing import Any, cast

from graph.analytics.definitions import PathWeighting
from graph.errors import BadInput
from graph.figures import DEGREES, STRENGTH, Degrees
from graph.lookups import AGENT_BY_ID, AGENT_BY_KEY, LookupKey
from graph.model import Agent
from graph.neighbourhood import MOST_RADIUS, MUTUAL, RELATIONSHIPS_EACH, SUGGESTIONS, ego
from graph.paths import ALONG, MOST_HOPS, Path, fewest_hops
from graph.questions import Asking, Question, QuestionKey
from graph.reads import Key
from resolvers.analyses import RECENT, RouteKey, RouteShape, SnapshotKey
from resolvers.loaders import Reading, Step, Values
from resolvers.steps import after, first_fault

LARGEST_SUBGRAPH = 1000
LARGEST_LIST = 100

# One agent, the other's key, and whether it is the same agent.
Pair = tuple[Agent, str, bool]


def within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadInput(f"{name}: must lie between {least} and {most}, is {value}.")


def ask(
    question: Question,
    parameters: Mapping[str, Any] | None = None,
    *,
    other: str = "",
    read: Callable[[Any], Any] | None = None,
) -> Step:
    """Asks a question about each agent, for some questions with regard to another."""
    shape = Asking(question, tuple((parameters or {}).items()))

    def step(agents: Sequence[Agent]) -> Reading:
        answers = yield [QuestionKey(shape, agent.id, other) for agent in agents]
        return after(answers, read) if read else answers

    return step


def degree(name: str) -> Step:
    """Counts each agent's relationships: total, inward or outward."""
    read: Callable[[Degrees], int] = attrgetter(name)
    return ask(DEGREES, read=read)


strength = ask(STRENGTH)


def surround(radius: int, least: float, limit: int) -> Step:
    """Finds each agent's ego network. Raises BadInput for what is out of bounds."""
    within("radius", radius, 1, MOST_RADIUS)
    within("minStrength", least, 0, 1)
    within("limit", limit, 1, LARGEST_SUBGRAPH)
    # An agent has two relationships at most with another, so that so many lead to more agents than are asked for.
    bounds = {"least": least, "limit": limit, "width": 2 * limit, "most": RELATIONSHIPS_EACH * limit}
    return ask(ego(radius), bounds)


def share(key: str, first: int) -> Step:
    """Finds whom each agent knows in common with another."""
    within("first", first, 0, LARGEST_LIST)
    return ask(MUTUAL, {"first": first}, other=key)


def suggest(first: int) -> Step:
    """Finds whom each agent may want to know."""
    within("first", first, 0, LARGEST_LIST)
    return ask(SUGGESTIONS, {"first": first})


def lead(key: str, weighting: PathWeighting, hops: int) -> Step:
    """Finds the shortest path from each agent to the one with a key."""
    within("maxHops", hops, 1, MOST_HOPS)

    def step(agents: Sequence[Agent]) -> Reading:
        return (yield from find_paths([(agent, key, agent.key == key) for agent in agents], weighting, hops))

    return step


def lead_between(source: str, target: str, weighting: PathWeighting, hops: int) -> Step:
    """Finds the shortest path between the agents with two keys, the same for all."""
    within("maxHops", hops, 1, MOST_HOPS)

    def step(objects: Sequence[Any]) -> Reading:
        (agent,) = yield [LookupKey(AGENT_BY_KEY, source)]
        if agent is None or isinstance(agent, Exception):
            return [agent] * len(objects)
        (path,) = yield from find_paths([(agent, target, source == target)], weighting, hops)
        return [path] * len(objects)

    return step


def find_paths(pairs: list[Pair], weighting: PathWeighting, hops: int) -> Reading:
    """Finds the shortest path for each pair, None where there is none; from an agent to itself it has no hops."""
    found: Values = [Path([agent], [], 0.0) if same else None for agent, _, same in pairs]
    open = [place for place, path in enumerate(found) if path is None]
    asked = [pairs[place] for place in open]
    if weighting is PathWeighting.HOPS:
        shape = Asking(fewest_hops(hops))
        answers = yield [QuestionKey(shape, agent.id, key) for agent, key, _ in asked]
    else:
        answers = yield from find_strongest(asked, hops)
    for place, answer in zip(open, answers, strict=True):
        found[place] = answer
    return found


def find_strongest(pairs: list[Pair], hops: int) -> Reading:
    """Finds the strongest paths on a snapshot of the network, and reads what they lead along as it is now.

    Where the snapshot does not know an agent, or one of its relationships is gone, a newer one is asked.
    """
    if not pairs:
        return []
    found: Values = []
    for oldest in (None, RECENT):
        (snapshot,) = yield [SnapshotKey(oldest)]
        if isinstance(snapshot, Exception):
            return [snapshot] * len(pairs)
        ends = [(snapshot.numbers.get(agent.id), snapshot.number_of_key(key)) for agent, key, _ in pairs]
        known = [each for each in ends if None not in each]
        shape = RouteShape(hops)
        routes = iter((yield [RouteKey(shape, snapshot, source, target) for source, target in known]))
        chosen: Values = [next(routes) if None not in each else None for each in ends]
        found = yield from follow(snapshot, chosen)
        stale = any(None in each for each in ends) or any(
            path is None and isinstance(route, list) for path, route in zip(found, chosen, strict=True)
        )
        if not stale:
            break
    return found


def follow(snapshot: Any, routes: Values) -> Reading:
    """Reads the agents and relationships along routes; a path is None where one of them is gone."""
    keys: list[Key] = []
    for route in routes:
        if isinstance(route, list):
            numbers = cast("list[int]", route)
            keys += [LookupKey(AGENT_BY_ID, snapshot.ids[number]) for number in numbers]
            keys += [
                QuestionKey(Asking(ALONG), snapshot.ids[source], snapshot.keys[target])
                for source, target in pairwise(numbers)
            ]
    rows = iter((yield keys))
    paths: Values = []
    for route in routes:
        if not isinstance(route, list):
            paths.append(route)
            continue
        length = len(cast("list[int]", route))
        agents, relationships = [next(rows) for _ in range(length)], [next(rows) for _ in range(length - 1)]
        paths.append(join(agents, relationships))
    return paths


def join(agents: Values, relationships: Values) -> Any:
    """Makes a path of rows, or None where one is missing or conducts nothing any more."""
    if fault := first_fault([*agents, *relationships]):
        return fault
    if None in agents or any(each is None or each.strength <= 0 for each in relationships):
        return None
    return Path(agents, relationships, cost=sum(max(-log(each.strength), 0.0) for each in relationships) + 0.0)
