"""The root of all writing: each field reads its input into a change, and answers once it is in the database."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import strawberry

from graph.advance import System
from graph.errors import SocietyError
from graph.writes.agents import CreateAgents, DeleteAgents, UpdateAgent
from graph.writes.change import MOST_ITEMS, Change
from graph.writes.interactions import RecordInteractions
from graph.writes.knowledge import Learn
from graph.writes.memories import AddMemories, ForgetMemories, UpdateMemory
from graph.writes.relationships import RemoveRelationship, SetRelationship
from graph.writes.requests import check_key, make_request
from resolvers.acts import Act
from resolvers.context import Context
from schema import agent, interaction, knowledge, memory, relationship
from schema.advance import AdvanceInput, AdvancePayload
from schema.field import described, done

# Seconds; a request that lets time go by may take longer than others.
LONGEST_ADVANCE = 600.0


def mutation(change: type[Change], input: type, payload: Callable[..., Any], description: str) -> Any:
    """A field that makes changes of one kind."""

    def act(input: Any) -> Act:
        def read() -> Change:
            made = change.read(input, datetime.now(UTC))
            made.request = make_request(change.__name__, input)
            return made

        return Act(read, lambda result: payload(client_mutation_id=input.get("clientMutationId"), **result))

    said = f"What to write; its lists have {MOST_ITEMS} items at most."
    act.__annotations__["input"] = described(input, said)
    return done(act, description)


def advance_time(input: Any) -> Callable[[Context], Awaitable[AdvancePayload]]:
    async def advance(context: Context) -> AdvancePayload:
        started = time.perf_counter()
        context.extend(LONGEST_ADVANCE)
        try:
            check_key(input)
            result = await context.writes.advance(
                input.get("idempotencyKey"),
                by=input["by"],
                agents=input.get("agents"),
                systems=input.get("systems") or list(System),
            )
        except SocietyError as error:
            raise error.within("input") from error
        context.renew()
        took = time.perf_counter() - started
        return AdvancePayload(client_mutation_id=input.get("clientMutationId"), took=took, **asdict(result))

    return advance


# What clients see; what comes is its mapping.
advance_time.__annotations__["input"] = AdvanceInput


@strawberry.type(
    description="Where writing starts. Fields are done one after another until one fails, and told after the commit."
)
class Mutation:
    create_agents: agent.CreateAgentsPayload = mutation(
        CreateAgents, agent.CreateAgentsInput, agent.CreateAgentsPayload, "Brings agents into being."
    )
    update_agent: agent.UpdateAgentPayload = mutation(
        UpdateAgent,
        agent.UpdateAgentInput,
        agent.UpdateAgentPayload,
        "Changes the fields that are given; a persona replaces the one before.",
    )
    delete_agents: agent.DeleteAgentsPayload = mutation(
        DeleteAgents,
        agent.DeleteAgentsInput,
        agent.DeleteAgentsPayload,
        "Removes agents with what they remember, know and did, and what was done toward them.",
    )
    add_memories: memory.AddMemoriesPayload = mutation(
        AddMemories,
        memory.AddMemoriesInput,
        memory.AddMemoriesPayload,
        "Lets agents remember. One without room first forgets the least important tenth of its capacity, "
        "of equals what was not accessed for longest.",
    )
    update_memory: memory.UpdateMemoryPayload = mutation(
        UpdateMemory, memory.UpdateMemoryInput, memory.UpdateMemoryPayload, "Changes a memory."
    )
    forget_memories: memory.ForgetMemoriesPayload = mutation(
        ForgetMemories, memory.ForgetMemoriesInput, memory.ForgetMemoriesPayload, "Removes memories."
    )
    record_interactions: interaction.RecordInteractionsPayload = mutation(
        RecordInteractions,
        interaction.RecordInteractionsInput,
        interaction.RecordInteractionsPayload,
        "Records what agents did toward each other. It moves strength and trust of both relationships between the "
        "two, which it makes if there are none, and takes social energy of who started it.",
    )
    set_relationship: relationship.SetRelationshipPayload = mutation(
        SetRelationship,
        relationship.SetRelationshipInput,
        relationship.SetRelationshipPayload,
        "Says how one agent feels about another; makes the relationship if there is none.",
    )
    remove_relationship: relationship.RemoveRelationshipPayload = mutation(
        RemoveRelationship,
        relationship.RemoveRelationshipInput,
        relationship.RemoveRelationshipPayload,
        "Ends how one agent feels about another.",
    )
    learn: knowledge.LearnPayload = mutation(
        Learn,
        knowledge.LearnInput,
        knowledge.LearnPayload,
        "Lets agents learn. What an agent knows already, about the same topic in the same words, it becomes surer of: "
        "confidence + learningRate · confidence given · (1 - confidence).",
    )
    advance: AdvancePayload = done(
        advance_time,
        "Lets a span of simulated time go by: memories fade, those of too little importance are forgotten; "
        "ties and knowledge fade; social energy recovers. It works in parts, tells of its progress as events and may "
        "take minutes; interrupted, it goes on when it is sent again with its idempotencyKey.",
    )
