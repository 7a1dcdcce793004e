"""Order among this process's copies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


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


async def see_through(work: Coroutine[Any, Any, None], *, seconds: float) -> bool:
    """Let `work` end although the caller is cancelled: then it has `seconds`, else all the time it needs.

    False: it did not end in time, and was stopped. Raises what `work` raises.
    """
    task = asyncio.ensure_future(work)
    caller = asyncio.current_task()
    if caller is None or not caller.cancelling():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=seconds)
            task.cancel()
            raise
        return True
    ended, _ = await asyncio.wait({task}, timeout=seconds)
    if not ended:
        task.cancel()
        return False
    await task
    return True
