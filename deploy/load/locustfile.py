"""The same agents for Locust and its web page; install Locust beside the project to use it.

python -m locust -f deploy/load/locustfile.py --host http://127.0.0.1:8000

Locust's users wait for their answers, so that a server that stalls is asked less: for latencies that count what
nobody asked meanwhile there is `make load`.
"""

from random import Random
from typing import Any

from locust import HttpUser, constant_pacing, events, task  # pyright: ignore[reportMissingImports]
from locust.exception import StopUser  # pyright: ignore[reportMissingImports]

from deploy.load.operations import OPERATIONS, SOCIETY, Operation, Person, draw, persons_of

PERIOD = 20
PERSONS: list[Person] = []


@events.test_start.add_listener
def read_society(environment: Any, **_: Any) -> None:
    """Asks who there is, once for all users."""
    # Locust hands it on to users only after this.
    SimulatedAgent.host = environment.host or SimulatedAgent.host
    client = SimulatedAgent(environment).client
    after, more, nodes = None, True, []
    while more:
        answer = client.post("/graphql", json={"query": SOCIETY, "variables": {"after": after}}, name="society").json()
        page = answer["data"]["agents"]
        nodes += page["nodes"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    PERSONS[:] = persons_of(nodes)


class SimulatedAgent(HttpUser):
    """An agent that takes a turn once a period."""

    host = "http://127.0.0.1:8000"
    wait_time = constant_pacing(PERIOD)

    def on_start(self) -> None:
        if not PERSONS:
            # Why is said above, where they were asked for.
            raise StopUser
        self.random = Random()  # noqa: S311
        self.person = self.random.choice(PERSONS)

    @task
    def take_turn(self) -> None:
        for operation in OPERATIONS:
            self.send(operation)

    def send(self, operation: Operation) -> None:
        body = {
            "query": operation.document,
            "operationName": operation.name,
            "variables": draw(operation, self.person, self.random),
        }
        with self.client.post("/graphql", json=body, name=operation.label, catch_response=True) as response:
            if not response.ok or "errors" in response.json():
                response.failure(response.text[:300])
