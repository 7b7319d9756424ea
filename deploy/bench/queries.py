"""What is asked: the same question to each system in its own words, and how their answers are compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

Variables = dict[str, Any]
TIES = "relationships(first: 10, orderBy: [{strength: DESC}])"
THEIR_TIES = "relationships: relationshipsConnection(first: 10, sort: [{edge: {strength: DESC}}, {node: {id: DESC}}])"
THEIR_IMPORTANCE = "sort: [{importance: DESC}, {id: DESC}]"


@dataclass(frozen=True)
class Person:
    """An agent that is asked about."""

    key: str
    id: str


@dataclass(frozen=True)
class Question:
    """One kind of request: the document, that of @neo4j/graphql, and variables drawn for each request.

    `depth` is how many pages lie before the one that is asked for.
    """

    name: str
    operation: str
    document: str
    theirs: str
    draw: Callable[[Random, Sequence[Person]], Variables]
    writes: bool = False
    depth: int = 0


def by_key(random: Random, people: Sequence[Person]) -> Variables:
    return {"key": random.choice(people).key}


def by_start(random: Random, people: Sequence[Person]) -> Variables:
    return {"from": random.choice(people[: max(1, len(people) - 50)]).key}


def by_energy(random: Random, people: Sequence[Person]) -> Variables:
    return {"energy": random.randrange(30, 50) / 100}


def memory(random: Random, people: Sequence[Person]) -> Variables:
    person = random.choice(people)
    new = {"agent": person.key, "content": "Klaus greeted me at the cafe.", "importance": random.random()}
    return {"input": {"memories": [new]}}


def interaction(random: Random, people: Sequence[Person]) -> Variables:
    source, target = random.sample(people, 2)
    new = {"kind": "chat", "content": "We talked.", "impact": 0.2, "source": source.key, "target": target.key}
    return {"input": {"interactions": [new]}}


PAGE = """query Page($energy: Float!, $after: String) {
  agents(first: 20, after: $after, filter: {socialEnergy: {gte: $energy}}, orderBy: [{name: ASC}]) {
    edges { node { id name socialEnergy } } pageInfo { hasNextPage endCursor } } }"""
THEIR_PAGE = """query Page($energy: Float!, $after: String) {
  agents: agentsConnection(first: 20, after: $after, where: {socialEnergy: {gte: $energy}},
    sort: [{name: ASC}, {id: ASC}]) {
    edges { node { id name socialEnergy } } pageInfo { hasNextPage endCursor } } }"""

QUESTIONS = (
    Question(
        "agent by key",
        "Agent",
        "query Agent($key: String!) { agent(key: $key) { id name socialEnergy } }",
        "query Agent($key: String!) { agent: agents(where: {key: {eq: $key}}) { id name socialEnergy } }",
        by_key,
    ),
    Question(
        "profile",
        "Profile",
        f"""query Profile($key: String!) {{ agent(key: $key) {{ id name socialEnergy
          memories(first: 20, orderBy: [{{importance: DESC}}]) {{ edges {{ node {{ id content importance }} }} }}
          {TIES} {{ edges {{ strength node {{ id name }} }} }} }} }}""",
        f"""query Profile($key: String!) {{ agent: agents(where: {{key: {{eq: $key}}}}) {{ id name socialEnergy
          memories(limit: 20, {THEIR_IMPORTANCE}) {{ id content importance }}
          {THEIR_TIES} {{ edges {{ properties {{ strength }} node {{ id name }} }} }} }} }}""",
        by_key,
    ),
    Question(
        "feed",
        "Feed",
        f"""query Feed($from: String!) {{
          agents(first: 50, filter: {{key: {{gte: $from}}}}, orderBy: [{{key: ASC}}]) {{ edges {{ node {{ id name
          memories(first: 5, orderBy: [{{importance: DESC}}]) {{ edges {{ node {{ id content importance }} }} }}
          {TIES} {{ edges {{ strength node {{ id name }} }} }} }} }} }} }}""",
        f"""query Feed($from: String!) {{
          agents(where: {{key: {{gte: $from}}}}, limit: 50, sort: [{{key: ASC}}]) {{ id name
          memories(limit: 5, {THEIR_IMPORTANCE}) {{ id content importance }}
          {THEIR_TIES} {{ edges {{ properties {{ strength }} node {{ id name }} }} }} }} }}""",
        by_start,
    ),
    Question(
        "friends of friends",
        "Friends",
        f"""query Friends($key: String!) {{ agent(key: $key) {{ id name
          {TIES} {{ edges {{ strength node {{ id name
            {TIES} {{ edges {{ strength node {{ id name }} }} }} }} }} }} }} }}""",
        f"""query Friends($key: String!) {{ agent: agents(where: {{key: {{eq: $key}}}}) {{ id name
          {THEIR_TIES} {{ edges {{ properties {{ strength }} node {{ id name
            {THEIR_TIES} {{ edges {{ properties {{ strength }} node {{ id name }} }} }} }} }} }} }} }}""",
        by_key,
    ),
    Question("first page", "Page", PAGE, THEIR_PAGE, by_energy),
    Question("page 20 deep", "Page", PAGE, THEIR_PAGE, by_energy, depth=20),
    Question(
        "addMemories",
        "AddMemories",
        "mutation AddMemories($input: AddMemoriesInput!) { addMemories(input: $input) { memories { id } } }",
        "mutation AddMemories($input: [MemoryCreateInput!]!) { addMemories: createMemories(input: $input)"
        " { memories { id } } }",
        memory,
        writes=True,
    ),
    Question(
        "recordInteractions",
        "RecordInteractions",
        "mutation RecordInteractions($input: RecordInteractionsInput!) { recordInteractions(input: $input)"
        " { interactions { id } relationships { strength } } }",
        "mutation RecordInteractions($rows: [NewInteraction!]!) { recordInteractions(rows: $rows) { id strengths } }",
        interaction,
        writes=True,
    ),
)


def their_variables(question: Question, variables: Variables, ids: dict[str, str]) -> Variables:
    """Says the same in the words of @neo4j/graphql."""
    given = variables.get("input")
    if not given:
        return variables
    if question.operation == "RecordInteractions":
        return {"rows": given["interactions"]}
    return {
        "input": [
            {"content": each["content"], "importance": each["importance"], "agentId": ids[each["agent"]],
             "agents": {"connect": [{"where": {"node": {"key": {"eq": each["agent"]}}}}]}}
            for each in given["memories"]
        ]
    }  # fmt: skip


def rows_of(value: Any) -> Any:
    """The rows of an answer, whatever they are wrapped in: connections as lists, edges as one with their nodes."""
    match value:
        case {"edges": edges}:
            return [rows_of(edge) for edge in edges]
        case {"node": node, **others}:
            return rows_of(others.pop("properties", {})) | rows_of(others) | rows_of(node)
        case {"agent": [agent]}:
            return {"agent": rows_of(agent)}
        case dict():
            return {name: rows_of(each) for name, each in value.items()}
        case list():
            return [rows_of(each) for each in value]
        case _:
            return value


def written(value: Any) -> int:
    """How many ids an answer holds; those of new objects differ."""
    if isinstance(value, dict):
        return sum(1 if name == "id" else written(each) for name, each in value.items())
    return sum(map(written, value)) if isinstance(value, list) else 0
