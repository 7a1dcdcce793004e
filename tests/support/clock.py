"""Clocks that a test controls."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

from ferryman.clock import Clock

_TURNS = 20  # iterations of the event loop: after them, every task that runs has reached its next sleep
_ROUNDING = 1e-6  # seconds: tolerance for the rounding errors of many additions


class ManualClock:
    """Does not advance by itself; a sleep advances it at once."""

    def __init__(self, now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds

    def set_by(self, seconds: float) -> None:
        """Somebody sets the clock forward, or back: no time passes."""
        self._now += timedelta(seconds=seconds)


class Unwaiting:
    """Shows another clock's time; sleeping on it is not supported."""

    def __init__(self, other: Clock) -> None:
        self.now = other.now
        self.monotonic = other.monotonic

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class PatientClock:
    """Does not advance until the test advances it; sleepers wake then."""

    def __init__(self, now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._seconds = 0.0
        self._sleepers: dict[asyncio.Event, float] = {}
        self._somebody_sleeps = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        alarm = asyncio.Event()
        self._sleepers[alarm] = self._seconds + seconds
        self._somebody_sleeps.set()
        try:
            await alarm.wait()
        finally:
            self._sleepers.pop(alarm, None)

    async def asleep(self) -> None:
        """Wait until a task sleeps on this clock."""
        while not self._sleepers:
            self._somebody_sleeps.clear()
            await self._somebody_sleeps.wait()

    def advance(self, seconds: float) -> datetime:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds
        for alarm in [alarm for alarm, due in self._sleepers.items() if due <= self._seconds + _ROUNDING]:
            del self._sleepers[alarm]
            alarm.set()
        return self._now

    def set_by(self, seconds: float) -> None:
        """Set the wall clock forward or back: no time passes, and nobody wakes."""
        self._now += timedelta(seconds=seconds)

    async def run(self, *work: Awaitable[object]) -> None:
        """Run everything to its end: whenever all tasks sleep, advance to the first wake-up."""
        tasks = [asyncio.ensure_future(each) for each in work]
        while not all(task.done() for task in tasks):
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if self._sleepers:
                self.advance(max(0.0, min(self._sleepers.values()) - self._seconds))
        await asyncio.gather(*tasks)
