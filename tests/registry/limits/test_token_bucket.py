"""Token bucket: never more than the rate in any period, and not much less."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from ferryman.bandwidth import Bandwidth
from ferryman.reference import Repository
from ferryman.registry.limits.bandwidth import BandwidthLimiter
from ferryman.registry.limits.host_limits import HostLimits
from ferryman.registry.limits.token_bucket import BURST, TokenBucket
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.registry.test_real_registry import StartRegistry
from tests.support.clock import ManualClock, PatientClock

ROUNDING = 0.002  # seconds: nobody sleeps less than one thousandth
START = datetime(2026, 5, 1, 12, tzinfo=UTC)

rates = st.integers(10_000, 50_000_000)
pieces = st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 1_000_000)), min_size=1, max_size=40)


class Line:
    """Where pieces arrive, and when."""

    def __init__(self, clock: ManualClock | PatientClock) -> None:
        self._clock = clock
        self.arrived: list[tuple[float, int]] = []  # seconds from the start, size

    def arrive(self, size: int) -> None:
        self.arrived.append(((self._clock.now() - START).total_seconds(), size))

    def most_over(self, rate: float) -> float:
        """By how much the busiest stretch of time was more than the rate."""
        sums = [0, *accumulate(size for _, size in self.arrived)]
        return max(
            sums[last + 1] - sums[first] - rate * (self.arrived[last][0] - self.arrived[first][0])
            for first in range(len(self.arrived))
            for last in range(first, len(self.arrived))
        )

    def bucket(self, rate: float) -> float:
        return max(rate * BURST, *(size for _, size in self.arrived)) + rate * ROUNDING + 1


@given(rates, pieces)
def test_no_period_gets_more_than_the_rate_and_one_bucket(rate: int, asked: list[tuple[int, int]]) -> None:
    clock = ManualClock(START)
    bucket, line = TokenBucket(lambda _: rate, clock=clock), Line(clock)

    async def send() -> None:
        for pause, size in asked:
            clock.advance(pause / 1000)
            await bucket.acquire(size)
            line.arrive(size)

    asyncio.run(send())
    assert line.most_over(rate) <= line.bucket(rate)


@given(rates, st.lists(pieces, min_size=2, max_size=5))
def test_no_period_gets_more_with_concurrent_callers(rate: int, streams: list[list[tuple[int, int]]]) -> None:
    clock = PatientClock(START)
    bucket, line = TokenBucket(lambda _: rate, clock=clock), Line(clock)

    async def send(asked: Sequence[tuple[int, int]]) -> None:
        for pause, size in asked:
            await clock.sleep(pause / 1000)
            await bucket.acquire(size)
            line.arrive(size)

    asyncio.run(clock.run(*(send(asked[:8]) for asked in streams)))
    assert line.most_over(rate) <= line.bucket(rate)


@given(rates, st.lists(st.integers(1, 1_000_000), min_size=1, max_size=40))
def test_a_busy_caller_gets_the_full_rate(rate: int, sizes: list[int]) -> None:
    clock = ManualClock(START)
    bucket = TokenBucket(lambda _: rate, clock=clock)

    async def send() -> None:
        for size in sizes:
            await bucket.acquire(size)

    asyncio.run(send())
    assert (clock.now() - START).total_seconds() <= sum(sizes) / rate + ROUNDING * len(sizes)


@given(rates, rates, st.integers(0, 3_000), st.lists(st.integers(1, 200_000), min_size=1, max_size=40))
def test_a_changed_rate_applies_from_then_on(before: int, after: int, changes: int, sizes: list[int]) -> None:
    clock = ManualClock(START)
    change = changes / 1000

    def rate(moment: datetime) -> float:
        return before if (moment - START).total_seconds() < change else after

    bucket, line = TokenBucket(rate, clock=clock), Line(clock)

    async def send() -> None:
        for size in sizes:
            await bucket.acquire(size)
            line.arrive(size)

    asyncio.run(send())
    late = Line(clock)
    late.arrived = [(moment, size) for moment, size in line.arrived if moment >= change]
    assert line.most_over(max(before, after)) <= line.bucket(max(before, after))
    if late.arrived:  # what waited over the change goes by the new rate
        assert late.most_over(after) <= late.bucket(max(before, after))


async def test_callers_stop_waiting_within_a_second_after_the_limit_ends() -> None:
    clock = ManualClock(START)
    ends = START + timedelta(minutes=1)
    bucket = TokenBucket(lambda moment: 1 if moment < ends else None, clock=clock)
    await bucket.acquire(1_000_000)
    assert clock.now() - ends <= timedelta(seconds=1)
    await bucket.acquire(1_000_000)
    assert clock.now() - ends <= timedelta(seconds=1)


async def test_setting_the_clock_back_changes_nothing() -> None:
    clock = ManualClock(START)
    bucket = TokenBucket(lambda _: 1000, clock=clock)
    await bucket.acquire(100)
    clock.advance(-3600)
    await bucket.acquire(100)
    assert 0.1 - ROUNDING <= sum(clock.slept) <= 0.1 + ROUNDING


async def test_a_cancelled_caller_delays_others_by_its_own_units_at_most() -> None:
    clock = PatientClock(START)
    bucket, line = TokenBucket(lambda _: 1000, clock=clock), Line(clock)

    async def send(size: int) -> None:
        await bucket.acquire(size)
        line.arrive(size)

    await send(100)
    leaving, staying = asyncio.create_task(send(500)), asyncio.create_task(send(300))
    await clock.asleep()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await clock.run(staying)
    assert [size for _, size in line.arrived] == [100, 300]
    assert line.arrived[-1][0] <= 0.8 + ROUNDING


# Bandwidth: of each registry, and of all


async def seconds_for(limits: HostLimits, clock: ManualClock, *sent: tuple[str, bool]) -> float:
    """How long 10 pieces of 100 kB take, to or from each of these."""
    before = clock.now()
    for _ in range(10):
        for registry, up in sent:
            await limits.throttle(registry, 100_000, up=up)
    return (clock.now() - before).total_seconds()


async def test_bandwidth_of_each_registry_and_of_all_together() -> None:
    clock = ManualClock(START)
    limits = HostLimits(clock=clock)
    limits.set_bandwidth(total=Bandwidth(2_000_000), each={"quay.io": Bandwidth(1_000_000)})
    assert 0.85 < await seconds_for(limits, clock, ("quay.io", False)) < 0.95
    clock.advance(60)
    assert 0.35 < await seconds_for(limits, clock, ("gcr.io", False)) < 0.45
    clock.advance(60)
    assert 0.85 < await seconds_for(limits, clock, ("quay.io", False), ("gcr.io", False)) < 0.95


async def test_upload_and_download_are_limited_separately() -> None:
    clock = ManualClock(START)
    limits = HostLimits(clock=clock)
    limits.set_bandwidth(total=Bandwidth(1_000_000), each={})
    assert 0.85 < await seconds_for(limits, clock, ("quay.io", False), ("r.io", True)) < 0.95


async def test_without_a_limit_nothing_waits() -> None:
    limits = HostLimits(clock=ManualClock(START))
    limits.set_bandwidth(total=Bandwidth(), each={"quay.io": Bandwidth(), "gcr.io": Bandwidth(1)})
    with_nothing_to_wait_for = limits.throttle("quay.io", 10**12)
    try:
        with_nothing_to_wait_for.send(None)
    except StopIteration as ended:
        assert ended.value is None  # noqa: PT017  (it came to its end without giving the loop a turn)
    else:
        raise AssertionError


async def test_a_reloaded_limit_applies_to_waiting_callers() -> None:
    clock = PatientClock(START)
    shaper = BandwidthLimiter(clock=clock)
    shaper.configure(total=Bandwidth(), each={"quay.io": Bandwidth(1)})
    waiting = asyncio.create_task(shaper.throttle("quay.io", 1_000_000, up=False))
    await clock.asleep()
    shaper.configure(total=Bandwidth(), each={})
    await clock.run(waiting)
    assert clock.now() - START <= timedelta(seconds=1)


async def test_bandwidth_limits_transfers_with_a_real_registry(
    start_registry: StartRegistry, connect: Connect, clock: ManualClock
) -> None:
    server = start_registry()
    blob = os.urandom(300_000)
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    client = connect(hosts={server.host: RegistryOptions(bandwidth=Bandwidth(100_000))})
    for move in (
        client.upload_blob(Repository(server.host, "team/app"), digest, blob),
        client.get_blob(Repository(server.host, "team/app"), digest),
    ):
        began = clock.now()
        await move
        assert 2.8 <= (clock.now() - began).total_seconds() <= 3.2


# Requests


async def test_requests_are_evenly_spaced() -> None:
    clock = ManualClock(START)
    limits, line = HostLimits(clock=clock), Line(clock)
    for _ in range(9):
        async with limits.request("quay.io", 4, 2):
            line.arrive(1)
    assert line.most_over(2) <= 1 + 2 * ROUNDING
    assert 3.9 < line.arrived[-1][0] < 4.1
