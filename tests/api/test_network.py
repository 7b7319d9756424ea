"""An agent's place among the others and the society's figures, end to end, in a society known by heart."""

import pytest

from tests.api.conftest import Read

pytestmark = pytest.mark.usefixtures("society")


async def test_the_society_is_counted(read: Read):
    assert await read("{ society { agents memories relationships interactions knowledge topics } }") == {
        "society": {"agents": 3, "memories": 5, "relationships": 3, "interactions": 3, "knowledge": 4, "topics": 3}
    }


async def test_degrees_and_strength_count_both_ways(read: Read):
    fields = "degree inDegree outDegree strength"
    answer = await read(f"{{ agents {{ nodes {{ network {{ {fields} }} }} }} }}")
    assert [each["network"] for each in answer["agents"]["nodes"]] == [
        {"degree": 3, "inDegree": 1, "outDegree": 2, "strength": 1.5},
        {"degree": 2, "inDegree": 1, "outDegree": 1, "strength": 1.25},
        {"degree": 1, "inDegree": 1, "outDegree": 0, "strength": 0.25},
    ]
