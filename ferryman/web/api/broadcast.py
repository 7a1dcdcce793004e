"""The latest events of this process, for any number of streams: one buffer for all, and each reads at its own pace.

Whoever falls so far behind that the buffer has dropped what they would read next is dropped, too: they connect again,
and learn by a `reset` that they have missed something. So a slow reader costs no memory.
"""

import functools
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ferryman.events import Event, JobEnded, JobProgressed
from ferryman.views.documents.base import Document
from ferryman.views.documents.events import NAMES, JobProgressedDocument, ResetDocument, event_document
from ferryman.views.running_jobs import RunningJobs
from ferryman.wakeup import Wakeup
from ferryman.web.streams import Message

_KEPT = 2000  # events: with 50 workers they last for 20 seconds at least
_PROGRESS_INTERVAL = 0.5  # seconds between two reports of one job's progress


@dataclass(frozen=True)
class _Entry:
    id: str
    document: Document

    @functools.cached_property
    def message(self) -> Message:
        """Encoded when it is first read: most events nobody reads."""
        return Message(NAMES[type(self.document)], self.document.model_dump_json(), self.id)


class Broadcast:
    """An observer of events, which only takes note of them."""

    def __init__(self, running: RunningJobs, *, clock: Callable[[], float], kept: int = _KEPT) -> None:
        """`running`: has observed an event before this does. `clock`: seconds of a monotonic clock."""
        self._running = running
        self._clock = clock
        self._process = secrets.token_hex(4)  # in every id: those of an earlier process are not ours
        self._entries: deque[_Entry] = deque(maxlen=kept)
        self._end = 0  # the number of the next entry
        self._more = Wakeup()
        self._reported: dict[str, float] = {}  # when the progress of each running job was last reported

    def observe(self, event: Event) -> None:
        """Add the event to the buffer."""
        if isinstance(event, JobProgressed):  # first, because it is by far the most frequent
            self._report_progress(event)
            return
        if isinstance(event, JobEnded):
            self._reported.pop(event.job.key, None)
        if (document := event_document(event)) is not None:
            self._add(document)

    def follow(self, last_id: str | None) -> AsyncIterator[Message]:
        """The events after the one with this id, also those to come; None: only those. Ends for a reader too slow."""
        position = self._position_after(last_id)
        return self._from(self._end, reset=True) if position is None else self._from(position)

    async def _from(self, position: int, *, reset: bool = False) -> AsyncIterator[Message]:
        if reset:
            yield Message(NAMES[ResetDocument], ResetDocument().model_dump_json(), self._id(position - 1))
        while True:
            more = self._more.next()
            while position < self._end:
                if position < self._begin:
                    return
                entry = self._entries[position - self._begin]
                position += 1
                yield entry.message
            await more.wait()

    @property
    def _begin(self) -> int:
        """The number of the oldest entry."""
        return self._end - len(self._entries)

    def _position_after(self, last_id: str | None) -> int | None:
        """None: something after it is lost."""
        if last_id is None:
            return self._end
        process, _, number = last_id.partition("-")
        if process != self._process or not (number.isascii() and number.isdigit()):
            return None
        position = int(number[:18]) + 1
        return position if self._begin <= position <= self._end else None

    def _id(self, number: int) -> str:
        return f"{self._process}-{number}"

    def _report_progress(self, event: JobProgressed) -> None:
        key, now = event.job.key, self._clock()
        if now - self._reported.get(key, now - _PROGRESS_INTERVAL) < _PROGRESS_INTERVAL:
            return
        if (running := self._running.job(key)) is not None:  # otherwise a late report of a copy that was stopped
            self._reported[key] = now
            self._add(JobProgressedDocument.of(event.job, running))

    def _add(self, document: Document) -> None:
        self._entries.append(_Entry(self._id(self._end), document))
        self._end += 1
        self._more.notify()
