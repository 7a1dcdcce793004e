"""What moves now in this process: every running job with its bytes, its rate and the time that is left; every look."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ferryman.events import (
    CycleEnded,
    Event,
    ItemLooked,
    JobEnded,
    JobInfo,
    JobProgressed,
    JobStarted,
    LookStarted,
)
from ferryman.views.progress import TagProgress, TransferRate, seconds_left


@dataclass(frozen=True, slots=True)
class RunningJob:
    """One running job, as the page shows it."""

    key: str  # of this attempt
    item: str
    target: str
    tag: str
    attempt: int
    doing: str  # pull, push or copy; empty: nothing was reported yet
    fraction: float  # from 0 to 1
    moved: int  # bytes
    rate: float  # bytes per second
    seconds: float  # since it began
    left: float | None  # seconds; None: too early to tell


@dataclass(frozen=True, slots=True)
class RunningLook:
    """An item's source that is listed now, as the page shows it."""

    item: str
    source: str
    target: str
    seconds: float  # since it began


@dataclass(slots=True)
class _Job:
    info: JobInfo
    progress: TagProgress
    began: float
    rate: TransferRate = field(default_factory=TransferRate)


class RunningJobs:
    """An observer of events. `clock`: seconds of a monotonic clock."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: dict[str, _Job] = {}  # in the order of their start
        self._looks: dict[str, tuple[LookStarted, float]] = {}  # by target, likewise; and when it began

    def observe(self, event: Event) -> None:
        """Update the jobs."""
        match event:
            case JobProgressed():  # first, because it is by far the most frequent
                if job := self._jobs.get(event.job.key):  # otherwise a late report of a copy that was stopped
                    job.progress.update(event.part, event.done, event.total)
            case JobStarted(info):
                self._jobs[info.key] = _Job(info, TagProgress(f"{info.item}:{info.tag}"), self._clock())
            case JobEnded():
                self._jobs.pop(event.job.key, None)
            case LookStarted():
                self._looks[event.target] = event, self._clock()
            case ItemLooked():
                self._looks.pop(event.target, None)
            case CycleEnded() if event.outcome != "done":  # its looks were broken off
                self._looks.clear()

    def now(self) -> list[RunningJob]:
        """The running jobs, the oldest first."""
        return [_described(job, self._clock()) for job in self._jobs.values()]

    def job(self, key: str) -> RunningJob | None:
        """One of them; None: it does not run."""
        return _described(found, self._clock()) if (found := self._jobs.get(key)) else None

    def looks(self) -> list[RunningLook]:
        """The items that are looked at, the oldest look first."""
        return [
            RunningLook(look.item, look.source, look.target, self._clock() - began)
            for look, began in self._looks.values()
        ]

    def details(self) -> dict[str, Any]:
        """The same as JSON, for a heartbeat: other processes show them."""
        return {"jobs": [asdict(job) for job in self.now()], "looks": [asdict(look) for look in self.looks()]}


def _described(job: _Job, now: float) -> RunningJob:
    info, progress = job.info, job.progress
    seconds = now - job.began
    rate, left = job.rate.measure(progress.moved, now), seconds_left(seconds, progress.fraction)
    return RunningJob(
        info.key, info.item, info.target, info.tag, info.attempt,
        progress.doing, progress.fraction, progress.moved, rate, seconds, left,
    )  # fmt: skip
