"""How hard each host may be asked: places, holds, and what it says of its quota.

Everything is kept by name, so that all users of a host share it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.clock import Clock
from ferryman.errors import RateLimited

PATIENCE = timedelta(seconds=60)  # how long a request waits for a hold to end before it gives up
_QUOTA = re.compile(r"\s*([0-9]{1,18})\s*(?:;\s*w\s*=\s*([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Quota:
    """A registry's pull limit, as its last answer told it."""

    limit: int
    remaining: int
    window: timedelta | None


class Limits:
    """Places and holds of every host."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._holds: dict[str, datetime] = {}
        self._quotas: dict[str, Quota] = {}
        # Copies and requests have places of their own: a copy that holds one makes requests to the same host.
        self._requests: dict[tuple[str, int], asyncio.Semaphore] = {}
        self._copies: dict[tuple[str, int], asyncio.Semaphore] = {}

    def hold(self, host: str, until: datetime) -> None:
        """Leave a host alone until then. A hold is never shortened."""
        self._holds[host] = max(until, self._holds.get(host, until))

    def held_until(self, host: str) -> datetime | None:
        until = self._holds.get(host)
        if until is not None and until <= self._clock.now():
            del self._holds[host]
            return None
        return until

    @asynccontextmanager
    async def request(self, host: str, places: int) -> AsyncIterator[None]:
        """One of the host's places for a request. Raises RateLimited for a hold that lasts too long."""
        async with self._requests.setdefault((host, places), asyncio.Semaphore(places)):
            await self._wait(host)
            yield

    @asynccontextmanager
    async def copy(self, hosts: Mapping[str, int]) -> AsyncIterator[None]:
        """One of the places for a copy at each of the hosts (name: places)."""
        async with AsyncExitStack() as taken:
            # Always in one order: a copy from A to B and one from B to A must not wait for each other.
            for host, places in sorted(hosts.items()):
                await taken.enter_async_context(self._copies.setdefault((host, places), asyncio.Semaphore(places)))
            for host in hosts:
                await self._wait(host)
            yield

    async def _wait(self, host: str) -> None:
        while (until := self.held_until(host)) is not None:
            left = until - self._clock.now()
            if left > PATIENCE:
                message = f"{host}: asked to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
                raise RateLimited(message, registry=host, retry_at=until)
            await self._clock.sleep(left.total_seconds())

    def read(self, host: str, headers: Mapping[str, str]) -> None:
        """Note what an answer says of the quota: `ratelimit-limit: 100;w=21600`."""
        limit = _QUOTA.match(headers.get("ratelimit-limit", ""))
        remaining = _QUOTA.match(headers.get("ratelimit-remaining", ""))
        if limit and remaining:
            window = timedelta(seconds=int(limit[2])) if limit[2] else None
            self._quotas[host] = Quota(int(limit[1]), int(remaining[1]), window)

    def quota(self, host: str) -> Quota | None:
        return self._quotas.get(host)
