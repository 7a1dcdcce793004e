"""Notices and deliveries, on both databases: decided once, delivered once, retried, given up."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ferryman.store.database.database import Database
from ferryman.store.notices import Delivery, Notice, Notices, Phase
from tests.store.scene import START, ManualClock

MINUTE, LEASE = timedelta(minutes=1), timedelta(minutes=2)
NOTICE = Notice(
    "login r.io", "login", "r.io", "login r.io", since=START, facts={"registry": "r.io", "tags": 3}, told_at=START
)


@pytest.fixture
def notices(database: Database, clock: ManualClock) -> Notices:
    return Notices(database, clock=clock)


@pytest.fixture
def other(database: Database, clock: ManualClock) -> Notices:
    """Another process's."""
    return Notices(database, clock=clock)


@pytest.fixture
def telling(clock: ManualClock) -> Callable[..., Delivery]:
    def make(key: str = NOTICE.key, phase: Phase = "began", *, wait: timedelta = timedelta()) -> Delivery:
        return Delivery("abc", "notify[1] (json)", key, "login", phase, START, {"n": 1}, clock.now() + wait)

    return make


async def test_one_process_decides_in_an_interval(notices: Notices, other: Notices, clock: ManualClock) -> None:
    assert [await notices.claim_decision(MINUTE), await other.claim_decision(MINUTE)] == [True, False]
    clock.advance(MINUTE)
    assert [await other.claim_decision(MINUTE), await notices.claim_decision(MINUTE)] == [True, False]
    clock.set_by(-timedelta(days=400))  # the clock was ahead
    assert await notices.claim_decision(MINUTE)


async def test_notices_are_recorded_changed_and_forgotten(notices: Notices, clock: ManualClock) -> None:
    await notices.record([NOTICE], forgotten=(), telling=())
    over = Notice("x", "disk", "", "disk ", since=START, facts={}, told_at=START, over_at=clock.advance(MINUTE))
    await notices.record([over], forgotten=(), telling=())
    assert sorted(await notices.all(), key=lambda each: each.key) == [NOTICE, over]

    again = Notice("x", "disk", "", "disk ", since=clock.now(), facts={"free": 1}, told_at=clock.now())
    await notices.record([again], forgotten={NOTICE.key}, telling=())
    assert await notices.all() == [again]


async def test_what_is_due_is_claimed_together_and_once(
    notices: Notices, other: Notices, telling: Callable[..., Delivery]
) -> None:
    due = [telling("a"), telling("b")]
    await notices.record([], forgotten=(), telling=[*due, telling("c", wait=MINUTE)])

    claimed = await notices.claim("abc", lease=LEASE)

    assert claimed is not None
    assert (claimed.deliveries, claimed.tries, claimed.created_at) == (due, 0, START)
    assert await other.claim("abc", lease=LEASE) is None
    assert await other.claim("another", lease=LEASE) is None


async def test_what_a_killed_process_claimed_is_claimed_again(
    notices: Notices, other: Notices, clock: ManualClock, telling: Callable[..., Delivery]
) -> None:
    await notices.record([], forgotten=(), telling=[telling()])
    assert await notices.claim("abc", lease=LEASE)
    clock.advance(LEASE)
    assert await other.claim("abc", lease=LEASE)


async def test_what_is_delivered_is_dropped_but_not_what_came_meanwhile(
    notices: Notices, telling: Callable[..., Delivery]
) -> None:
    await notices.record([], forgotten=(), telling=[telling("a"), telling("b")])
    claimed = await notices.claim("abc", lease=LEASE)
    assert claimed is not None
    await notices.record([], forgotten=(), telling=[telling("a", "over")])  # while it is being sent

    await notices.delivered(claimed)

    left = await notices.claim("abc", lease=LEASE)
    assert left is not None
    assert left.deliveries == [telling("a", "over")]


async def test_a_later_phase_takes_the_place_of_one_that_waits(
    notices: Notices, telling: Callable[..., Delivery]
) -> None:
    await notices.record([], forgotten=(), telling=[telling(wait=MINUTE)])
    await notices.record([], forgotten=(), telling=[telling(phase="over")])

    claimed = await notices.claim("abc", lease=LEASE)

    assert claimed is not None
    assert [each.phase for each in claimed.deliveries] == ["over"]


async def test_a_failed_delivery_is_shown_retried_and_given_up(
    notices: Notices, clock: ManualClock, telling: Callable[..., Delivery]
) -> None:
    await notices.record([], forgotten=(), telling=[telling()])
    claimed = await notices.claim("abc", lease=LEASE)
    assert claimed is not None
    assert await notices.failing() == []

    await notices.failed(claimed, "it answers 500", retry_at=clock.now() + MINUTE)
    [failing] = await notices.failing()
    assert (failing.name, failing.error, failing.waiting) == ("notify[1] (json)", "it answers 500", 1)
    assert (failing.since, failing.next_at) == (START, START + MINUTE)
    assert await notices.claim("abc", lease=LEASE) is None

    clock.advance(MINUTE)
    again = await notices.claim("abc", lease=LEASE)
    assert again is not None
    assert again.tries == 1
    await notices.failed(again, "it answers 500", retry_at=None)
    clock.advance(timedelta(days=1))
    assert await notices.claim("abc", lease=LEASE) is None
    assert [each.next_at for each in await notices.failing()] == [None]

    clock.advance(timedelta(days=8))
    await notices.record([], forgotten=(), telling=())
    assert await notices.failing() == []
