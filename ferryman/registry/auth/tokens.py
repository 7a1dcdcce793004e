"""Cache of tokens, with at most one concurrent fetch for each."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta

from ferryman.clock import Clock

Key = tuple[Hashable, ...]  # the registry's name, and everything else that a token depends on

_EARLY = 5.0  # seconds before its expiry after which a token is not used


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and its lifetime, from a token server."""

    token: str = field(repr=False)
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class _Cached:
    token: str = field(repr=False)
    # By the monotonic clock: setting the system clock does not extend a token.
    half_gone_at: float
    ends_at: float


class Tokens:
    """A cache that fetches missing tokens. Concurrent callers share one fetch and its result, also an error."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._cached: dict[Key, _Cached] = {}
        self._fetches: dict[Key, asyncio.Task[str]] = {}

    async def get(
        self,
        key: Key,
        fetch: Callable[[], Awaitable[Grant]],
        *,
        other_than: str | None = None,
        lasting: bool = False,
    ) -> str:
        """A valid token for `key`. `other_than`: a token that was just refused, and is not returned from the cache.

        `lasting`: for a long request; at least half of its lifetime must be left.
        """
        cached = self._cached.get(key)
        if cached is not None and cached.token != other_than:
            good_until = cached.half_gone_at if lasting else cached.ends_at
            if self._clock.monotonic() < good_until:
                return cached.token
        running = self._fetches.get(key)
        if running is None:
            # A separate task: its first caller may be cancelled while others wait for it.
            running = self._fetches[key] = asyncio.create_task(self._fetch(key, fetch))
            running.add_done_callback(lambda done: self._fetched(key, done))
        return await asyncio.shield(running)

    def forget(self, registry: str) -> None:
        """Drop the tokens of a registry (whose key starts with its name) from the cache."""
        self._cached = {key: entry for key, entry in self._cached.items() if key[0] != registry}

    async def _fetch(self, key: Key, fetch: Callable[[], Awaitable[Grant]]) -> str:
        grant = await fetch()
        now = self._clock.monotonic()
        self._cached = {known: entry for known, entry in self._cached.items() if now < entry.ends_at}
        lifetime = grant.lifetime.total_seconds()
        early = min(_EARLY, lifetime / 2)
        self._cached[key] = _Cached(grant.token, now + lifetime / 2, now + lifetime - early)
        return grant.token

    def _fetched(self, key: Key, running: asyncio.Task[str]) -> None:
        del self._fetches[key]
        if not running.cancelled():
            running.exception()  # mark it as retrieved, even if all callers are gone

    async def aclose(self) -> None:
        """Cancel running fetches."""
        fetches = list(self._fetches.values())
        for running in fetches:
            running.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
