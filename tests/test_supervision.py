"""Supervision: background tasks are restarted after errors, up to a limit."""

import asyncio

import pytest

from ferryman.errors import WorkStopped
from ferryman.supervision import keep_running
from tests.conftest import ReadLog
from tests.support.clock import ManualClock


async def test_work_is_restarted_after_an_error(read_log: ReadLog) -> None:
    clock, starts = ManualClock(), 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts < 4:
            raise RuntimeError(f"end {starts}")

    await keep_running("beats", work, clock=clock)
    assert starts == 4
    assert clock.slept == [1, 2, 4]
    told = read_log()
    assert [(line["level"], line["work"]) for line in told] == [("error", "beats")] * 3
    assert "RuntimeError: end 1" in str(told[0])


async def test_a_cancellation_from_inside_the_work_is_logged_and_the_work_restarted(read_log: ReadLog) -> None:
    """As Python 3.11.2's `asyncio.timeout` lets one out, after a failed TaskGroup in the same task."""
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            raise asyncio.CancelledError

    await keep_running("timetable", work, clock=ManualClock())
    assert starts == 2
    assert [line["work"] for line in read_log()] == ["timetable"]


async def test_it_gives_up_after_too_many_restarts() -> None:
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        raise RuntimeError

    with pytest.raises(WorkStopped, match="worker-1 was ended 6 times within 10 minutes"):
        await keep_running("worker-1", work, clock=ManualClock())
    assert starts == 6


async def test_rare_errors_are_restarted_for_ever() -> None:
    clock, starts = ManualClock(), 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        clock.advance(300)
        if starts < 50:
            raise RuntimeError

    await keep_running("timetable", work, clock=clock)
    assert starts == 50


async def test_cancelling_ends_the_work_first() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    keeping = asyncio.create_task(keep_running("beats", work, clock=ManualClock()))
    await began.wait()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert ended.is_set()
