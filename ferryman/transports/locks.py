"""Order among copies: this process's, and this machine's."""

import asyncio
import errno
import hashlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

_LOOK_AGAIN = 0.05  # seconds between two looks whether another process has let go


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


@asynccontextmanager
async def holding_on_machine(engine_id: str, reference: str) -> AsyncIterator[None]:
    """Wait until nobody else here holds `reference` in the engine."""
    while True:
        with held_on_machine(engine_id, reference) as held:
            if held:
                yield
                return
        await asyncio.sleep(_LOOK_AGAIN)


@contextmanager
def held_on_machine(engine_id: str, reference: str) -> Iterator[bool]:
    """Hold `reference` in the engine; False: somebody on this machine, or in this process, does.

    The kernel takes it from a process that dies. The lock is an abstract socket's name: it needs no file, but
    containers with networks of their own do not see it.
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
