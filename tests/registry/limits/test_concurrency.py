"""Adaptive concurrency: slots at a host, halved by 429 and 503."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ferryman.errors import RateLimited
from ferryman.registry.limits.concurrency import ConcurrencyLimit, ConcurrencySlot
from ferryman.registry.limits.host_limits import HostLimits
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.registry.test_client import FOUND, PATH, reference
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, says


async def one(slots: ConcurrencyLimit, *, refused: bool) -> None:
    """One request, alone."""
    async with slots.acquire() as slot:
        slot.throttled() if refused else slot.succeeded()


async def test_throttling_halves_the_limit_and_a_round_of_successes_adds_one() -> None:
    slots = ConcurrencyLimit(8)
    limits = [slots.limit]
    for refused in (True, True, True, True):
        await one(slots, refused=refused)
        limits.append(slots.limit)
    assert limits == [8, 4, 2, 1, 1]
    for size, steps in [(1, 1), (2, 3), (3, 4), (4, 5)]:  # about as many steps as there are slots
        assert slots.limit == size
        for _ in range(steps):
            await one(slots, refused=False)
    assert slots.limit == 5
    for _ in range(100):
        await one(slots, refused=False)
    assert slots.limit == 8


async def test_one_round_halves_the_limit_once() -> None:
    slots = ConcurrencyLimit(8)
    async with AsyncExitStack() as stack:
        sent = [await stack.enter_async_context(slots.acquire()) for _ in range(8)]
        for slot in sent:
            slot.throttled()
        assert slots.limit == 4
    async with AsyncExitStack() as stack:
        sent = [await stack.enter_async_context(slots.acquire()) for _ in range(4)]
        for slot in sent:
            slot.throttled()
        assert slots.limit == 2


async def test_an_answer_from_before_the_last_decrease_does_not_count() -> None:
    slots = ConcurrencyLimit(2)
    async with slots.acquire() as early:
        await one(slots, refused=True)
        early.succeeded()
        assert slots.limit == 1


async def rounds(slots: ConcurrencyLimit, *, number: int, wanted: int, seconds: float = 0.05) -> None:
    """So many rounds of requests, of which `wanted` want to be sent at once; each takes `seconds`."""

    async def ask() -> None:
        async with slots.acquire() as slot:
            await asyncio.sleep(0)
            slot.took("HEAD", seconds)
            slot.succeeded()

    for _ in range(number):
        await asyncio.gather(*(ask() for _ in range(wanted)))


async def test_a_limit_that_is_used_grows_to_its_ceiling_while_latency_stays() -> None:
    slots = ConcurrencyLimit(64)
    assert slots.limit == 8
    await rounds(slots, number=1, wanted=16)
    assert 16 <= slots.limit <= 24
    await rounds(slots, number=4, wanted=100)
    assert slots.limit == 64
    assert ConcurrencyLimit(4).limit == 4  # of Docker Hub


async def test_a_limit_that_is_not_used_does_not_grow() -> None:
    slots = ConcurrencyLimit(64)
    await rounds(slots, number=100, wanted=3)
    assert slots.limit == 8


async def test_a_limit_does_not_grow_into_a_queue_and_shrinks_in_a_long_one() -> None:
    slots = ConcurrencyLimit(64)
    await rounds(slots, number=1, wanted=24)
    grown = slots.limit
    assert 16 < grown <= 32
    await rounds(slots, number=2, wanted=24, seconds=0.5)
    queued = slots.limit
    assert queued < 40  # the average follows within some answers
    await rounds(slots, number=20, wanted=100, seconds=2.0)
    assert 8 <= slots.limit <= 26 < queued
    await rounds(slots, number=1, wanted=1, seconds=0.05)
    await rounds(slots, number=4, wanted=100, seconds=0.05)
    assert slots.limit > queued


async def test_after_a_refusal_growth_is_slow() -> None:
    slots = ConcurrencyLimit(64)
    await rounds(slots, number=4, wanted=64)
    await one(slots, refused=True)
    assert slots.limit == 32
    await rounds(slots, number=1, wanted=64)
    assert 33 <= slots.limit <= 35


async def test_a_restart_forgets_what_was_learned_before_a_pause() -> None:
    slots = ConcurrencyLimit(64)
    await rounds(slots, number=4, wanted=64)
    slots.restart()
    assert slots.limit == 8
    few = ConcurrencyLimit(64)
    for _ in range(3):
        await one(few, refused=True)
    few.restart()
    assert few.limit == 1


async def test_slots_are_given_first_come_first_served() -> None:
    slots, order = ConcurrencyLimit(2), list[int]()
    ends = [asyncio.Event() for _ in range(6)]

    async def work(number: int) -> None:
        async with slots.acquire() as slot:
            order.append(number)
            await ends[number].wait()
            if number == 0:
                slot.throttled()

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(work(number))
        await turns()
        assert order == [0, 1]
        ends[0].set()  # the limit is 1 now, and 1 still has it
        await turns()
        assert order == [0, 1]
        for end in ends:
            end.set()
    assert order == [0, 1, 2, 3, 4, 5]


async def test_a_raised_limit_admits_waiting_callers() -> None:
    slots, inside = ConcurrencyLimit(4), list[int]()
    for _ in range(2):
        await one(slots, refused=True)
    gate = asyncio.Event()

    async def work(number: int) -> None:
        async with slots.acquire():
            inside.append(number)
            await gate.wait()

    async with asyncio.TaskGroup() as group:
        async with slots.acquire() as slot:
            for number in range(4):
                group.create_task(work(number))
            await turns()
            assert inside == []
            slot.succeeded()
            group.create_task(work(4))
            await turns()
            assert inside == []  # not before those that came earlier
        await turns()
        assert inside == [0, 1]
        gate.set()


@pytest.mark.parametrize("late", [False, True], ids=["while it waits", "in the moment of its turn"])
async def test_a_cancelled_wait_takes_no_slot(late: bool) -> None:
    slots = ConcurrencyLimit(1)

    async def work() -> None:
        async with slots.acquire():
            pass

    async with slots.acquire():
        waiting = asyncio.create_task(work())
        await turns()
        if not late:
            waiting.cancel()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(30), slots.acquire():
        pass


@given(st.integers(1, 12), st.lists(st.sampled_from(["succeeded", "throttled", "cancel", "nothing"]), max_size=60))
def test_there_are_at_least_one_slot_and_at_most_the_ceiling(ceiling: int, script: list[str]) -> None:
    slots, inside, most = ConcurrencyLimit(ceiling), 0, 0

    async def work(act: str) -> None:
        nonlocal inside, most
        async with slots.acquire() as slot:
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
                if act in {"succeeded", "throttled"}:
                    getattr(ConcurrencySlot, act)(slot)
                assert 1 <= slots.limit <= ceiling
            finally:
                inside -= 1

    async def run() -> None:
        tasks = [asyncio.create_task(work(act)) for act in script]
        await asyncio.sleep(0)
        for task, act in zip(tasks, script, strict=True):
            if act == "cancel":
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if result and not isinstance(result, asyncio.CancelledError)] == []
        async with asyncio.timeout(30), AsyncExitStack() as stack:
            for _ in range(slots.limit):  # none was lost
                await stack.enter_async_context(slots.acquire())

    asyncio.run(run())
    assert most <= ceiling


# Copies, and requests


async def test_a_rate_limited_copy_halves_the_copies_at_that_host() -> None:
    limits = HostLimits(clock=ManualClock())
    hosts = {"quay.io": 2, "r.io": 2}
    with pytest.raises(RateLimited):
        async with limits.copy(hosts):
            raise RateLimited("slow down", registry="quay.io")
    async with limits.copy({"r.io": 2}), limits.copy({"r.io": 2}), limits.copy({"quay.io": 2}):
        waiting = asyncio.create_task(limits.copy({"quay.io": 2}).__aenter__())
        await turns()
        assert not waiting.done()
    await waiting


async def test_a_transfer_holds_a_slot_for_its_requests() -> None:
    limits = HostLimits(clock=ManualClock())
    async with (
        asyncio.timeout(30),
        limits.transfer({"a": 1, "b": 1}),
        limits.request("a", 1, holds_slot=True),
        limits.request("b", 1, holds_slot=True),
    ):
        other = asyncio.create_task(limits.request("a", 1).__aenter__())
        await turns()
        assert not other.done()
    await other


@pytest.mark.parametrize("status", [429, 503])
async def test_429_and_503_halve_the_concurrency(
    faulty: Faulty, connect: Connect, clock: ManualClock, status: int
) -> None:
    server = Server()
    faulty.on(f"HEAD {PATH}", server)
    client = connect(hosts={faulty.host: RegistryOptions(concurrency=16)})

    async def ask() -> int:
        """How many there are at once of 16 that want to."""
        server.most = 0
        await asyncio.gather(*(client.head_manifest(reference(faulty)) for _ in range(16)), return_exceptions=True)
        return server.most

    for _ in range(3):
        await ask()  # it begins with eight
    server.refusal = status
    assert 8 < await ask() <= 16
    server.refusal = None
    clock.advance(10)
    assert 1 <= await ask() <= 8
    for _ in range(20):
        await ask()
    assert 8 < await ask() <= 16


async def test_all_requests_wait_for_retry_after(faulty: Faulty, connect: Connect, clock: ManualClock) -> None:
    faulty.on(f"HEAD {PATH}", says(429, Retry_After="7"), FOUND)
    client = connect(hosts={faulty.host: RegistryOptions(concurrency=1)})
    await asyncio.gather(*(client.head_manifest(reference(faulty)) for _ in range(3)))
    assert sum(clock.slept) >= 7
    assert len(faulty.asked) == 4


async def test_requests_a_second_are_limited(faulty: Faulty, connect: Connect, clock: ManualClock) -> None:
    faulty.on(f"HEAD {PATH}", FOUND)
    client = connect(hosts={faulty.host: RegistryOptions(requests_per_second=2)})
    began = clock.now()
    for _ in range(5):
        await client.head_manifest(reference(faulty))
    assert timedelta(seconds=1.9) < clock.now() - began < timedelta(seconds=2.1)


class Server:
    """A server that counts concurrent requests, and may answer all of them with a status."""

    def __init__(self) -> None:
        self.most = self._running = 0
        self.refusal: int | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self._running += 1
        self.most = max(self.most, self._running)
        await asyncio.sleep(0.01)
        self._running -= 1
        if self.refusal is not None:
            return web.Response(status=self.refusal, headers={"Retry-After": "1"})
        return await FOUND(request)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
