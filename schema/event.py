"""Events: what happens in the society, as it happens."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from graph import events
from graph.errors import BadInput
from graph.lookups import AGENT_BY_ID
from resolvers.events import Published
from schema.agent import Agent
from schema.node import Node
from schema.view import Request

LONGEST = 1000

EventKind = strawberry.enum(events.EventKind, description=events.EventKind.__doc__)


@strawberry.type(description="Something that happened in the society.")
class SocietyEvent:
    @strawberry.field(description="What kind of thing happened.")
    def kind(self: Published) -> EventKind:
        return self.event.kind

    @strawberry.field(description="When it happened.")
    def at(self: Published) -> datetime:
        return self.event.at

    cursor: str = strawberry.field(description="Pass it back as after to go on from here.")

    @strawberry.field(
        description="The agents it happened to, as they are now, without those that are gone; none if it concerns all."
    )
    async def agents(self: Published, info: Request) -> list[Agent]:
        found = await info.context.loaders.several(AGENT_BY_ID, list(self.event.agents.values()))
        return [agent for agent in found if agent is not None]

    @strawberry.field(description="What was written, as it was then; of what is gone, the last of it.")
    def subject(self: Published) -> Node | None:
        return self.event.subject

    @strawberry.field(description="How much is done: 0 nothing, 1 all; null for what happens at once.")
    def progress(self: Published) -> float | None:
        return self.event.progress

    @classmethod
    def is_type_of(cls, value: Any, _: Any) -> bool:
        return isinstance(value, Published)


@strawberry.type(description="What can be followed.")
class Subscription:
    @strawberry.subscription(
        description="What happens from now on, or after a cursor: to these agents or to all, of these kinds or of any."
    )
    async def society_events(
        self,
        info: Request,
        agents: Annotated[
            list[str] | None,
            strawberry.argument(
                description=f"Keys of the agents to follow, {LONGEST} at most; they need not exist yet. "
                "Events that concern all come too."
            ),
        ] = UNSET,
        kinds: Annotated[list[EventKind] | None, strawberry.argument(description="The kinds to follow.")] = UNSET,
        after: Annotated[
            str | None,
            strawberry.argument(description="The cursor of the last event seen: what came since comes first."),
        ] = UNSET,
    ) -> AsyncIterator[SocietyEvent]:
        return await info.context.events.subscribe(  # pyright: ignore[reportReturnType]
            agents=named("agents", agents),
            kinds=named("kinds", kinds),
            after=None if after is UNSET else after,
        )


def named(argument: str, values: list[Any] | None) -> set[Any] | None:
    """Gives what an argument names, None if it was left out. Raises BadInput for an empty or too long list."""
    if values is None or values is UNSET:
        return None
    if not values:
        raise BadInput("must not be empty: name at least one, or leave it out for all.", argument)
    if len(values) > LONGEST:
        raise BadInput(f"may hold {LONGEST} items at most, has {len(values)}.", argument)
    return set(values)
