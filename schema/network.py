"""An agent's place among the others."""

import strawberry

from resolvers import network
from schema.field import stepped


@strawberry.type(description="An agent's place among the others.")
class AgentNetwork:
    degree: int = stepped(network.degree("total"), "How many relationships the agent has, in and out.")
    in_degree: int = stepped(network.degree("inward"), "How many relationships lead to the agent.")
    out_degree: int = stepped(network.degree("outward"), "How many relationships start at the agent.")
    strength: float = stepped(network.strength, "The sum of the strengths of the agent's relationships, in and out.")
