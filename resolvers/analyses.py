"""What may be asked of the network's analysis: snapshots, measures, communities and routes."""

from dataclasses import dataclass

from graph.analytics.definitions import CommunityAlgorithm, Measure
from graph.analytics.snapshot import Snapshot

# An agent that a snapshot does not know may have come since; a snapshot is then taken if the last is older than this.
RECENT = 1.0


@dataclass(frozen=True, slots=True)
class SnapshotShape:
    lane: str = "analytics.snapshot"


@dataclass(frozen=True, slots=True)
class SnapshotKey:
    """The network as it was at most `oldest` seconds ago; None is as old as the settings allow."""

    oldest: float | None = None
    shape: SnapshotShape = SnapshotShape()


@dataclass(frozen=True, slots=True)
class MeasureShape:
    measure: Measure

    @property
    def lane(self) -> str:
        return f"analytics.{self.measure.value}"


@dataclass(frozen=True, slots=True)
class MeasureKey:
    """A measure of a snapshot: a Structure, a Ranking or a Division."""

    shape: MeasureShape
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class CommunityShape:
    algorithm: CommunityAlgorithm

    @property
    def lane(self) -> str:
        return f"analytics.community.{self.algorithm.value}"


@dataclass(frozen=True, slots=True)
class CommunityKey:
    """The community that the agent with a key is in now."""

    shape: CommunityShape
    key: str


@dataclass(frozen=True, slots=True)
class RouteShape:
    """The strongest paths of at most so many hops."""

    hops: int
    lane: str = "analytics.routes"


@dataclass(frozen=True, slots=True)
class RouteKey:
    shape: RouteShape
    snapshot: Snapshot
    source: int
    target: int
