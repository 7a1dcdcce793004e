"""Running tasks concurrently: errors and cancellation, and the state of the caller afterwards."""

import asyncio
import threading

import pytest

from ferryman.tasks import compute, for_each, for_each_by_owner, gather_or_raise


async def _fail(message: str = "broken") -> None:
    await asyncio.sleep(0)
    raise ValueError(message)


async def test_a_failed_group_leaves_timeouts_intact() -> None:
    """Python 3.11.2's TaskGroup does not: the timeout then raises CancelledError, and the task is gone."""
    with pytest.raises(ValueError, match="broken"):
        await gather_or_raise(_fail(), asyncio.Event().wait())
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_results_come_in_order() -> None:
    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert await gather_or_raise(after(0.02), after(0.01), after(0)) == [0.02, 0.01, 0]
    assert await gather_or_raise() == []


async def test_the_first_error_ends_the_others_before_it_is_raised() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.set()

    with pytest.raises(ValueError, match="broken"):
        await gather_or_raise(endless(), _fail())
    assert ended.is_set()


async def test_a_cancellation_ends_all_of_them() -> None:
    running: set[int] = set()
    both = asyncio.Event()

    async def endless(number: int) -> None:
        running.add(number)
        if len(running) == 2:
            both.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            running.remove(number)

    waiting = asyncio.create_task(gather_or_raise(endless(1), endless(2)))
    await both.wait()
    waiting.cancel()
    await asyncio.sleep(0)
    waiting.cancel()  # again, while they clean up
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not running


async def test_for_each_keeps_to_its_bound() -> None:
    running = most = 0
    done: list[int] = []

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(number)

    await for_each(range(20), work, at_once=3)
    assert most == 3
    assert sorted(done) == list(range(20))


async def test_for_each_stops_at_an_error() -> None:
    begun: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        await _fail(str(number))

    with pytest.raises(ValueError, match="0"):
        await for_each(range(20), work, at_once=2)
    assert begun == [0, 1]


async def test_one_owner_never_has_more_than_half_of_the_slots() -> None:
    slow = asyncio.Event()
    done: list[str] = []
    fast_ones = asyncio.Event()

    async def work(thing: str) -> None:
        if thing.startswith("slow"):
            await slow.wait()
        done.append(thing)
        if done == [f"fast {number}" for number in range(5)]:
            fast_ones.set()

    things = [f"slow {number}" for number in range(9)] + [f"fast {number}" for number in range(5)]
    all_of_them = asyncio.create_task(for_each_by_owner(things, work, at_once=4, owner=lambda thing: thing[:4]))
    await fast_ones.wait()
    slow.set()
    await all_of_them
    assert sorted(done) == sorted(things)


# Pure computations


@pytest.mark.parametrize("size", [1, 100_000])
async def test_a_computation_gives_its_result_or_its_error(size: int) -> None:
    assert await compute(lambda: 42, size=size) == 42
    with pytest.raises(ZeroDivisionError):
        await compute(lambda: 1 // 0, size=size)


async def test_the_event_loop_goes_on_during_a_long_computation() -> None:
    goes_on = threading.Event()

    async def other() -> None:
        goes_on.set()

    task = asyncio.create_task(other())
    assert await compute(lambda: goes_on.wait(30), size=100_000)
    await task


async def test_a_computation_whose_caller_was_cancelled_is_abandoned() -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return end.wait(30)

    task = asyncio.create_task(compute(work, size=100_000))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end.set()
