"""Topics: the subjects that agents know something about."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph import edges, model
from schema.connection import ListConnection, connection
from schema.node import Node
from schema.view import view

if TYPE_CHECKING:
    from schema.agent import AgentConnection


@view(model.Topic)
class Topic(Node):
    known_by: Annotated["AgentConnection", strawberry.lazy("schema.agent")] = connection(
        edges.KNOWN_BY,
        parent="name",
        description="The agents who know something about it, by key.",
    )


TopicConnection = ListConnection[Topic]
