"""An agent's place among the others."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.analytics import definitions
from graph.analytics.definitions import DEFINITIONS, Measure
from graph.neighbourhood import CLOSEST, MOST_RADIUS, RELATIONSHIPS_EACH, WIDE
from graph.paths import MOST_HOPS
from resolvers import network, society
from resolvers.loaders import Step
from schema.community import Community, CommunityAlgorithm
from schema.field import answered, described, stepped
from schema.relationship import Relationship

if TYPE_CHECKING:
    from schema.agent import Agent

AgentType = Annotated["Agent", strawberry.lazy("schema.agent")]

Centrality = strawberry.enum(
    definitions.Centrality,
    description=f"{definitions.Centrality.__doc__}\n\n"
    + "\n".join(f"- {each.name}: {DEFINITIONS[Measure(each.value)].description}" for each in definitions.Centrality),
)
PathWeighting = strawberry.enum(
    definitions.PathWeighting,
    description="What makes a path short.\n\n- HOPS: few relationships; each costs 1.\n"
    "- STRENGTH: strong relationships; each costs -ln(strength), so that along the cheapest path the strengths "
    "multiply to the most. Strength conducts; where it is 0 there is no way.",
)
Hops = described(int | None, f"How many relationships a path may have; {MOST_HOPS} at most.")
Weighting = described(PathWeighting | None, "What makes a path short.")


@strawberry.type(description="Someone to get to know.")
class SuggestedAgent:
    agent: AgentType = strawberry.field(description="Who it is.")
    score: float = strawberry.field(description="How much speaks for it.")
    mutual_count: int = strawberry.field(description="How many common acquaintances the score comes from.")


@strawberry.type(description="A part of the network.")
class Subgraph:
    agents: list[AgentType] = strawberry.field(description="The agents, the one in the middle first, then the nearest.")
    relationships: list[Relationship] = strawberry.field(description="The relationships between them.")
    truncated: bool = strawberry.field(description="Whether agents or relationships were left out, being too many.")


@strawberry.type(description="A way from one agent to another along relationships, in their direction.")
class Path:
    agents: list[AgentType] = strawberry.field(description="The agents on the way, from the first to the last.")
    relationships: list[Relationship] = strawberry.field(description="The relationships from each to the next.")
    hops: int = strawberry.field(description="How many relationships there are on the way.")
    cost: float = strawberry.field(description="By HOPS their number, by STRENGTH the sum of -ln(strength).")


PATH = (
    "The shortest path; null if there is none within maxHops. By HOPS it is read live. By STRENGTH it is the strongest "
    "of all paths within maxHops on a snapshot of the network, read with its present strengths."
)


def rank(by: described(Centrality, "Which measure.")) -> Step:
    return society.score(Measure(by.value))


def find_community(
    algorithm: described(CommunityAlgorithm | None, "How the society is divided.") = CommunityAlgorithm.LEIDEN,
) -> Step:
    return society.community(algorithm or CommunityAlgorithm.LEIDEN)


def find_ego(
    radius: described(int | None, f"How many steps away; {MOST_RADIUS} at most.") = 1,
    min_strength: described(float | None, "Only relationships at least so strong are followed and listed.") = 0,
    limit: described(int | None, "How many agents; 1000 at most.") = 200,
) -> Step:
    return network.surround(
        1 if radius is None else radius,
        0.0 if min_strength is None else min_strength,
        200 if limit is None else limit,
    )


def find_mutual(
    with_: described(str, "The other agent's key.", name="with"),
    first: described(int | None, "How many; 100 at most.") = 20,
) -> Step:
    return network.share(with_, 20 if first is None else first)


def find_suggestions(first: described(int | None, "How many; 100 at most.") = 10) -> Step:
    return network.suggest(10 if first is None else first)


def find_path(
    key: described(str, "The other agent's key."),
    weighting: Weighting = PathWeighting.STRENGTH,
    max_hops: Hops = 6,
) -> Step:
    return network.lead(key, weighting or PathWeighting.STRENGTH, 6 if max_hops is None else max_hops)


@strawberry.type(
    description="An agent's place among the others. What counts relationships is live, the rest as of `society.asOf`."
)
class AgentNetwork:
    degree: int = stepped(network.degree("total"), "How many relationships the agent has, in and out.")
    in_degree: int = stepped(network.degree("inward"), "How many relationships lead to the agent.")
    out_degree: int = stepped(network.degree("outward"), "How many relationships start at the agent.")
    strength: float = stepped(network.strength, "The sum of the strengths of the agent's relationships, in and out.")
    clustering: float = stepped(society.score(Measure.CLUSTERING), DEFINITIONS[Measure.CLUSTERING].description)
    centrality: float = answered(rank, "How central the agent is.")
    community: Community | None = answered(find_community, "The community that the agent is in.")
    ego: Subgraph = answered(
        find_ego,
        "Whom the agent reaches in so many steps along relationships in either direction, the nearest first, of a step "
        "those with the strongest ties, and the relationships between them, for each agent of the limit "
        f"{RELATIONSHIPS_EACH} at most.",
    )
    mutual: list[AgentType] = answered(
        find_mutual,
        "Who is tied to both, in whichever direction; those with the strongest ties to the two first. Nobody if there "
        "is no agent with this key.",
    )
    suggestions: list[SuggestedAgent] = answered(
        find_suggestions,
        "Who is not tied to the agent but has acquaintances in common with it. Each of them counts the mean strength "
        "of its ties to the two (the stronger direction of each), divided by the logarithm of how many it is tied to, "
        f"so that those whom everybody knows count little. Acquaintances are the agent's {CLOSEST} closest. "
        f"Those with more than {WIDE} relationships count by how many these are, and for no one who has no other "
        "acquaintance in common. "
        "(L. A. Adamic, E. Adar, Social Networks 25, 2003; weighted after T. Murata, S. Moriyasu, WI 2007)",
    )
    path_to: Path | None = answered(find_path, PATH, reads=["key"])
