"""The progress of a sync, added up from events: of each running tag, and in total."""

import re
from collections import Counter, deque
from dataclasses import dataclass
from functools import lru_cache

from ferryman.events import CycleStarted, Event, ItemLooked, JobEnded, JobProgressed, JobStarted
from ferryman.store.records import Outstanding

# See ProgressSink.
_PART = re.compile(r"(?:(?P<step>\d{1,9})/(?P<steps>\d{1,9}) )?(?P<doing>\w+):(?P<name>.*)", re.DOTALL)
_HALVES = {"pull": 0, "push": 1}
_REUSE = "reuse"
_WINDOW = 10.0  # seconds over which the rate is averaged
_ESTIMATED_FROM = 0.02  # fraction that must be done before the remaining time is estimated
_FINAL = ("synced", "failed", "skipped")


class TagProgress:
    """The progress of one tag. What is shown of it is computed when somebody looks: reports are far more frequent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reports: dict[str, tuple[int, int | None]] = {}  # done, total; by part, in the order of the last reports
        self._moved: dict[str, int] = {}  # bytes, by part
        self._shown = 0.0

    @property
    def fraction(self) -> float:
        """From 0 to 1. It never decreases, also when a part is tried again."""
        stages: dict[_Stage, dict[str, tuple[int, int | None]]] = {}
        for part, report in self._reports.items():
            found = _parsed(part)
            stages.setdefault(found.stage, {})[found.name] = report
        for stage, layers in stages.items():
            self._shown = min(max(self._shown, stage.begins + stage.share * _fraction(layers)), 1.0)
        return self._shown

    @property
    def doing(self) -> str:
        """pull, push or copy; empty: nothing was reported yet."""
        doing = _parsed(next(reversed(self._reports))).doing if self._reports else ""
        return "copy" if doing == _REUSE else doing

    @property
    def moved(self) -> int:
        """Transferred bytes, as far as they were reported."""
        return sum(moved for part, moved in self._moved.items() if _parsed(part).doing != _REUSE)

    def update(self, part: str, done: int, total: int | None) -> None:
        """Update one part: `done` of `total` bytes, as in ProgressSink."""
        done = max(done, 0) if total is None else max(0, min(done, total))
        self._reports.pop(part, None)
        self._reports[part] = done, total
        self._moved[part] = max(done, self._moved.get(part, 0))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A step of several, or one half of it. Its share of the whole, from 0 to 1."""

    begins: float
    share: float


@dataclass(frozen=True, slots=True)
class _Part:
    """What the name of a part says."""

    doing: str
    name: str
    stage: _Stage


@lru_cache(maxsize=4096)
def _parsed(part: str) -> _Part:
    found = _PART.fullmatch(part)
    if found is None:
        return _Part("copy", part, _Stage(0, 1))
    doing, name = found["doing"], found["name"]
    step, steps = (int(found["step"]), max(int(found["steps"]), 1)) if found["step"] else (1, 1)
    half = _HALVES.get(doing)
    begins, share = (step - 1.0, 1.0) if half is None else (step - 1 + half / 2, 0.5)
    return _Part(doing, name, _Stage(begins / steps, share / steps))


def _fraction(layers: dict[str, tuple[int, int | None]]) -> float:
    """The fraction that is done. A layer of unknown size counts with the average size of the others."""
    known = [total for _, total in layers.values() if total and total > 0]
    usual = sum(known) / len(known) if known else 1.0
    done = sum(done for done, _ in layers.values())
    whole = sum(max(usual, done) if total is None else max(total, 0) for done, total in layers.values())
    return done / whole if whole else 0.0


class TransferRate:
    """Bytes per second, averaged over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def measure(self, moved: int, now: float) -> float:
        """The rate now. `moved`: bytes until now; `now`: seconds of a monotonic clock."""
        self._samples.append((now, moved))
        while len(self._samples) > 1 and now - self._samples[1][0] >= _WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return max(moved - before, 0) / (now - since) if now > since else 0.0


def seconds_left(elapsed: float, fraction: float) -> float | None:
    """The remaining seconds at an even pace; None: too little is done to tell."""
    return elapsed * (1 - fraction) / fraction if fraction >= _ESTIMATED_FROM else None


class SyncProgress:
    """The totals of a sync."""

    def __init__(self) -> None:
        self.running: dict[str, TagProgress] = {}  # by lease token, in the order of their start
        self.outcomes: Counter[str] = Counter()
        self.left: Outstanding | None = None  # None: unknown yet
        self._tags = 0  # done or remaining, when `left` was updated
        self.items = 0
        self.looked = 0  # items whose lookup has ended, whatever its outcome
        self._ended = 0  # bytes of ended copies
        self._rate = TransferRate()

    @property
    def is_looking(self) -> bool:
        return self.looked < self.items

    @property
    def done(self) -> int:
        """Tags that are done: synced, failed or skipped by this sync."""
        return sum(self.outcomes[outcome] for outcome in _FINAL)

    @property
    def tags(self) -> int:
        """Tags that are done or remaining, without those that are held for a paused registry."""
        return max(self._tags, self.done + len(self.running))

    @property
    def queued(self) -> int:
        """Tags that may run now, or run in another process."""
        waiting = self.left.waiting if self.left else 0
        return max(self.tags - self.done - len(self.running) - waiting, 0)

    @property
    def moved(self) -> int:
        """Transferred bytes."""
        return self._ended + sum(tag.moved for tag in self.running.values())

    def rate(self, now: float) -> float:
        """Bytes per second, averaged over the last seconds. `now`: seconds of a monotonic clock."""
        return self._rate.measure(self.moved, now)

    def queue(self, left: Outstanding) -> None:
        """Update the remaining work. Until the next update, it is derived from the events."""
        self.left = left
        self._tags = self.done + left.due + left.waiting + left.running

    def observe(self, event: Event) -> None:
        """Update the totals."""
        match event:
            case JobProgressed():  # first, because it is by far the most frequent
                if tag := self.running.get(event.job.key):  # otherwise a late report of a copy that was stopped
                    tag.update(event.part, event.done, event.total)
            case JobStarted(job):
                self.running[job.key] = TagProgress(f"{job.item}:{job.tag}")
            case JobEnded():
                self._end(event)
            case CycleStarted(again=False):
                self.looked, self.items = 0, event.items
            case ItemLooked():
                self.looked = min(self.looked + 1, self.items)  # further lookups are of the same items

    def _end(self, event: JobEnded) -> None:
        tag = self.running.pop(event.job.key)
        self._ended += tag.moved if event.bytes_moved is None else event.bytes_moved
        self.outcomes[event.outcome] += 1
