"""The progress of `ferryman sync` without a terminal: a log line a minute, for the logs of CI jobs."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ferryman import log
from ferryman.events import Event
from ferryman.store.records import Outstanding
from ferryman.views.progress import SyncProgress

_INTERVAL = 60.0  # seconds between two lines


class LogView:
    """An oneshot.View that logs `progress`. The result of each tag is logged elsewhere (event_log.py)."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = SyncProgress()
        self._clock = clock
        self._logged_at = clock()
        self._logged_moved = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def observe(self, event: Event) -> None:
        """Update the totals."""
        self._progress.observe(event)

    def queue(self, outstanding: Outstanding) -> None:
        """Update the remaining work, and log a line if the interval is over."""
        self._progress.queue(outstanding)
        now, moved = self._clock(), self._progress.moved
        if now - self._logged_at < _INTERVAL:
            return
        outcomes = self._progress.outcomes
        log.get().info(
            "sync_progress",
            message="progress",
            looked=f"{self._progress.looked}/{self._progress.items}",
            synced=outcomes["synced"],
            failed=outcomes["failed"],
            skipped=outcomes["skipped"],
            running=len(self._progress.running),
            queued=outstanding.due,
            waiting=outstanding.waiting,
            held=outstanding.held,
            paused=outstanding.paused,
            moved=moved,
            rate=round(max(moved - self._logged_moved, 0) / (now - self._logged_at)),
        )
        self._logged_at, self._logged_moved = now, moved
