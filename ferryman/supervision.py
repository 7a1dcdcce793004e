"""Supervision of endless background tasks: an error is logged and the task restarted with backoff, up to a limit."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import WorkStopped
from ferryman.tasks import cancel_and_wait

_MOST_RESTARTS = 5  # within _WINDOW; after more the error is taken for permanent
_WINDOW = 600.0  # seconds
_FIRST_PAUSE = 1.0  # seconds of backoff before a restart; doubles with each restart within the window


async def keep_running(name: str, work: Callable[[], Coroutine[Any, Any, object]], *, clock: Clock) -> None:
    """Run `work`, and restart it after every error, until it returns.

    Raises WorkStopped after too many errors. A cancellation cancels the work and waits for its end.
    """
    failures: deque[float] = deque()  # on the monotonic clock
    while True:
        error = await _outcome(name, work())
        if error is None:
            return
        now = clock.monotonic()
        failures.append(now)
        while now - failures[0] > _WINDOW:
            failures.popleft()
        if len(failures) > _MOST_RESTARTS:
            raise WorkStopped(f"{name} was ended {len(failures)} times within {_WINDOW / 60:.0f} minutes, see the log")
        pause = _FIRST_PAUSE * 2 ** (len(failures) - 1)
        log.get().error(
            "background_task_restarted",
            message="a background task ended; it is started again",
            work=name,
            seconds=pause,
            exc_info=error,
        )
        await clock.sleep(pause)


async def _outcome(name: str, work: Coroutine[Any, Any, object]) -> BaseException | None:
    """The error that ended the work; None: it returned. A cancellation from inside it counts as an error."""
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.wait([task])
    finally:
        await cancel_and_wait([task])
    return asyncio.CancelledError("cancelled from inside") if task.cancelled() else task.exception()
