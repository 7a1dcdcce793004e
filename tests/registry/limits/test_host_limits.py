"""Slots and holds of a host; the token cache."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from ferryman.errors import RateLimited, Unreachable
from ferryman.registry.auth.tokens import Grant, Tokens
from ferryman.registry.limits.host_limits import HostLimits, PresentLimits
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def limits(clock: ManualClock) -> HostLimits:
    return HostLimits(clock=clock)


async def test_a_short_hold_is_waited_for(limits: HostLimits, clock: ManualClock) -> None:
    limits.hold("quay.io", clock.now() + timedelta(seconds=7))
    async with limits.request("quay.io", 2), limits.request("gcr.io", 2):
        assert clock.slept == [7]
    assert limits.held_until("quay.io") is None


async def test_a_long_hold_is_an_error(limits: HostLimits, clock: ManualClock) -> None:
    until = clock.now() + timedelta(seconds=61)
    limits.hold("quay.io", until)
    for permit in (limits.request("quay.io", 2), limits.copy({"quay.io": 2})):
        with pytest.raises(RateLimited, match=r"quay\.io: rate limited until 2026-05-01 12:01:01 UTC") as raised:
            await permit.__aenter__()
        assert (raised.value.retry_at, raised.value.registry) == (until, "quay.io")


async def test_a_hold_is_never_shortened(limits: HostLimits, clock: ManualClock) -> None:
    until = clock.now() + timedelta(seconds=20)
    limits.hold("quay.io", until)
    limits.hold("quay.io", clock.now() + timedelta(seconds=1))
    assert limits.held_until("quay.io") == until


async def test_the_present_limits_follow_the_answers_of_each_host(limits: HostLimits, clock: ManualClock) -> None:
    assert limits.present() == []
    async with limits.request("quay.io", 8) as permit:
        permit.observe(429, {})
    async with limits.copy({"docker.io": 4}), limits.request("docker.io", 4) as permit:
        permit.observe(200, {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"})
    quota = limits.quota("docker.io")
    assert quota is not None
    assert limits.present() == [
        PresentLimits("docker.io", requests=4, copies=4, quota=quota),
        PresentLimits("quay.io", requests=4, copies=None, quota=None),
    ]


async def test_no_more_requests_at_once_than_slots(limits: HostLimits) -> None:
    inside, most = 0, 0

    async def ask() -> None:
        nonlocal inside, most
        async with limits.request("quay.io", 3):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(ask() for _ in range(20)))
    assert most == 3


async def test_a_copy_may_make_requests(limits: HostLimits) -> None:
    async with limits.copy({"quay.io": 1}), limits.request("quay.io", 1):
        pass


async def test_copies_in_both_directions_do_not_deadlock(limits: HostLimits) -> None:
    async def copy(*hosts: str) -> None:
        async with limits.copy(dict.fromkeys(hosts, 1)):
            await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await asyncio.gather(
            *(copy("a", "b") if number % 2 else copy("b", "a") for number in range(50)), copy("a", "a")
        )


async def test_a_cancelled_wait_releases_its_slot(limits: HostLimits) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limits.copy({"b": 1}))
        waiting = asyncio.create_task(limits.copy({"a": 1, "b": 1}).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(30), limits.copy({"a": 1, "b": 1}):
        pass


class Server:
    """Gives tokens out, one number each, when it is let."""

    def __init__(self, *, lifetime: float = 60) -> None:
        self.given = 0
        self.open = asyncio.Event()
        self.open.set()
        self._lifetime = timedelta(seconds=lifetime)

    async def fetch(self) -> Grant:
        self.given += 1
        await self.open.wait()
        return Grant(f"t{self.given}", self._lifetime)


async def test_a_token_is_cached_until_shortly_before_its_expiry(clock: ManualClock) -> None:
    tokens, server = Tokens(clock=clock), Server()
    assert await tokens.get(("key",), server.fetch) == "t1"
    clock.advance(54)
    assert await tokens.get(("key",), server.fetch) == "t1"
    clock.advance(1)
    assert await tokens.get(("key",), server.fetch) == "t2"


async def test_a_refused_token_is_not_used_again(clock: ManualClock) -> None:
    tokens, server = Tokens(clock=clock), Server()
    assert await tokens.get(("key",), server.fetch) == "t1"
    assert await tokens.get(("key",), server.fetch, other_than="t1") == "t2"
    assert await tokens.get(("key",), server.fetch, other_than="t1") == "t2"  # somebody else renewed it


async def test_one_fetch_serves_all_even_if_its_first_caller_is_cancelled(clock: ManualClock) -> None:
    tokens, server = Tokens(clock=clock), Server()
    server.open.clear()
    first, *others = (asyncio.create_task(tokens.get(("key",), server.fetch)) for _ in range(8))
    await asyncio.sleep(0)
    first.cancel()
    server.open.set()
    assert await asyncio.gather(*others) == ["t1"] * 7
    assert first.cancelled() or first.cancelling()
    await tokens.aclose()


async def test_concurrent_callers_share_a_failure_and_the_next_one_retries(clock: ManualClock) -> None:
    tokens, fetches = Tokens(clock=clock), 0

    async def fail() -> Grant:
        nonlocal fetches
        fetches += 1
        await asyncio.sleep(0)
        raise Unreachable("no")

    outcomes = await asyncio.gather(*(tokens.get(("key",), fail) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 5
    assert fetches == 1
    assert await tokens.get(("key",), Server().fetch) == "t1"


async def test_closing_cancels_fetches(clock: ManualClock) -> None:
    tokens, server = Tokens(clock=clock), Server()
    server.open.clear()
    waiting = asyncio.create_task(tokens.get(("key",), server.fetch))
    await asyncio.sleep(0)
    await tokens.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# A clock that is set


@pytest.mark.parametrize("hours", [-400, -8, 8, 400])
async def test_setting_the_clock_does_not_change_a_hold(hours: int) -> None:
    clock = ManualClock()
    limits = HostLimits(clock=clock)
    limits.hold("quay.io", clock.now() + timedelta(seconds=30))
    clock.set_by(hours * 3600)
    assert limits.held_until("quay.io") == clock.now() + timedelta(seconds=30)
    clock.advance(30)
    assert limits.held_until("quay.io") is None


async def test_no_hold_lasts_longer_than_a_day() -> None:
    clock = ManualClock()
    limits = HostLimits(clock=clock)
    limits.hold("quay.io", clock.now() + timedelta(days=400))
    clock.advance(86400)
    assert limits.held_until("quay.io") is None
