"""A real server over a small society, and how it is judged: what comes back is never the server's fault."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed
from hypothesis import settings as bounds

from graph.database import Database
from graph.ingest.les_miserables import seed_les_miserables
from server.app import create_app
from server.settings import Settings
from tests.conftest import WIPE
from tests.subscriptions import serving

# Seconds after which a request hangs.
HANGS = 30
# What a client's fault is called; everything else would be the server's.
FAULTS = {
    "BAD_USER_INPUT",
    "CONFLICT",
    "CURSOR_EXPIRED",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "NOT_FOUND",
    "PERSISTED_QUERY_NOT_FOUND",
    "QUERY_TOO_COSTLY",
    "TOO_LARGE",
}


@pytest.fixture(scope="module")
async def address(settings: Settings, migrated: Database) -> AsyncIterator[str]:
    """The address, without scheme, of a server with its default limits."""
    await migrated.write("wipe", WIPE, deadline=60)
    await seed_les_miserables(migrated, max_agents=100)
    async with serving(create_app(settings)) as (address, _):
        yield address
    await migrated.write("wipe", WIPE, deadline=60)


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{address}", timeout=HANGS) as client:
        yield client


def examples(count: int) -> Callable[[Any], Any]:
    """So many examples, the same at each run; what fails is told as it is found."""
    bounded = bounds(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: seed(1)(bounded(test))


async def apart(test: Callable[[], None]) -> None:
    """Runs a test beside the event loop, which the server needs."""
    await asyncio.to_thread(test)


def judge(response: httpx.Response) -> Any:
    """Checks an answer of GraphQL and gives it."""
    assert response.status_code < 500, response.text
    answer = response.json()
    judge_errors(answer.get("errors", ()))
    assert "data" in answer or answer["errors"]
    return answer


def judge_errors(errors: Any) -> None:
    for error in errors:
        assert error["extensions"]["code"] in FAULTS, error
        assert len(error["message"]) < 2000
    assert "Traceback" not in json.dumps(errors)
