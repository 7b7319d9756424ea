"""A simulated day: two dozen agents meet, talk, remember, learn from each other and forget.

Import a society, serve it, and let the day pass (with `pip install "gql[httpx,websockets]" rich typer`):

    ecs import smallville DIR
    make serve
    python examples/smallville_day.py

Everything goes over GraphQL: the agents act through mutations, and what is printed comes from the subscription.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Annotated, Any
from uuid import uuid4

import typer
from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from rich import print as show

Json = dict[str, Any]

PLACES = ("Hobbs Cafe", "the park", "the college", "the pub", "the grocery store", "the library")
SMALL_TALK = ("the weather", "the price of coffee", "a stray cat", "last night's film", "the coming election")
MORNING = datetime(2023, 2, 13, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)

AGENTS = """
query Agents($first: Int!) {
  agents(first: $first) { nodes { key name socialEnergy knowledge(first: 1) { nodes { content topic { name } } } } }
}
"""

# One request an hour. Mutations of a request run one after another, each in a transaction of its own; should the
# answer be lost, the request can be sent again: under the same keys nothing happens twice.
HOUR_PASSES = """
mutation HourPasses(
  $meetings: RecordInteractionsInput!, $memories: AddMemoriesInput!, $lessons: LearnInput!, $time: AdvanceInput!
) {
  recordInteractions(input: $meetings) { relationships { strength source { key } target { key } } }
  addMemories(input: $memories) { evicted }
  learn(input: $lessons) { knowledge { confidence } }
  advance(input: $time) { memoriesForgotten }
}
"""

EVENTS = """
subscription Events($agents: [String!]!) {
  societyEvents(agents: $agents, kinds: [INTERACTION_RECORDED, KNOWLEDGE_LEARNED]) {
    kind
    agents { name }
    subject { ... on Interaction { said: content } ... on Knowledge { learned: content } }
  }
}
"""

CLOSEST = """
query Closest($key: String!) {
  agent(key: $key) { relationships(first: 1) { edges { strength node { name } } } memories { totalCount } }
}
"""


@dataclass
class Day:
    """What came of a day."""

    meetings: int = 0
    memories: int = 0
    lessons: int = 0
    forgotten: int = 0
    seen: Counter[str] = field(default_factory=Counter[str])


@dataclass
class Meeting:
    """Two agents at a place, what they talked about, and how it went."""

    one: Json
    other: Json
    place: str
    about: str
    impact: float
    at: datetime

    @property
    def content(self) -> str:
        return f"{self.one['name']} and {self.other['name']} talked about {self.about} at {self.place}."

    def as_interaction(self) -> Json:
        ends = {"source": self.one["key"], "target": self.other["key"]}
        return ends | {"kind": "chat", "content": self.content, "impact": self.impact, "at": self.at.isoformat()}

    def as_memories(self) -> list[Json]:
        """Both remember it; small talk is gone by the evening."""
        importance = 0.051 if self.about in SMALL_TALK else 0.3 + abs(self.impact) / 2
        shared = {"content": self.content, "kind": "CHAT", "importance": importance, "createdAt": self.at.isoformat()}
        return [
            shared | {"agent": who["key"], "about": [whom["key"]]}
            for who, whom in ((self.one, self.other), (self.other, self.one))
        ]

    def as_lesson(self) -> Json | None:
        """The second learns what the first one knows best, if that was what they talked about."""
        known = self.one["knowledge"]["nodes"]
        if self.about in SMALL_TALK or not known:
            return None
        lesson = {"topic": known[0]["topic"]["name"], "content": known[0]["content"], "source": self.one["name"]}
        return lesson | {"agent": self.other["key"], "confidence": 0.4}


def meet(agents: list[Json], at: datetime, random: Random) -> list[Meeting]:
    """Sends everybody somewhere; neighbours in the queue talk to each other."""
    found: list[Meeting] = []
    going = {agent["key"]: random.choice(PLACES) for agent in agents}
    for place in PLACES:
        here = [agent for agent in agents if going[agent["key"]] == place]
        random.shuffle(here)
        for one, other in pairwise(here):
            known = one["knowledge"]["nodes"]
            about = known[0]["topic"]["name"] if known and random.random() < 0.4 else random.choice(SMALL_TALK)
            found.append(Meeting(one, other, place, about, round(random.uniform(-0.3, 0.8), 2), at))
    return found


async def live(session: AsyncClientSession, agents: list[Json], hours: int, seed: int, day: Day) -> None:
    """Lets the hours pass, each with its meetings."""
    random, run = Random(seed), uuid4().hex
    for hour in range(hours):
        meetings = meet(agents, MORNING + hour * HOUR, random)
        lessons = {(each["agent"], each["content"]): each for meeting in meetings if (each := meeting.as_lesson())}
        memories = [memory for meeting in meetings for memory in meeting.as_memories()]
        inputs = {
            "meetings": {"interactions": [meeting.as_interaction() for meeting in meetings]},
            "memories": {"memories": memories},
            "lessons": {"knowledge": list(lessons.values())},
            "time": {"by": "PT1H", "agents": [agent["key"] for agent in agents]},
        }
        for name, each in inputs.items():
            each["idempotencyKey"] = f"{run}-{hour}-{name}"
        answer = await session.execute(GraphQLRequest(HOUR_PASSES, variable_values=inputs))
        day.meetings += len(meetings)
        day.memories += len(memories)
        day.lessons += len(lessons)
        day.forgotten += answer["advance"]["memoriesForgotten"]


async def watch(client: Client, keys: list[str], day: Day, say: Callable[[str], None]) -> None:
    """Prints what happens, as the server tells."""
    async with client as session:
        async for answer in session.subscribe(GraphQLRequest(EVENTS, variable_values={"agents": keys})):
            event = answer["societyEvents"]
            day.seen[event["kind"]] += 1
            who = " and ".join(agent["name"] for agent in event["agents"])
            say(f"{event['kind'].lower():22} {who}: {' '.join(event['subject'].values())}")


async def spend_day(url: str, *, hours: int, people: int, seed: int, say: Callable[[str], None]) -> Day:
    """Lets a day pass and tells what came of it."""
    day = Day()
    socket = Client(transport=WebsocketsTransport(url=url.replace("http", "ws", 1)))
    async with Client(transport=HTTPXAsyncTransport(url=url, timeout=60)) as session:
        answer = await session.execute(GraphQLRequest(AGENTS, variable_values={"first": people}))
        agents = answer["agents"]["nodes"]
        keys = [agent["key"] for agent in agents]
        watching = asyncio.create_task(watch(socket, keys, day, say))
        await asyncio.sleep(1)  # so that the first meeting is not missed
        await live(session, agents, hours, seed, day)
        await asyncio.sleep(1)  # what happened last is still on its way
        if not watching.cancel():
            await watching  # tells why it ended by itself
        for agent in agents:
            found = await session.execute(GraphQLRequest(CLOSEST, variable_values={"key": agent["key"]}))
            for edge in found["agent"]["relationships"]["edges"]:
                say(f"{agent['name']} is closest to {edge['node']['name']}: {edge['strength']:.2f}")
    say(
        f"{day.meetings} meetings left {day.memories} memories and {day.lessons} lessons; "
        f"{day.forgotten} memories were forgotten; the subscription told of {day.seen.total()} events"
    )
    return day


def main(
    url: Annotated[str, typer.Option(help="Where the API is.")] = "http://127.0.0.1:8000/graphql",
    hours: Annotated[int, typer.Option(help="How long the day is.")] = 16,
    people: Annotated[int, typer.Option(help="How many agents take part.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meetings.")] = 1,
) -> None:
    """Let a simulated day pass in a society."""
    asyncio.run(spend_day(url, hours=hours, people=people, seed=seed, say=show))


if __name__ == "__main__":
    typer.run(main)
