"""The clock: the only source of time, injected everywhere so that tests can control it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time, as all other modules see it."""

    def now(self) -> datetime:
        """The current time, aware, in UTC. It jumps when the system clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment. It never jumps; another process cannot compare it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; can be cancelled."""
        ...


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
