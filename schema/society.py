"""The society as a whole: how many there are of each kind, and what its network is like."""

from operator import attrgetter

import strawberry

from resolvers.network import ask_whole
from schema.field import stepped


def counted(name: str, description: str) -> int:
    return stepped(ask_whole(attrgetter(name)), description)


@strawberry.type(description="The society as a whole.")
class Society:
    agents: int = counted("agents", "How many agents there are.")
    memories: int = counted("memories", "How many memories they have.")
    relationships: int = counted("relationships", "How many relationships there are between them.")
    interactions: int = counted("interactions", "How many interactions they had.")
    knowledge: int = counted("knowledge", "How many pieces of knowledge they have.")
    topics: int = counted("topics", "How many topics they know something about.")
