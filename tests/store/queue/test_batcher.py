"""Who shares a run with whom, and what a cancelled or impossible question does to the others."""

import asyncio
from collections.abc import Sequence

import pytest

from ferryman.errors import StoreError, Unstorable
from ferryman.store.queue.batcher import Batcher


class Doubling:
    """Doubles numbers, as soon as it may; there is no answer to 0, and with -1 the database is gone."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.gathering = Batcher(self.run, lock=asyncio.Lock())

    async def run(self, numbers: Sequence[int]) -> list[int]:
        self.runs.append(list(numbers))
        self.started.set()
        await self.may_end.wait()
        if -1 in numbers:
            raise StoreError("the database is locked")
        if 0 in numbers:
            raise Unstorable("0")
        return [2 * number for number in numbers]

    async def asked(self, *numbers: int) -> list[asyncio.Task[int]]:
        """The first one's run is under way, the others have asked since."""
        tasks = [asyncio.create_task(self.gathering.submit(number)) for number in numbers]
        await self.started.wait()
        await asyncio.sleep(0)
        return tasks


async def test_one_is_answered_at_once() -> None:
    doubling = Doubling()
    doubling.may_end.set()
    assert await doubling.gathering.submit(1) == 2
    assert await doubling.gathering.submit(2) == 4
    assert doubling.runs == [[1], [2]]


async def test_what_is_asked_during_a_run_shares_the_next() -> None:
    doubling = Doubling()
    tasks = await doubling.asked(1, 2, 3)
    doubling.may_end.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert doubling.runs == [[1], [2, 3]]


async def test_whoever_is_answered_may_ask_again_before_the_next_run() -> None:
    doubling = Doubling()

    async def ask_on(number: int) -> int:
        return await doubling.gathering.submit(await doubling.gathering.submit(number))

    tasks = [asyncio.create_task(ask_on(number)) for number in (1, 2, 3)]
    await doubling.started.wait()
    doubling.may_end.set()
    assert await asyncio.gather(*tasks) == [4, 8, 12]
    assert doubling.runs == [[1], [2, 3, 2], [4, 6]]


async def test_a_question_without_an_answer_spoils_no_other() -> None:
    doubling = Doubling()
    tasks = await doubling.asked(1, 2, 0, 3)
    doubling.may_end.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, int, Unstorable, int]
    assert doubling.runs == [[1], [2, 0, 3], [2], [0], [3]]


async def test_what_no_question_caused_is_told_to_all_of_them_at_once() -> None:
    doubling = Doubling()
    tasks = await doubling.asked(1, 2, -1, 3)
    tasks[1].cancel()
    doubling.may_end.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, asyncio.CancelledError, StoreError, StoreError]
    assert doubling.runs == [[1], [-1, 3]]


async def test_two_that_share_a_turn_never_run_at_once() -> None:
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


async def test_cancelled_before_its_run_a_question_is_withdrawn() -> None:
    doubling = Doubling()
    tasks = await doubling.asked(1, 2, 3)
    tasks[1].cancel()
    doubling.may_end.set()
    await asyncio.wait(tasks)
    assert tasks[1].cancelled()
    assert (tasks[0].result(), tasks[2].result()) == (2, 6)
    assert doubling.runs == [[1], [3]]


@pytest.mark.parametrize("cancelled", [1, 2])
async def test_cancelling_during_a_run_does_not_tear_it(cancelled: int) -> None:
    doubling = Doubling()
    tasks = await doubling.asked(1, 2, 3)
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
