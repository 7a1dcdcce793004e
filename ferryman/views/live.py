"""What `ferryman sync` shows on a terminal: a bar for each running tag, and the whole below them."""

from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.filesize import decimal
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ferryman.store.records import Job, Outstanding
from ferryman.transports.base import Copied

_FINAL = frozenset({"synced", "failed", "skipped"})


class LiveView:
    """A worker.Listener that draws. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._copies = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
        )
        self._whole = Progress(
            TextColumn("tags"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
        )
        self._tags = self._whole.add_task("looking at the sources", total=None)
        self._tasks: dict[str, TaskID] = {}  # by lease token
        self._parts: dict[str, dict[str, tuple[int, int]]] = {}  # by lease token: part -> done, total
        self._outcomes: Counter[str] = Counter()
        self._moved = 0
        self._live = Live(Group(self._copies, self._whole), console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def queue(self, outstanding: Outstanding) -> None:
        """Tell how much is left."""
        done = sum(self._outcomes[outcome] for outcome in _FINAL)
        left = outstanding.due + outstanding.waiting + outstanding.running
        told = [f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()) if outcome in _FINAL]
        told.append(f"{outstanding.due} queued")
        if outstanding.waiting:
            told.append(f"{outstanding.waiting} waiting")
        if outstanding.held:
            told.append(f"{outstanding.held} held")
        told.append(f"{decimal(self._moved)} moved")
        self._whole.update(self._tags, completed=done, total=done + left, description=", ".join(told))

    def started(self, job: Job) -> None:
        """A bar of its own for the job."""
        self._tasks[job.token] = self._copies.add_task(f"{job.item}:{job.tag}", total=None)
        self._parts[job.token] = {}

    def progressed(self, job: Job, part: str, done: int, total: int | None) -> None:
        """Add up the parts: layers come in any order, and their totals one by one."""
        parts = self._parts.get(job.token)
        if parts is None:  # a last word of a copy that was stopped
            return
        parts[part] = (done, total or done)
        self._copies.update(
            self._tasks[job.token],
            completed=sum(done for done, _ in parts.values()),
            total=sum(total for _, total in parts.values()),
        )

    def ended(self, job: Job, outcome: str, copied: Copied | None) -> None:
        """Take the bar away and count the outcome."""
        self._copies.remove_task(self._tasks.pop(job.token))
        del self._parts[job.token]
        self._outcomes[outcome] += 1
        if copied is not None:
            self._moved += copied.bytes_moved


class NoView:
    """Nobody watches: the log tells it line by line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def queue(self, outstanding: Outstanding) -> None: ...

    def started(self, job: Job) -> None: ...

    def progressed(self, job: Job, part: str, done: int, total: int | None) -> None: ...

    def ended(self, job: Job, outcome: str, copied: Copied | None) -> None: ...
