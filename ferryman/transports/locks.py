"""Locks between copies, in this process and on this machine, and cleanup that survives a cancellation."""

import asyncio
import errno
import hashlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

_POLL_SECONDS = 0.05  # between two attempts to get a lock that another process holds


class KeyedLocks:
    """One lock per key, created on first use and dropped with its last user."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def holding(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of `key`; wait until it is free."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]


@asynccontextmanager
async def machine_lock(engine_id: str, reference: str) -> AsyncIterator[None]:
    """Hold the machine-wide lock of `reference` in the engine; wait until it is free."""
    while True:
        with try_machine_lock(engine_id, reference) as held:
            if held:
                yield
                return
        await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def try_machine_lock(engine_id: str, reference: str) -> Iterator[bool]:
    """Try to take the machine-wide lock of `reference` in the engine. False: another process, or this one, holds it.

    The kernel releases it when the process dies. The lock is the name of an abstract Unix socket: it needs no file,
    but containers with separate network namespaces do not see it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        try:
            lock.bind(f"\0ferryman-{hashlib.sha256(f'{engine_id} {reference}'.encode()).hexdigest()}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            held = False
        else:
            held = True
        yield held


async def shielded_with_grace(work: Coroutine[Any, Any, None], *, grace_seconds: float) -> bool:
    """Run `work` to its end even if the caller is cancelled: then it has `grace_seconds`, else unlimited time.

    False: it did not end in time, and was cancelled. Raises what `work` raises.
    """
    task = asyncio.ensure_future(work)
    caller = asyncio.current_task()
    if caller is None or not caller.cancelling():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=grace_seconds)
            task.cancel()
            raise
        return True
    ended, _ = await asyncio.wait({task}, timeout=grace_seconds)
    if not ended:
        task.cancel()
        return False
    await task
    return True
