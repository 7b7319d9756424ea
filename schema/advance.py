"""Simulated time goes by."""

from datetime import timedelta

import strawberry

from graph import advance
from schema.inputs import absent
from schema.writing import MutationInput, MutationPayload

System = strawberry.enum(advance.System, description=advance.System.__doc__)


@strawberry.input(description="A span of simulated time for some agents or all.")
class AdvanceInput(MutationInput):
    by: timedelta = strawberry.field(description="How long; up to a hundred years.")
    agents: list[str] | None = absent("The agents' keys; all agents unless told.")
    systems: list[System] | None = absent("What time works on; on everything unless told.")


@strawberry.type(description="What came of it.")
class AdvancePayload(MutationPayload):
    agents_processed: int = strawberry.field(description="For how many agents time went by.")
    memories_forgotten: int = strawberry.field(description="How many memories faded away.")
    relationships_decayed: int = strawberry.field(description="How many relationships faded, each way counted.")
    took: float = strawberry.field(description="How long that took, in seconds.")
