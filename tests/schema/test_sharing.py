"""What subscribers to the same events share, and what they don't."""

import asyncio
from typing import Any

import pytest

from schema.answer import Answer
from schema.sharing import LARGEST, Sharing, selection_of

FOLLOW = """
subscription Follow($agents: [String!], $full: Boolean!, $first: Int) {
  societyEvents(agents: $agents) { kind ...Rest @include(if: $full) }
}
fragment Rest on SocietyEvent { agents { memories(first: $first) { edges { cursor } } } }
"""


class Execution:
    """Counts how often it ran; goes on when it may."""

    def __init__(self) -> None:
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self, event: Any) -> Answer:
        self.times += 1
        await self.may_end.wait()
        return Answer({"data": f"{event} {self.times}"})


async def test_equal_selections_on_an_event_are_executed_once_for_all():
    sharing, execution, event = Sharing(), Execution(), object()
    waiting = [asyncio.create_task(sharing.share("a", event, execution)) for _ in range(3)]
    other = asyncio.create_task(sharing.share("b", event, execution))
    await asyncio.sleep(0)
    execution.may_end.set()
    assert [each.payload["data"][-1] for each in await asyncio.gather(*waiting)] == ["1"] * 3
    await other
    await sharing.share("a", event, execution)
    assert execution.times == 2
    await sharing.share("a", object(), execution)
    assert execution.times == 3


async def test_the_first_to_ask_may_go_away():
    sharing, execution, event = Sharing(), Execution(), "event"
    first, second = (asyncio.create_task(sharing.share("a", event, execution)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    execution.may_end.set()
    assert (await second).payload == {"data": "event 1"}
    assert first.cancelled()


async def test_no_more_answers_are_kept_than_said():
    sharing, execution = Sharing(kept=2), Execution()
    execution.may_end.set()
    for event in ("1", "2", "3", "3", "2", "1"):
        await sharing.share("a", event, execution)
    assert execution.times == 4


async def test_what_is_large_is_shared_by_those_who_wait_and_not_kept():
    sharing, execution, event = Sharing(), Execution(), "x" * LARGEST
    waiting = [asyncio.create_task(sharing.share("a", event, execution)) for _ in range(3)]
    await asyncio.sleep(0)
    execution.may_end.set()
    await asyncio.gather(*waiting)
    assert execution.times == 1
    await sharing.share("a", event, execution)
    assert execution.times == 2


@pytest.mark.parametrize(
    ("variables", "same"),
    [
        ({"agents": ["bo"]}, True),
        ({"other": 1}, True),
        ({"full": False}, False),
        ({"first": 2}, False),
        ({"first": None}, False),
    ],
)
def test_only_variables_that_say_which_events_may_differ(variables: dict[str, Any], same: bool):
    ours = {"agents": ["ada"], "full": True}
    selections = [selection_of(FOLLOW, None, each) for each in (ours, ours | variables)]
    assert (selections[0] == selections[1]) is same
    assert selections[0] != selection_of(FOLLOW, "Follow", ours)
