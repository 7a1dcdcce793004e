"""A clock that a test owns."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still; whoever sleeps moves it on at once."""

    def __init__(self, now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
