"""Tokens that are still good, and one flight at a time for each that is not."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta

from ferryman.clock import Clock

Key = tuple[Hashable, ...]  # the registry's name, and all else that a token is for

_EARLY = 5.0  # seconds; a token is not used in its last moments


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token server gave."""

    token: str = field(repr=False)
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class _Cached:
    token: str = field(repr=False)
    # By the monotonic clock: setting the machine's makes no token last longer.
    half_gone_at: float
    ends_at: float


class Tokens:
    """A cache that fetches. Whoever comes during a flight shares its outcome, an error too."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._cached: dict[Key, _Cached] = {}
        self._flights: dict[Key, asyncio.Task[str]] = {}

    async def get(
        self,
        key: Key,
        fetch: Callable[[], Awaitable[Grant]],
        *,
        other_than: str | None = None,
        lasting: bool = False,
    ) -> str:
        """A good token for `key`. `other_than` was just refused: it is not given out again without asking.

        `lasting`: it is for a long request, so half of its life must be ahead of it.
        """
        cached = self._cached.get(key)
        if cached is not None and cached.token != other_than:
            good_until = cached.half_gone_at if lasting else cached.ends_at
            if self._clock.monotonic() < good_until:
                return cached.token
        flight = self._flights.get(key)
        if flight is None:
            # A task of its own: who started it may be cancelled while others wait for it.
            flight = self._flights[key] = asyncio.create_task(self._fly(key, fetch))
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def forget(self, registry: str) -> None:
        """Fetch the registry's tokens (those whose key begins with its name) anew when they are asked for."""
        self._cached = {key: entry for key, entry in self._cached.items() if key[0] != registry}

    async def _fly(self, key: Key, fetch: Callable[[], Awaitable[Grant]]) -> str:
        grant = await fetch()
        now = self._clock.monotonic()
        self._cached = {known: entry for known, entry in self._cached.items() if now < entry.ends_at}
        lifetime = grant.lifetime.total_seconds()
        early = min(_EARLY, lifetime / 2)
        self._cached[key] = _Cached(grant.token, now + lifetime / 2, now + lifetime - early)
        return grant.token

    def _landed(self, key: Key, flight: asyncio.Task[str]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # looked at, even if everybody who waited has gone

    async def aclose(self) -> None:
        """Give up the flights."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
