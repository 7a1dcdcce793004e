"""Locks by key, and work that is shielded from a cancellation."""

import asyncio

import pytest

from ferryman.transports.locks import KeyedLocks, shielded_with_grace

LONG = 60.0


async def test_one_key_one_at_a_time() -> None:
    locks, running, most = KeyedLocks(), 0, 0

    async def work() -> None:
        nonlocal running, most
        async with locks.holding("key"):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work() for _ in range(5)))

    assert most == 1
    assert not locks._locks


async def test_two_keys_at_once() -> None:
    locks = KeyedLocks()
    async with locks.holding("one"), asyncio.timeout(LONG), locks.holding("two"):
        assert len(locks._locks) == 2


async def test_a_waiter_that_is_cancelled_leaves_no_trace() -> None:
    locks = KeyedLocks()
    async with locks.holding("key"):
        waiting = asyncio.ensure_future(locks.holding("key").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert not locks._locks


@pytest.mark.parametrize("cancelled_before", [True, False])
async def test_work_ends_although_its_caller_is_cancelled(cancelled_before: bool) -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    async def caller() -> None:
        try:
            if cancelled_before:
                await asyncio.Event().wait()
        finally:
            await shielded_with_grace(work(), grace_seconds=LONG)

    calling = asyncio.ensure_future(caller())
    if not cancelled_before:
        await begun.wait()
    await asyncio.sleep(0)
    calling.cancel()
    await begun.wait()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert ended.is_set()


async def test_work_does_not_hold_up_a_cancelled_caller_for_ever() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    in_time = True

    async def caller() -> None:
        nonlocal in_time
        try:
            await asyncio.Event().wait()
        finally:
            in_time = await shielded_with_grace(never(), grace_seconds=0.01)

    calling = asyncio.ensure_future(caller())
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert not in_time
