"""What a sync has done so far, added up for whoever shows it: one tag's way, and the whole."""

import re
from collections import Counter, deque

from ferryman.events import CycleStarted, Event, ItemLooked, JobEnded, JobProgressed, JobStarted
from ferryman.store.records import Outstanding

# See ProgressSink.
_PART = re.compile(r"(?:(?P<step>\d{1,9})/(?P<steps>\d{1,9}) )?(?P<doing>\w+):(?P<name>.*)", re.DOTALL)
_HALVES = {"pull": 0, "push": 1}
_WINDOW = 10.0  # seconds over which a rate is taken
_FINAL = ("synced", "failed", "skipped")


class TagProgress:
    """One tag's way from 0 to 1. It never goes back: a second try at a part begins where the first one ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fraction = 0.0
        self.doing = ""  # pull, push or copy
        self._parts: dict[tuple[int, int], dict[str, tuple[int, int | None]]] = {}  # by stage: name -> done, total
        self._moved: dict[str, int] = {}  # bytes, by part

    @property
    def moved(self) -> int:
        """Bytes that went over a network, as far as they were told."""
        return sum(self._moved.values())

    def take(self, part: str, done: int, total: int | None) -> None:
        """A part stands at `done` of `total` bytes, as ProgressSink tells it."""
        found = _PART.fullmatch(part)
        doing, name = (found["doing"], found["name"]) if found else ("copy", part)
        step, steps = (int(found["step"]), int(found["steps"])) if found and found["step"] else (1, 1)
        half = _HALVES.get(doing)
        self.doing = "copy" if doing == "reuse" else doing
        done = max(done, 0) if total is None else max(0, min(done, total))
        if doing != "reuse":
            self._moved[part] = max(done, self._moved.get(part, 0))
        layers = self._parts.setdefault((step, half or 0), {})
        layers[name] = done, total
        begins, share = (step - 1.0, 1.0) if half is None else (step - 1 + half / 2, 0.5)
        self.fraction = min(max(self.fraction, (begins + share * _fraction(layers)) / max(steps, 1)), 1.0)


def _fraction(layers: dict[str, tuple[int, int | None]]) -> float:
    """How much of these is done. One whose size is not known yet counts as large as the others are on average."""
    known = [total for _, total in layers.values() if total and total > 0]
    usual = sum(known) / len(known) if known else 1.0
    done = sum(done for done, _ in layers.values())
    whole = sum(max(usual, done) if total is None else max(total, 0) for done, total in layers.values())
    return done / whole if whole else 0.0


class Tally:
    """The whole of a sync."""

    def __init__(self) -> None:
        self.running: dict[str, TagProgress] = {}  # by lease token, in the order of their start
        self.outcomes: Counter[str] = Counter()
        self.left: Outstanding | None = None  # None: not known yet
        self._tags = 0  # when that was told
        self.items = 0
        self.looked = 0  # items that were looked at, whatever came of it
        self._ended = 0  # bytes of the copies that ended
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def is_looking(self) -> bool:
        return self.looked < self.items

    @property
    def done(self) -> int:
        """Tags that this sync has brought to an end."""
        return sum(self.outcomes[outcome] for outcome in _FINAL)

    @property
    def tags(self) -> int:
        """Tags that are done, or are to be done as far as is known. What a paused registry holds is not among them."""
        return max(self._tags, self.done + len(self.running))

    @property
    def queued(self) -> int:
        """Tags that may run now, or that another process copies."""
        waiting = self.left.waiting if self.left else 0
        return max(self.tags - self.done - len(self.running) - waiting, 0)

    @property
    def moved(self) -> int:
        """Bytes."""
        return self._ended + sum(tag.moved for tag in self.running.values())

    def rate(self, now: float) -> float:
        """Bytes a second over the last seconds. `now`: seconds of a clock that never goes back."""
        moved = self.moved
        self._samples.append((now, moved))
        while len(self._samples) > 1 and now - self._samples[1][0] >= _WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return max(moved - before, 0) / (now - since) if now > since else 0.0

    def queue(self, left: Outstanding) -> None:
        """What is left at this moment; until the next one, what starts and ends here tells the difference."""
        self.left = left
        self._tags = self.done + left.due + left.waiting + left.running

    def observe(self, event: Event) -> None:
        """Add up what the scheduler and the workers tell."""
        match event:
            case JobProgressed():  # first: there are by far the most of them
                if tag := self.running.get(event.job.key):  # else it is a last word of a copy that was stopped
                    tag.take(event.part, event.done, event.total)
            case JobStarted(job):
                self.running[job.key] = TagProgress(f"{job.item}:{job.tag}")
            case JobEnded():
                self._end(event)
            case CycleStarted(again=False):
                self.looked, self.items = 0, event.items
            case ItemLooked():
                self.looked = min(self.looked + 1, self.items)  # looks that follow are at the same items

    def _end(self, event: JobEnded) -> None:
        tag = self.running.pop(event.job.key)
        self._ended += tag.moved if event.bytes_moved is None else event.bytes_moved
        self.outcomes[event.outcome] += 1
