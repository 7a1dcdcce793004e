"""What `ferryman sync` tells where no terminal is: a line a minute, so that a CI job's log shows that it goes on."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ferryman import log
from ferryman.store.records import Job, Outstanding
from ferryman.transports.base import Copied
from ferryman.views.progress import Tally

_OFTEN = 60.0  # seconds


class LogView:
    """An oneshot.View that logs `progress`. What becomes of each tag is logged where it happens."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tally = Tally()
        self._clock = clock
        self._told_at = clock()
        self._told_moved = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def looking(self, done: int, items: int) -> None:
        """So many of all items were looked at."""
        self._tally.looked, self._tally.items = done, items

    def queue(self, outstanding: Outstanding) -> None:
        """Tell how much is left; it is called several times a second."""
        self._tally.queue(outstanding)
        now, moved = self._clock(), self._tally.moved
        if now - self._told_at < _OFTEN:
            return
        outcomes = self._tally.outcomes
        log.get().info(
            "progress",
            looked=f"{self._tally.looked}/{self._tally.items}",
            synced=outcomes["synced"],
            failed=outcomes["failed"],
            skipped=outcomes["skipped"],
            running=len(self._tally.running),
            queued=outstanding.due,
            waiting=outstanding.waiting,
            held=outstanding.held,
            moved=moved,
            rate=round(max(moved - self._told_moved, 0) / (now - self._told_at)),
        )
        self._told_at, self._told_moved = now, moved

    def started(self, job: Job) -> None:
        """A worker has taken the job."""
        self._tally.started(job)

    def progressed(self, job: Job, part: str, done: int, total: int | None) -> None:
        """Count its bytes."""
        self._tally.progressed(job, part, done, total)

    def ended(self, job: Job, outcome: str, copied: Copied | None) -> None:
        """Count the outcome."""
        self._tally.ended(job, outcome, copied)
