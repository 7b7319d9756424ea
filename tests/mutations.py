"""Every mutation, and how tests send it."""

from typing import Any

from tests.conftest import Api

CREATE = """mutation($input: CreateAgentsInput!) { createAgents(input: $input) {
    clientMutationId agents { id key name } } }"""
UPDATE = """mutation($input: UpdateAgentInput!) { updateAgent(input: $input) {
    agent { key name socialEnergy memoryCapacity persona { summary traits age extra } } } }"""
DELETE = "mutation($input: DeleteAgentsInput!) { deleteAgents(input: $input) { deletedIds } }"
ADD = """mutation($input: AddMemoriesInput!) { addMemories(input: $input) {
    evicted memories { id content importance kind agent { key } about { key } evidence { id } createdAt } } }"""
CHANGE = "mutation($input: UpdateMemoryInput!) { updateMemory(input: $input) { memory { content importance } } }"
FORGET = "mutation($input: ForgetMemoriesInput!) { forgetMemories(input: $input) { forgottenIds } }"
MEMORIES = "query($key: String!) { agent(key: $key) { memories(first: 1000) { totalCount nodes { content } } } }"
LEARN = "mutation($input: LearnInput!) { learn(input: $input) { knowledge { id topic { name } confidence source } } }"
SET = """mutation($input: SetRelationshipInput!) { setRelationship(input: $input) { relationship {
    id kind strength trust interactionCount source { key } target { key } } } }"""
REMOVE = "mutation($input: RemoveRelationshipInput!) { removeRelationship(input: $input) { removedId } }"
RECORD = """mutation($input: RecordInteractionsInput!) { recordInteractions(input: $input) {
    interactions { id kind content impact at source { key } target { key } }
    relationships { source { key } target { key } strength trust interactionCount lastInteractionAt } } }"""
ADVANCE = """mutation($input: AdvanceInput!) { advance(input: $input) {
    agentsProcessed memoriesForgotten relationshipsDecayed took } }"""


async def done(api: Api, mutation: str, **given: Any) -> dict[str, Any]:
    answer = await api(mutation, input=given)
    assert "errors" not in answer, answer["errors"]
    (payload,) = answer["data"].values()
    return payload


async def refused(api: Api, mutation: str, **given: Any) -> tuple[str, list[Any], str]:
    """Sends a mutation that must fail; gives the code, the path of the input and the message."""
    answer = await api(mutation, input=given)
    assert answer["data"] is None
    (error,) = answer["errors"]
    return error["extensions"]["code"], error["extensions"].get("inputPath"), error["message"]


async def contents(api: Api, key: str) -> list[str]:
    answer = await api(MEMORIES, key=key)
    memories = answer["data"]["agent"]["memories"]
    assert memories["totalCount"] == len(memories["nodes"])
    return sorted(node["content"] for node in memories["nodes"])


async def create(api: Api, *keys: str, **properties: Any) -> list[dict[str, Any]]:
    payload = await done(api, CREATE, agents=[{"key": key, "name": key.title()} | properties for key in keys])
    return payload["agents"]
