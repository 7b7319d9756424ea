"""Deadlines: what is late is told so, whoever is cancelled is cancelled, and many cost one timer."""

import asyncio

import pytest

from resolvers.deadline import Deadline, alarms


def after(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def late(until: float) -> None:
    with Deadline(until):
        await asyncio.Event().wait()


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.02])
async def test_what_is_late_is_told(seconds: float):
    with pytest.raises(TimeoutError) as raised:
        await late(after(seconds))
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_what_is_in_time_gives_its_value_and_its_errors():
    with Deadline(after(0.02)):
        found = await asyncio.sleep(0, "found")
    assert found == "found"
    with pytest.raises(KeyError), Deadline(after(0.02)):
        raise KeyError
    # The time passes, and nobody is struck.
    await asyncio.sleep(0.05)


async def test_each_passes_in_its_own_time():
    loop = asyncio.get_running_loop()
    passed: dict[float, float] = {}

    async def note(seconds: float) -> None:
        until = after(seconds)
        with pytest.raises(TimeoutError):
            await late(until)
        passed[seconds] = loop.time() - until

    await asyncio.gather(*map(note, (0.06, 0.02, 0.04, 0.02, 0.0)))
    assert passed.keys() == {0.0, 0.02, 0.04, 0.06}
    assert min(passed.values()) >= 0


async def test_who_is_cancelled_is_no_late_one():
    task = asyncio.create_task(late(after(10)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_as_the_time_passes_is_cancelled():
    async def both() -> None:
        with Deadline(after(10)) as deadline:
            deadline.strike()
            task = asyncio.current_task()
            assert task
            task.cancel()
            await asyncio.Event().wait()

    task = asyncio.create_task(both())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_the_inner_of_two_passes_alone():
    with Deadline(after(10)):
        with pytest.raises(TimeoutError):
            await late(after(0.01))
        await asyncio.sleep(0)


async def test_the_outer_of_two_passes_through_the_inner():
    with pytest.raises(TimeoutError), Deadline(after(0.01)):
        await late(after(10))


async def test_one_may_be_postponed_but_not_brought_forward():
    with Deadline(after(0.01)) as deadline:
        deadline.postpone(after(10))
        await asyncio.sleep(0.03)
        deadline.postpone(after(-1))
        await asyncio.sleep(0.01)


async def test_one_that_was_postponed_passes_then():
    async def wait() -> None:
        with Deadline(after(0.01)) as deadline:
            deadline.postpone(after(0.03))
            await asyncio.Event().wait()

    started = after(0)
    with pytest.raises(TimeoutError):
        await wait()
    assert after(0) >= started + 0.03


async def test_many_set_one_timer(monkeypatch: pytest.MonkeyPatch):
    loop, times = asyncio.get_running_loop(), list[float]()
    real = loop.call_at

    def call_at(when: float, *rest: object) -> asyncio.TimerHandle:
        times.append(when)
        return real(when, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_at", call_at)
    alarms.pop(loop, None)

    async def quick(number: int) -> None:
        with Deadline(after(0.02 + number / 1e6)):
            await asyncio.sleep(0)

    await asyncio.gather(*map(quick, range(1000)))
    assert len(times) == 1


async def test_it_is_for_tasks():
    done = asyncio.get_running_loop().create_future()

    def enter() -> None:
        try:
            with Deadline(after(1)):
                pass
        except RuntimeError as error:
            done.set_result(str(error))

    asyncio.get_running_loop().call_soon(enter)
    assert await done == "A deadline is for a task."
