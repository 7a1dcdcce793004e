"""What `ferryman sync` tells where no terminal is: a line a minute, so that a CI job's log shows that it goes on."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ferryman import log
from ferryman.events import Event
from ferryman.store.records import Outstanding
from ferryman.views.progress import Tally

_OFTEN = 60.0  # seconds


class LogView:
    """An oneshot.View that logs `progress`. What becomes of each tag is in the log already."""

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

    def observe(self, event: Event) -> None:
        """Add it up."""
        self._tally.observe(event)

    def queue(self, outstanding: Outstanding) -> None:
        """Tell how much is left; it is called several times a second."""
        self._tally.queue(outstanding)
        now, moved = self._clock(), self._tally.moved
        if now - self._told_at < _OFTEN:
            return
        outcomes = self._tally.outcomes
        log.get().info(
            "sync_progress",
            message="progress",
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
