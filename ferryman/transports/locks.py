"""Order among this process's copies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager


class KeyedLocks:
    """A lock a key, made when it is first wanted and dropped when nobody wants it any more."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()

    @asynccontextmanager
    async def holding(self, key: str) -> AsyncIterator[None]:
        """Wait until nobody else holds `key`."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._wanted[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._wanted[key] -= 1
            if not self._wanted[key]:
                del self._wanted[key], self._locks[key]


async def see_through(work: Awaitable[None], *, seconds: float) -> None:
    """Let `work` end although the caller is cancelled. Raises TimeoutError after `seconds`, and what `work` raises."""
    task = asyncio.ensure_future(asyncio.wait_for(work, seconds))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
