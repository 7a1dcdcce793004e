"""Background work that has no end of its own: whatever ends it is logged, and it is started again, within bounds."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import WorkStopped
from ferryman.tasks import cancel_and_wait

_MOST_RESTARTS = 5  # within _WINDOW: then it does not pass by itself
_WINDOW = 600.0  # seconds
_FIRST_PAUSE = 1.0  # seconds before a restart; each one within the window doubles it


async def keep_running(name: str, work: Callable[[], Coroutine[Any, Any, object]], *, clock: Clock) -> None:
    """Run `work`, and again whenever an error ends it, until it returns.

    Raises WorkStopped when it has been ended too often. Cancelling ends the work first.
    """
    ends: deque[float] = deque()  # on the monotonic clock
    while True:
        error = await _outcome(name, work())
        if error is None:
            return
        now = clock.monotonic()
        ends.append(now)
        while now - ends[0] > _WINDOW:
            ends.popleft()
        if len(ends) > _MOST_RESTARTS:
            raise WorkStopped(f"{name} was ended {len(ends)} times within {_WINDOW / 60:.0f} minutes, see the log")
        pause = _FIRST_PAUSE * 2 ** (len(ends) - 1)
        log.get().error("background work ended; it is started again", work=name, seconds=pause, exc_info=error)
        await clock.sleep(pause)


async def _outcome(name: str, work: Coroutine[Any, Any, object]) -> BaseException | None:
    """What ended it; None: it returned. A cancellation that nobody asked for is an error like others."""
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.wait([task])
    finally:
        await cancel_and_wait([task])
    return asyncio.CancelledError("nobody stopped it") if task.cancelled() else task.exception()
