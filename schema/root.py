"""The schema, whole."""

from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2b
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
from schema.limits import Limits, Meter
from schema.memory import Memory
from schema.mutation import Mutation
from schema.observer import Observer
from schema.planned import Planner
from schema.query import Query
from schema.relationship import Relationship
from schema.scalars import DateTime, Duration


class Schema(strawberry.Schema):
    """The schema; its errors are logged where they are formatted for clients, not here.

    `planner` executes what it can by plans; without one graphql-core executes everything. `observer` is told of
    each operation. `meter` says what an operation costs, and refuses what is too large.
    """

    planner: Planner | None = None
    observer: Observer | None = None
    meter: Meter | None = None
    introspection: bool = True

    @cached_property
    def edition(self) -> str:
        """A digest of the schema's text and of who is told of it: answers of another schema may be others."""
        return blake2b(f"{self.introspection}{self.as_str()}".encode(), digest_size=16).hexdigest()

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        pass


def build_schema(limits: Limits | None = None, *, planned: bool = True, introspection: bool = True) -> Schema:
    """Builds the schema that clients see, or are not told of without `introspection`."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Memory, Relationship, Interaction, Knowledge, Community],
        config=StrawberryConfig(scalar_map={datetime: DateTime, timedelta: Duration}),
        extensions=[ParsedOnce, lambda: ValidationCache(maxsize=REMEMBERED)],
    )
    schema.introspection = introspection
    schema.planner = Planner(schema, introspection=introspection) if planned else None
    schema.meter = Meter(schema._schema, limits or Limits())
    return schema


def print_schema() -> str:
    """Prints the schema in GraphQL's schema definition language."""
    return build_schema().as_str() + "\n"
