"""Valid operations with any arguments, made by schemathesis from the served schema."""

from typing import Any

import httpx
import pytest
import schemathesis
from graphql import get_introspection_query
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.graphql import nodes, scalar

from tests.fuzzing.conftest import apart, examples, judge

ZONES = st.sampled_from(["Z", "+14:00", "-12:00", "+00:01", "", "x"])
TIMES = st.builds(lambda time, zone: time.isoformat() + zone, st.datetimes(), ZONES)
SPANS = ["PT1S", "PT36H", "P9999999D", "-P1D", "P", "PT1E5S", "P1Y", "PT0.0000001S"]

scalar("DateTime", (TIMES | st.text(max_size=30)).map(nodes.String))
scalar("Duration", (st.sampled_from(SPANS) | st.text(max_size=9)).map(nodes.String))
scalar("JSON", st.text().map(nodes.String) | st.integers().map(nodes.Int) | st.just(nodes.Null))


@pytest.mark.parametrize("kind", ["Query", "Mutation"])
async def test_any_arguments_are_answered(client: httpx.Client, kind: str):
    def every() -> None:
        served = schemathesis.graphql.from_dict(judge(ask(get_introspection_query()))["data"])
        found = [each.ok() for each in served.get_all_operations()]
        chosen = [each for each in found if each.label.startswith(f"{kind}.")]
        assert len(chosen) > 5
        for operation in chosen:
            any_arguments(operation)

    def any_arguments(operation: Any) -> None:
        @examples(20)
        @given(operation.as_strategy())
        def answered(case: Any) -> None:
            judge(ask(case.body))

        answered()

    def ask(document: str) -> httpx.Response:
        return client.post("/graphql", json={"query": document})

    await apart(every)
