"""The schema, whole."""

from datetime import datetime, timedelta
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ValidationCache
from strawberry.schema.config import StrawberryConfig

from schema.community import Community
from schema.document import REMEMBERED, ParsedOnce
from schema.event import Subscription
from schema.interaction import Interaction
from schema.knowledge import Knowledge
from schema.memory import Memory
from schema.mutation import Mutation
from schema.planned import Planner
from schema.query import Query
from schema.relationship import Relationship
from schema.scalars import DateTime, Duration


class Schema(strawberry.Schema):
    """The schema; its errors are logged where they are formatted for clients, not here.

    `planner` executes what it can by plans; without one graphql-core executes everything.
    """

    planner: Planner | None = None

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        pass


def build_schema(*, planned: bool = True) -> Schema:
    """Builds the schema that clients see."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Memory, Relationship, Interaction, Knowledge, Community],
        config=StrawberryConfig(scalar_map={datetime: DateTime, timedelta: Duration}),
        extensions=[ParsedOnce, lambda: ValidationCache(maxsize=REMEMBERED)],
    )
    schema.planner = Planner(schema) if planned else None
    return schema


def print_schema() -> str:
    """Prints the schema in GraphQL's schema definition language."""
    return build_schema().as_str() + "\n"
