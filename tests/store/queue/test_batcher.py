"""Batches of concurrent requests, and the effect of a cancelled or faulty request on the others."""

import asyncio
from collections.abc import Sequence

import pytest

from ferryman.errors import StoreError, Unstorable
from ferryman.store.queue.batcher import Batcher


class Doubling:
    """Doubles numbers once it may end; 0 is unstorable, and with -1 the database is unavailable."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.batcher = Batcher(self.run, lock=asyncio.Lock())

    async def run(self, numbers: Sequence[int]) -> list[int]:
        self.runs.append(list(numbers))
        self.started.set()
        await self.may_end.wait()
        if -1 in numbers:
            raise StoreError("the database is locked")
        if 0 in numbers:
            raise Unstorable("0")
        return [2 * number for number in numbers]

    async def submitted(self, *numbers: int) -> list[asyncio.Task[int]]:
        """The first request's run has started, and the others wait for the next."""
        tasks = [asyncio.create_task(self.batcher.submit(number)) for number in numbers]
        await self.started.wait()
        await asyncio.sleep(0)
        return tasks


async def test_a_single_request_runs_at_once() -> None:
    doubling = Doubling()
    doubling.may_end.set()
    assert await doubling.batcher.submit(1) == 2
    assert await doubling.batcher.submit(2) == 4
    assert doubling.runs == [[1], [2]]


async def test_requests_during_a_run_share_the_next_batch() -> None:
    doubling = Doubling()
    tasks = await doubling.submitted(1, 2, 3)
    doubling.may_end.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert doubling.runs == [[1], [2, 3]]


async def test_a_request_made_with_a_result_joins_the_next_batch() -> None:
    doubling = Doubling()

    async def ask_on(number: int) -> int:
        return await doubling.batcher.submit(await doubling.batcher.submit(number))

    tasks = [asyncio.create_task(ask_on(number)) for number in (1, 2, 3)]
    await doubling.started.wait()
    doubling.may_end.set()
    assert await asyncio.gather(*tasks) == [4, 8, 12]
    assert doubling.runs == [[1], [2, 3, 2], [4, 6]]


async def test_an_unstorable_request_fails_alone() -> None:
    doubling = Doubling()
    tasks = await doubling.submitted(1, 2, 0, 3)
    doubling.may_end.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, int, Unstorable, int]
    assert doubling.runs == [[1], [2, 0, 3], [2], [0], [3]]


async def test_an_error_of_the_database_fails_the_whole_batch_at_once() -> None:
    doubling = Doubling()
    tasks = await doubling.submitted(1, 2, -1, 3)
    tasks[1].cancel()
    doubling.may_end.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, asyncio.CancelledError, StoreError, StoreError]
    assert doubling.runs == [[1], [-1, 3]]


async def test_two_batchers_that_share_a_lock_never_run_concurrently() -> None:
    lock = asyncio.Lock()
    running = 0

    async def run(questions: Sequence[int]) -> Sequence[int]:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        return questions

    one, other = Batcher(run, lock=lock), Batcher(run, lock=lock)
    numbers = range(20)
    asking = [(one if number % 2 else other).submit(number) for number in numbers]
    assert await asyncio.gather(*asking) == list(numbers)


async def test_a_request_cancelled_before_its_run_is_withdrawn() -> None:
    doubling = Doubling()
    tasks = await doubling.submitted(1, 2, 3)
    tasks[1].cancel()
    doubling.may_end.set()
    await asyncio.wait(tasks)
    assert tasks[1].cancelled()
    assert (tasks[0].result(), tasks[2].result()) == (2, 6)
    assert doubling.runs == [[1], [3]]


@pytest.mark.parametrize("cancelled", [1, 2])
async def test_cancelling_a_request_does_not_interrupt_its_run(cancelled: int) -> None:
    doubling = Doubling()
    tasks = await doubling.submitted(1, 2, 3)
    doubling.may_end.set()
    await tasks[0]
    doubling.may_end.clear()
    doubling.started.clear()
    await doubling.started.wait()
    tasks[cancelled].cancel()
    doubling.may_end.set()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [number == cancelled for number in range(3)]
    assert doubling.runs == [[1], [2, 3]]
