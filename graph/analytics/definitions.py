"""What each measure means: written once, for both engines, the schema's descriptions and the tests.

The network has an agent for a node and a relationship for a directed edge, at most one each way between two agents,
with its strength in [0, 1] as the weight. A relationship of an agent with itself is left out of every measure.

Where a measure takes the network as undirected, two agents are tied if a relationship leads from either to the other,
and the tie's weight is the sum of the strengths of both. Where it is weighted, relationships of strength 0 are left
out, because they weigh nothing.

All measures agree with networkx, to 1e-6, by the call that `networkx` names in each definition; `G` is the directed
network there and `U` the undirected one.
"""

from dataclasses import dataclass
from enum import Enum


class Measure(Enum):
    """What is computed of the whole network."""

    STRUCTURE = "STRUCTURE"
    CLUSTERING = "CLUSTERING"
    DEGREE = "DEGREE"
    STRENGTH = "STRENGTH"
    PAGERANK = "PAGERANK"
    EIGENVECTOR = "EIGENVECTOR"
    BETWEENNESS = "BETWEENNESS"
    CLOSENESS = "CLOSENESS"
    LEIDEN = "LEIDEN"
    LOUVAIN = "LOUVAIN"
    LABEL_PROPAGATION = "LABEL_PROPAGATION"
    COMPONENTS = "COMPONENTS"


class Centrality(Enum):
    """How central an agent is in the society, by one of these measures."""

    DEGREE = "DEGREE"
    STRENGTH = "STRENGTH"
    PAGERANK = "PAGERANK"
    EIGENVECTOR = "EIGENVECTOR"
    BETWEENNESS = "BETWEENNESS"
    CLOSENESS = "CLOSENESS"


class CommunityAlgorithm(Enum):
    """How the society is divided into communities."""

    LEIDEN = "LEIDEN"
    LOUVAIN = "LOUVAIN"
    LABEL_PROPAGATION = "LABEL_PROPAGATION"
    COMPONENTS = "COMPONENTS"


class PathWeighting(Enum):
    """What makes a path short."""

    HOPS = "HOPS"
    STRENGTH = "STRENGTH"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a measure means, where that comes from, and the networkx call that computes the same."""

    text: str
    source: str
    networkx: str

    @property
    def description(self) -> str:
        return f"{self.text} ({self.source})"


DAMPING = 0.85

DEFINITIONS: dict[Measure, Definition] = {
    Measure.DEGREE: Definition(
        text="Relationships in and out, divided by the number of other agents; up to 2, because each may go both ways.",
        source="L. C. Freeman, Social Networks 1, 1978",
        networkx="degree_centrality(G)",
    ),
    Measure.STRENGTH: Definition(
        text="The sum of the strengths of all relationships in and out; not normalised.",
        source="A. Barrat et al., PNAS 101, 2004",
        networkx="G.degree(weight='strength')",
    ),
    Measure.PAGERANK: Definition(
        text="Directed, weighted by strength, damping 0.85; who relates to nobody passes its share on to all alike. "
        "All scores sum to 1.",
        source="L. Page et al., The PageRank Citation Ranking, 1999",
        networkx="pagerank(G, alpha=0.85, weight='strength')",
    ),
    Measure.EIGENVECTOR: Definition(
        text="Undirected, weighted by strength: each agent's score is proportional to the sum of its neighbours'. The "
        "vector has Euclidean length 1; it is what power iteration from equal scores tends to, so that of several "
        "components the most tightly tied have all of it.",
        source="P. Bonacich, American Journal of Sociology 92, 1987",
        networkx="eigenvector_centrality(U, weight='strength')",
    ),
    Measure.BETWEENNESS: Definition(
        text="The share of shortest paths between other agents that pass through the agent; directed, by hops, divided "
        "by (n - 1)(n - 2), and exact.",
        source="L. C. Freeman, Sociometry 40, 1977; U. Brandes, 2001",
        networkx="betweenness_centrality(G)",
    ),
    Measure.CLOSENESS: Definition(
        text="One over the mean number of hops from all who can reach the agent, times the share of others who can; 0 "
        "where nobody can. Directed.",
        source="S. Wasserman, K. Faust, Social Network Analysis, 1994",
        networkx="closeness_centrality(G, wf_improved=True)",
    ),
    Measure.CLUSTERING: Definition(
        text="The share of pairs of the agent's neighbours who are tied themselves; undirected, unweighted, 0 with "
        "fewer than two neighbours.",
        source="D. J. Watts, S. H. Strogatz, Nature 393, 1998",
        networkx="clustering(U)",
    ),
    Measure.LEIDEN: Definition(
        text="Communities of high modularity that are connected inside; undirected, weighted by strength, "
        "resolution 1.",
        source="V. A. Traag et al., Scientific Reports 9, 2019",
        networkx="community.modularity(U, communities, weight='strength')",
    ),
    Measure.LOUVAIN: Definition(
        text="Communities of high modularity; undirected, weighted by strength, resolution 1.",
        source="V. D. Blondel et al., Journal of Statistical Mechanics, 2008",
        networkx="community.modularity(U, communities, weight='strength')",
    ),
    Measure.LABEL_PROPAGATION: Definition(
        text="Each agent ends in a community that weighs as much among its neighbours as any other does; undirected, "
        "weighted by strength.",
        source="U. N. Raghavan et al., Physical Review E 76, 2007",
        networkx="",
    ),
    Measure.COMPONENTS: Definition(
        text="Who can reach whom by relationships of any strength, whatever their direction: weakly connected "
        "components.",
        source="networkx",
        networkx="weakly_connected_components(G)",
    ),
}

DENSITY = "Relationships divided by the most that there could be, n(n - 1); 0 with fewer than two agents."
RECIPROCITY = "The share of relationships that are returned; 0 where there are none."
AVERAGE_CLUSTERING = "The mean of all agents' clustering, those with fewer than two neighbours counted as 0."
ASSORTATIVITY = (
    "How far those with many relationships relate to those with many: the correlation, over all relationships, of the "
    "source's out-degree with the target's in-degree; null where either is the same for all. "
    "(M. E. J. Newman, Physical Review E 67, 2003)"
)
MODULARITY = (
    "How much more weight lies inside communities than chance would put there; undirected, weighted by strength; 0 "
    "where nothing weighs anything. (M. E. J. Newman, Physical Review E 70, 2004)"
)
