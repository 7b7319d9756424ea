"""Topics: the subjects that agents know something about."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import edges, model
from graph.related import RelatedKey, RelatedShape
from resolvers.connections import LARGEST_SIZE, Window
from resolvers.loaders import Step
from resolvers.steps import ask
from schema.connection import ListConnection, connection
from schema.field import answered, described
from schema.node import Node
from schema.view import view

if TYPE_CHECKING:
    from schema.agent import AgentConnection


def find_related(first: described(int | None, f"How many, {LARGEST_SIZE} at most.") = 10) -> Step:
    size = Window(10 if first is None else first).size
    return ask(lambda topic: RelatedKey(RelatedShape(size), topic.name))


@view(model.Topic)
class Topic(Node):
    known_by: Annotated["AgentConnection", strawberry.lazy("schema.agent")] = connection(
        edges.KNOWN_BY,
        parent="name",
        description="The agents who know something about it, by key.",
    )
    related: list["Topic"] = answered(
        find_related,
        "Topics that the same agents know something about, the most related first: by how many know of both, over the "
        "geometric mean of how many pieces of knowledge there are of each.",
        reads=["name"],
    )


TopicConnection = ListConnection[Topic]
