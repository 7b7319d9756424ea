"""The society as a whole: how many there are of each kind, and what its network is like."""

from datetime import datetime
from operator import attrgetter

import strawberry
from strawberry import UNSET

from graph.analytics import definitions
from graph.analytics.definitions import Measure
from graph.edges import Direction as EdgeDirection
from resolvers import network, society
from resolvers.loaders import Step
from resolvers.steps import derive, same
from schema.community import After, CommunityAlgorithm, CommunityConnection, First, window
from schema.connection import PageInfo
from schema.field import answered, described, stepped
from schema.inputs import Direction
from schema.network import PATH, AgentType, Centrality, Hops, Path, PathWeighting, Weighting


@strawberry.type(description="How many agents have so many relationships.")
class DegreeBucket:
    degree: int = strawberry.field(description="So many relationships.")
    agents: int = strawberry.field(description="How many agents have them.")


@strawberry.type(description="An agent's place in a ranking.")
class RankedAgentEdge:
    cursor: str = strawberry.field(description="Pass it as `after` to go on from here.")
    rank: int = strawberry.field(description="The place in the ranking, from 1; equal scores are ordered by key.")
    score: float = strawberry.field(description="The score that the ranking is by.")
    node: AgentType = strawberry.field(description="The agent.")


@strawberry.type(description="A page of a ranking.")
class RankedAgentConnection:
    edges: list[RankedAgentEdge] = stepped(society.ranked_agents, "The page's agents, each with its place.")
    nodes: list[AgentType] = stepped(society.nodes_of_ranked, "The page's agents.")
    page_info: PageInfo = stepped(same, "Where the page lies in the ranking.")
    total_count: int = stepped(derive(attrgetter("total")), "How many agents the ranking has.")


def count(name: str, description: str) -> int:
    """A count that is stored, and live."""
    return stepped(society.count(attrgetter(name)), description)


def figure(name: str, description: str) -> float:
    """A figure of the network's structure."""
    return stepped(society.figure(Measure.STRUCTURE, attrgetter(name)), description)


def distribute(direction: described(Direction | None, "Which relationships count.") = EdgeDirection.BOTH) -> Step:
    return society.distribution(direction or EdgeDirection.BOTH)


def rank(by: described(Centrality, "Which measure."), first: First = UNSET, after: After = UNSET) -> Step:
    return society.ranking(by, window(first, after))


def list_communities(
    algorithm: described(CommunityAlgorithm | None, "How the society is divided.") = CommunityAlgorithm.LEIDEN,
    first: First = UNSET,
    after: After = UNSET,
) -> Step:
    return society.communities(algorithm or CommunityAlgorithm.LEIDEN, window(first, after))


def find_path(
    from_: described(str, "The first agent's key.", name="from"),
    to: described(str, "The last agent's key."),
    weighting: Weighting = PathWeighting.STRENGTH,
    max_hops: Hops = 6,
) -> Step:
    return network.lead_between(from_, to, weighting or PathWeighting.STRENGTH, 6 if max_hops is None else max_hops)


@strawberry.type(
    description="The society as a whole. Counts are live; figures of the network are as of `asOf`, the same moment for "
    "all of an answer."
)
class Society:
    agents: int = count("agents", "How many agents there are.")
    memories: int = count("memories", "How many memories they have.")
    relationships: int = count("relationships", "How many relationships there are between them.")
    interactions: int = count("interactions", "How many interactions they had.")
    knowledge: int = count("knowledge", "How many pieces of knowledge they have.")
    topics: int = count("topics", "How many topics they know something about.")
    density: float = figure("density", definitions.DENSITY)
    reciprocity: float = figure("reciprocity", definitions.RECIPROCITY)
    average_clustering: float = stepped(
        society.figure(Measure.CLUSTERING, attrgetter("mean")), definitions.AVERAGE_CLUSTERING
    )
    components: int = stepped(
        society.figure(Measure.COMPONENTS, len), "How many parts of the society have no relationship between them."
    )
    assortativity: float | None = figure("assortativity", definitions.ASSORTATIVITY)
    degree_distribution: list[DegreeBucket] = answered(
        distribute, "How many agents have how many relationships, the fewest first."
    )
    ranking: RankedAgentConnection = answered(rank, "The agents by how central they are, the most central first.")
    communities: CommunityConnection = answered(list_communities, "The communities, the largest first, then by key.")
    path: Path | None = answered(find_path, PATH)
    as_of: datetime = stepped(society.as_of, "When the snapshot that these figures come from was read.")
