"""Keys of all requests in flight travel together, and nobody is left without an answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from graph.eager import MOST_ROWS, EagerKey, EagerPage
from graph.edges import AGENTS
from graph.errors import BadInput, DeadlineExceeded, Internal, SocietyError, Unavailable
from graph.pages import Listing, PageKey, PageShape
from resolvers.coalescer import Coalescer
from resolvers.lanes import ANSWERED_AT_ONCE, FEWEST, MANY, PATIENCE, Lane


@dataclass(frozen=True)
class Shape:
    lane: str = "lane"
    name: str = ""


@dataclass(frozen=True)
class Key:
    name: Any
    shape: Shape = Shape()


@dataclass
class Backend:
    """Answers each key with its name, when let; remembers what was sent."""

    refuse: Callable[[list[Any]], BaseException | None] = lambda names: None
    batches: list[list[Any]] = field(default_factory=list)
    running: int = 0
    most: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, shape: Shape, keys: list[Key]) -> list[Any]:
        names = [key.name for key in keys]
        self.batches.append(names)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            if error := self.refuse(names):
                raise error
            return names
        finally:
            self.running -= 1


def opened(**options: Any) -> Backend:
    backend = Backend(**options)
    backend.gate.set()
    return backend


async def turn() -> None:
    """Lets what is ready run."""
    for _ in range(3):
        await asyncio.sleep(0)


def load(coalescer: Coalescer, *names: Any) -> asyncio.Task[list[Any]]:
    return asyncio.create_task(coalescer.load_many([Key(name) for name in names]))


async def within(waiting: asyncio.Task[list[Any]]) -> list[Any]:
    return await asyncio.wait_for(waiting, 10)


async def test_an_idle_coalescer_sends_without_waiting():
    backend = Backend()
    waiting = load(Coalescer(backend), 1, 2)
    await turn()
    assert backend.batches == [[1, 2]]
    backend.gate.set()
    assert await within(waiting) == [1, 2]


async def test_requests_of_one_moment_share_a_query_and_a_key_is_sent_once():
    backend = opened()
    coalescer = Coalescer(backend)
    tasks = [load(coalescer, 1, 2), load(coalescer, 2, 3), load(coalescer, 3, 3)]
    assert [await within(task) for task in tasks] == [[1, 2], [2, 3], [3, 3]]
    assert backend.batches == [[1, 2, 3]]


async def test_what_arrives_while_a_query_runs_rides_the_next():
    backend = Backend()
    coalescer = Coalescer(backend)
    tasks = []
    for name in range(6):
        tasks.append(load(coalescer, name))
        await turn()
    assert backend.batches == [[0]]
    backend.gate.set()
    assert [await within(task) for task in tasks] == [[name] for name in range(6)]
    assert backend.batches == [[0], [1, 2, 3, 4, 5]]


async def test_what_is_enough_for_a_query_does_not_wait_for_another():
    backend = Backend()
    coalescer = Coalescer(backend)
    tasks = []
    for name in range(2 * FEWEST + 2):
        tasks.append(load(coalescer, name))
        await turn()
    assert backend.batches == [[0], list(range(1, FEWEST + 1))]
    backend.gate.set()
    assert [await within(task) for task in tasks] == [[name] for name in range(2 * FEWEST + 2)]
    assert backend.most == 2


async def test_few_keys_wait_for_a_slow_query_only_a_moment():
    backend = Backend()
    coalescer = Coalescer(backend)
    tasks = [load(coalescer, 1)]
    await turn()
    tasks.append(load(coalescer, 2))
    await asyncio.sleep(10 * PATIENCE)
    assert backend.batches == [[1], [2]]
    backend.gate.set()
    assert [await within(task) for task in tasks] == [[1], [2]]


async def test_nor_do_those_that_had_to_wait_for_room_first():
    gates = {name: asyncio.Event() for name in ("slow", "other", "few")}
    sent: list[str] = []

    async def answer(shape: Any, keys: list[Key]) -> list[Any]:
        sent.extend(key.name for key in keys)
        await asyncio.gather(*(gates[key.name].wait() for key in keys))
        return [key.name for key in keys]

    coalescer = Coalescer(answer)
    keys = [Key("slow"), Key("other", Shape(name="other")), Key("few")]
    tasks: list[asyncio.Task[list[Any]]] = []
    for key in keys:
        tasks.append(asyncio.create_task(coalescer.load_many([key])))
        await turn()
    await asyncio.sleep(2 * PATIENCE)
    assert sent == ["slow", "other"]
    gates["other"].set()
    await asyncio.sleep(10 * PATIENCE)
    assert sent == ["slow", "other", "few"]
    for gate in gates.values():
        gate.set()
    assert [await within(task) for task in tasks] == [["slow"], ["other"], ["few"]]


async def test_what_many_requests_ask_for_is_divided():
    backend = Backend()
    coalescer = Coalescer(backend)
    tasks = [load(coalescer, name) for name in range(2 * FEWEST + 4)]
    await turn()
    # The rest is too little to be divided again.
    assert [len(batch) for batch in backend.batches] == [FEWEST + 2] * 2
    backend.gate.set()
    assert [await within(task) for task in tasks] == [[name] for name in range(2 * FEWEST + 4)]


async def test_what_one_request_asks_for_is_divided_when_it_is_much():
    for size, batches in ((2 * MANY - 1, [2 * MANY - 1]), (2 * MANY, [MANY, MANY])):
        backend = Backend()
        waiting = load(Coalescer(backend), *range(size))
        await turn()
        assert [len(batch) for batch in backend.batches] == batches
        backend.gate.set()
        assert await within(waiting) == list(range(size))


async def test_what_is_left_of_many_requests_counts_as_what_is_left_of_them():
    backend = Backend()
    coalescer = Coalescer(backend, in_flight=2, largest=MANY)
    tasks = [load(coalescer, *range(MANY * name, MANY * name + MANY)) for name in range(4 * FEWEST)]
    await turn()
    (lane,) = coalescer._lanes.values()
    (waiting,) = lane._waiting.values()
    assert (len(waiting), waiting.requests) == ((4 * FEWEST - 2) * MANY, 4 * FEWEST - 2)
    backend.gate.set()
    assert [len(await within(task)) for task in tasks] == [MANY] * 4 * FEWEST


async def test_a_key_that_was_sent_is_sent_again_so_that_later_writes_are_seen():
    backend = Backend()
    coalescer = Coalescer(backend)
    first = load(coalescer, 1)
    await turn()
    second = load(coalescer, 1)
    await turn()
    backend.gate.set()
    await within(first)
    await within(second)
    assert backend.batches == [[1], [1]]


async def test_lanes_do_not_wait_for_each_other_and_shapes_do_not_mix():
    backend = Backend()
    coalescer = Coalescer(backend, in_flight=1)
    keys = [Key(1, Shape("a")), Key(2, Shape("b", "x")), Key(3, Shape("b", "y"))]
    waiting = asyncio.create_task(coalescer.load_many(keys))
    await turn()
    assert backend.batches == [[1], [2]]
    backend.gate.set()
    assert await within(waiting) == [1, 2, 3]
    assert backend.batches == [[1], [2], [3]]


async def test_a_shape_does_not_wait_for_a_query_of_another():
    backend = Backend()
    coalescer = Coalescer(backend)
    tasks = [asyncio.create_task(coalescer.load_many([Key(name, Shape("a", name))])) for name in "xy"]
    await turn()
    assert backend.batches == [["x"], ["y"]]
    backend.gate.set()
    assert [await within(task) for task in tasks] == [["x"], ["y"]]


async def test_what_touches_the_same_is_sent_one_after_another_in_its_order():
    backend = Backend()
    lane = Lane(backend, 2, 100, touches=lambda key: key.name, fewest=2)
    first = asyncio.create_task(lane.load(Key("ab")))
    await turn()
    # "bc" waits for "ab", "cd" for "bc", and nobody for "ef".
    others = asyncio.gather(*(lane.load(Key(name)) for name in ("bc", "cd", "ef")))
    await turn()
    assert backend.batches == [["ab"], ["ef"]]
    backend.gate.set()
    assert await within(first) == "ab"
    assert await within(others) == ["bc", "cd", "ef"]
    assert backend.batches == [["ab"], ["ef"], ["bc", "cd"]]


async def test_what_touches_the_same_may_be_sent_together():
    backend = Backend()
    lane = Lane(backend, 2, 100, touches=lambda key: key.name)
    waiting = asyncio.gather(*(lane.load(Key(name)) for name in ("ab", "bc", "a")))
    await turn()
    assert backend.batches == [["ab", "bc", "a"]]
    backend.gate.set()
    assert await within(waiting) == ["ab", "bc", "a"]


async def test_batches_are_bounded():
    backend = opened()
    assert await within(load(Coalescer(backend, largest=4), *range(10))) == list(range(10))
    assert [len(batch) for batch in backend.batches] == [4, 4, 2]


async def test_pages_of_agents_weigh_as_much_as_the_rows_of_their_lists():
    sent: list[int] = []

    async def fetch(shape: Any, keys: list[Any]) -> list[Any]:
        sent.append(len(keys))
        return keys

    page, ten = (PageShape(Listing(AGENTS), (AGENTS.default,), size, placed=False) for size in (MOST_ROWS // 100, 10))
    keys = [EagerKey(EagerPage(page, (ten, ten)), PageKey(page, str(number))) for number in range(22)]
    assert await Coalescer(fetch).load_many(keys) == keys
    assert (sum(sent), max(sent)) == (len(keys), 5)


async def test_a_failing_batch_fails_only_the_keys_that_fail():
    bad = {3, 11}
    backend = opened(refuse=lambda names: BadInput("no") if bad & set(names) else None)
    answers = await within(load(Coalescer(backend), *range(16)))
    assert {place for place, answer in enumerate(answers) if isinstance(answer, BadInput)} == bad
    assert [answer for answer in answers if not isinstance(answer, BadInput)] == [i for i in range(16) if i not in bad]


@pytest.mark.parametrize("error", [Unavailable("down"), DeadlineExceeded("slow")])
async def test_what_is_no_keys_fault_reaches_all_after_one_query(error: Exception):
    backend = opened(refuse=lambda names: error)
    assert await within(load(Coalescer(backend), 1, 2, 3)) == [error] * 3
    assert len(backend.batches) == 1


async def test_a_cancelled_request_cancels_no_one_elses():
    backend = Backend()
    coalescer = Coalescer(backend, in_flight=1)
    sent, kept, waiting = load(coalescer, 1, 2), load(coalescer, 2), load(coalescer, 3)
    await turn()
    rider = load(coalescer, 3, 4)
    await turn()
    sent.cancel()
    waiting.cancel()
    await turn()
    backend.gate.set()
    assert await within(kept) == [2]
    assert await within(rider) == [3, 4]
    assert backend.batches == [[1, 2, 3], [3, 4]]


async def test_where_it_goes_gradually_what_comes_next_is_sent_before_all_are_answered():
    backend = Backend()
    lane = Lane(backend, in_flight=1, largest=100, gradually=True)
    first = [lane.add(Key(number)) for number in range(3 * ANSWERED_AT_ONCE)]
    await turn()
    later = lane.add(Key("later"))
    backend.gate.set()
    steps: list[tuple[int, bool]] = []
    async with asyncio.timeout(10):
        while not later.done() or not first[-1].done():
            await asyncio.sleep(0)
            steps.append((sum(map(asyncio.Future.done, first)), ["later"] in backend.batches))
    assert {ANSWERED_AT_ONCE, 2 * ANSWERED_AT_ONCE} <= {answered for answered, _ in steps}, "a few in each turn"
    assert any(answered < len(first) and sent for answered, sent in steps)
    assert [await each for each in [*first, later]] == [*range(len(first)), "later"]
    await lane.close()


async def test_closing_amid_gradual_answers_gives_the_rest_at_once():
    backend = Backend()
    lane = Lane(backend, in_flight=1, largest=100, gradually=True)
    answers = [lane.add(Key(number)) for number in range(3 * ANSWERED_AT_ONCE)]
    await turn()
    backend.gate.set()
    async with asyncio.timeout(10):
        await answers[0]
    await lane.close()
    assert [await each for each in answers] == list(range(3 * ANSWERED_AT_ONCE)), "it was written: nobody is told else"


async def test_a_query_that_is_closed_before_it_begins_leaves_no_one_waiting():
    lane = Lane(opened(), in_flight=1, largest=100)
    answer = lane.add(Key(1))
    lane._send()  # pyright: ignore[reportPrivateUsage]
    await lane.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(answer, 10)


async def test_closing_tells_those_in_flight_those_that_wait_and_those_that_come_later():
    backend = Backend()
    coalescer = Coalescer(backend, in_flight=1)
    tasks = [load(coalescer, 1)]
    await turn()
    tasks.append(load(coalescer, 2))
    await turn()
    await coalescer.close()
    tasks.append(load(coalescer, 3))
    tasks.append(asyncio.create_task(coalescer.load_many([Key(4, Shape("another"))])))
    for task in tasks:
        [answer] = await within(task)
        assert isinstance(answer, Unavailable)
    assert backend.batches == [[1]]
    assert backend.running == 0


@pytest.mark.parametrize("error", [asyncio.CancelledError(), TimeoutError()])
async def test_a_cancelled_query_leaves_no_one_waiting(error: BaseException):
    backend = opened(refuse=lambda names: error)
    coalescer = Coalescer(backend)
    for answer in await within(load(coalescer, 1, 2)):
        assert isinstance(answer, SocietyError | TimeoutError)
    backend.refuse = lambda names: None
    assert await within(load(coalescer, 1)) == [1]


async def test_cancelled_while_looking_for_the_bad_key_leaves_no_one_waiting():
    def refuse(names: list[int]) -> BaseException | None:
        return Internal("which?") if len(names) > 2 else asyncio.CancelledError()

    answers = await within(load(Coalescer(opened(refuse=refuse)), *range(8)))
    assert all(isinstance(answer, Unavailable) for answer in answers)


async def test_an_answer_of_the_wrong_length_is_an_error_for_those_it_may_not_be_for():
    async def fetch(shape: Any, keys: list[Any]) -> list[Any]:
        return [key.name for key in keys if key.name != 2]

    one, two, three = await within(load(Coalescer(fetch), 1, 2, 3))
    assert (one, three) == (1, 3)
    assert isinstance(two, ValueError)


async def test_a_failing_batch_is_repeated_in_its_order():
    backend = opened(refuse=lambda names: RuntimeError("bug") if 2 in names else None)
    await within(load(Coalescer(backend), *range(4)))
    assert backend.batches == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]


async def test_slow_batches_become_smaller_and_fast_ones_larger_again():
    sizes, slow = list[int](), True

    async def fetch(shape: Any, keys: list[Any]) -> list[Any]:
        sizes.append(len(keys))
        if slow:
            await asyncio.sleep(0.02)
            raise Unavailable("Too slow.")
        return keys

    lane = Lane(fetch, 1, 256, pace=0.01)
    answers = [lane.add(Key(name)) for name in range(256 + 128 + 64 + 32 + 32)]
    await asyncio.wait(answers, timeout=2)
    assert sizes == [256, 128, 64, 32, 32]
    slow = False
    answers = [lane.add(Key(name)) for name in range(32 + 64 + 128)]
    await asyncio.wait(answers, timeout=2)
    assert sizes[5:] == [32, 64, 128]
