"""Steps about the society's network as a whole, and an agent's place in it: measures of one snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graph.analytics.communities import Community, Division
from graph.analytics.definitions import Centrality, CommunityAlgorithm, Measure
from graph.analytics.rankings import Ranking
from graph.analytics.structure import Structure
from graph.edges import AGENTS, Direction
from graph.errors import BadInput
from graph.figures import COUNTS, TOPICS, Counts
from graph.lookups import AGENT_BY_ID, LookupKey
from graph.model import Agent
from graph.questions import Asking, QuestionKey
from resolvers.analyses import RECENT, CommunityKey, CommunityShape, MeasureKey, MeasureShape, SnapshotKey
from resolvers.connections import Window, request_list
from resolvers.loaders import Reading, Step, Values
from resolvers.network import LARGEST_LIST, within
from resolvers.slices import Slice, cut
from resolvers.steps import after, derive


@dataclass(frozen=True, slots=True)
class Society:
    """The society as a whole; `fresh` asks for figures of this moment."""

    fresh: bool = False

    @property
    def snapshot(self) -> SnapshotKey:
        return SnapshotKey(0.0 if self.fresh else None)


@dataclass(frozen=True, slots=True)
class RankedAgent:
    """An agent's place in a ranking, from 1."""

    cursor: str
    rank: int
    score: float
    node: Agent


@dataclass(frozen=True, slots=True)
class PlacedCommunity:
    """A community's place among all of an algorithm."""

    cursor: str
    node: Community


@dataclass(frozen=True, slots=True)
class DegreeBucket:
    """How many agents have so many relationships."""

    degree: int
    agents: int


def look_at_society(*, fresh: bool) -> Step:
    """Leads to the society."""
    society = Society(fresh)
    return lambda objects: [society] * len(objects)


def count(read: Callable[[Counts], int]) -> Step:
    """Counts what there is in the society, now."""

    def step(objects: Sequence[Society]) -> Reading:
        (counts,) = yield [QuestionKey(Asking(COUNTS))]
        return after([counts] * len(objects), read)

    return step


def as_of(objects: Sequence[Society]) -> Reading:
    """Tells when each society's snapshot was read."""
    return after((yield [each.snapshot for each in objects]), lambda snapshot: snapshot.as_of)


def figure(measure: Measure, read: Callable[[Any], Any]) -> Step:
    """Reads something from a measure of each society."""
    shape = MeasureShape(measure)

    def step(objects: Sequence[Society]) -> Reading:
        snapshots = yield [each.snapshot for each in objects]
        return after((yield from measured(shape, snapshots)), read)

    return step


def measured(shape: MeasureShape, snapshots: Values) -> Reading:
    """Measures snapshots; what befell one befalls its measure."""
    found = iter((yield [MeasureKey(shape, each) for each in snapshots if not isinstance(each, Exception)]))
    return [each if isinstance(each, Exception) else next(found) for each in snapshots]


def distribution(direction: Direction) -> Step:
    """Counts the agents of each degree, the lowest first."""

    def read(structure: Structure) -> list[DegreeBucket]:
        return [DegreeBucket(degree, agents) for degree, agents in structure.distribution(direction)]

    return figure(Measure.STRUCTURE, read)


def ranking(by: Centrality, window: Window) -> Step:
    """Cuts a page from the ranking of each society."""
    page = cut(f"ranking {by.value}", window)
    return figure(Measure(by.value), page)


def communities(algorithm: CommunityAlgorithm, window: Window) -> Step:
    """Cuts a page from the communities of each society."""
    page = cut(f"communities {algorithm.value}", window)
    return figure(Measure(algorithm.value), page)


def ranked_agents(slices: Sequence[Slice]) -> Reading:
    """Reads the agents of each page, each with its place; those who are gone are left out."""
    numbers = [[int(each.list.order[place]) for place in each.places] for each in slices]
    ids = [each.list.snapshot.ids[number] for each, chosen in zip(slices, numbers, strict=True) for number in chosen]
    agents = iter((yield [LookupKey(AGENT_BY_ID, id) for id in ids]))
    pages: Values = []
    for each, chosen in zip(slices, numbers, strict=True):
        rows = [next(agents) for _ in chosen]
        fault = next((row for row in rows if isinstance(row, Exception)), None)
        pages.append(fault or [place(each, *at) for at in zip(each.places, chosen, rows, strict=True) if at[2]])
    return pages


def place(slice: Slice, place: int, number: int, agent: Agent) -> RankedAgent:
    ranking: Ranking = slice.list
    return RankedAgent(slice.cursor(place), place + 1, ranking.score(number), agent)


def nodes_of_ranked(slices: Sequence[Slice]) -> Reading:
    return after((yield from ranked_agents(slices)), lambda edges: [edge.node for edge in edges])


def placed_communities(slices: Sequence[Slice]) -> Values:
    return [[PlacedCommunity(each.cursor(at), each.list.community(at)) for at in each.places] for each in slices]


def nodes_of_communities(slices: Sequence[Slice]) -> Values:
    return [[each.list.community(at) for at in each.places] for each in slices]


def score(measure: Measure) -> Step:
    """Reads each agent's score; of an agent who is not in the network any more it is 0."""
    return place_of(measure, lambda ranking, number: ranking.score(number), 0.0)


def community(algorithm: CommunityAlgorithm) -> Step:
    """Finds the community of each agent."""

    def read(division: Division, number: int) -> Community:
        return division.of_agent(number)

    return place_of(Measure(algorithm.value), read, None)


def place_of(measure: Measure, read: Callable[[Any, int], Any], nothing: Any) -> Step:
    """Reads something of each agent from a measure; who is not known yet is looked for in a newer snapshot."""
    shape = MeasureShape(measure)

    def step(agents: Sequence[Agent]) -> Reading:
        (snapshot,) = yield [SnapshotKey()]
        if not isinstance(snapshot, Exception) and any(agent.id not in snapshot.numbers for agent in agents):
            (snapshot,) = yield [SnapshotKey(RECENT)]
        (found,) = yield from measured(shape, [snapshot])
        if isinstance(found, Exception):
            return [found] * len(agents)
        numbers = [found.snapshot.numbers.get(agent.id) for agent in agents]
        return [nothing if number is None else read(found, number) for number in numbers]

    return step


def name_community(name: str) -> CommunityKey:
    """Reads the part of a community's id that follows the type. Raises BadInput for what is none."""
    algorithm, _, key = name.partition(":")
    if algorithm not in CommunityAlgorithm.__members__ or not key:
        names = ", ".join(CommunityAlgorithm.__members__)
        raise BadInput(
            f"A community's id is Community, an algorithm ({names}) and an agent's key, with colons between."
        )
    return CommunityKey(CommunityShape(CommunityAlgorithm[algorithm]), key)


def topics(first: int) -> Step:
    """Finds what most members of each community know something about."""
    within("first", first, 0, LARGEST_LIST)
    shape = Asking(TOPICS, (("first", first),))

    def step(objects: Sequence[Community]) -> Reading:
        return (yield [QuestionKey(shape, each.id, tuple(each.member_ids)) for each in objects])

    return step


def members(window: Window) -> Step:
    """Opens the list of each community's members."""

    def read(community: Community) -> Any:
        return request_list(AGENTS, window=window, filter={"key": {"in": community.member_keys}}).open(None)

    return derive(read)
