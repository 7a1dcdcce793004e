"""What happens, as one stream of typed events, and its observers: the views, the log, metrics, the heartbeat.

Observers subscribe in `application.py`. What people are told of is read from the record instead. The scheduler, the
workers, the pauses and the registry client emit, and know no observer. Events hold plain values.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferryman import log
from ferryman.kinds import PauseScope

JobOutcome = Literal["synced", "failed", "skipped", "again", "stopped"]


@dataclass(frozen=True, slots=True)
class CycleStarted:
    """The scheduler begins to look at so many items."""

    items: int
    again: bool = False  # it follows another cycle of the same sync
    requested: bool = False  # by a person: it is none of the timetable's


@dataclass(frozen=True, slots=True)
class LookStarted:
    """The scheduler begins to look at an item's source: one ItemLooked follows, unless the process stops."""

    item: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class ItemLooked:
    """One item's source was looked at, whatever came of it.

    `paused`: its registry is paused, which was reported; or, with the error kind `paused`, a person has paused it.
    """

    item: str
    source: str
    target: str
    outcome: Literal["looked", "failed", "paused"]
    error: str | None = None
    error_kind: str | None = None  # as in the record; `defect` for a defect in Ferryman
    traceback: str | None = None  # of a defect
    seconds: float = 0.0
    # Of an item that was looked at, in tags:
    tags: int = 0  # that the source has
    enqueued: int = 0
    withdrawn: int = 0  # taken out of the queue
    gone: int = 0  # that the source does not have any more
    requeued: int = 0  # that the target does not name as it should
    complete: bool = False  # the list was read to its end


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """All items were looked at (`done`), the database failed (`failed`), or the process stops (`stopped`)."""

    outcome: Literal["done", "failed", "stopped"]
    items: int
    seconds: float = 0.0
    enqueued: int = 0  # tags
    items_failed: int = 0
    items_paused: int = 0  # by persons
    error: str | None = None
    again: bool = False
    requested: bool = False


@dataclass(frozen=True, slots=True)
class JobInfo:
    """One attempt at one tag, as events name it."""

    key: str  # this attempt's own: no other one has it, not even of the same tag
    item: str
    source: str  # registry/namespace/image
    target: str  # registry/namespace/image
    tag: str
    attempt: int  # 1-based


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A worker has taken the job."""

    job: JobInfo


@dataclass(frozen=True, slots=True)
class JobProgressed:
    """A part of its copy stands at `done` of `total` bytes, as ProgressSink says. Comes several times a second."""

    job: JobInfo
    part: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class JobEnded:
    """What came of a job, once that is recorded: one for each JobStarted.

    `again`: it is queued. After a failed attempt `retry_at` says for when; else the attempt does not count, and the
    pause of its registry, or the absent engine, is what it waits for.
    `stopped`: nothing is recorded. `error_kind` is None when the process stops and hands it back, `lease-lost` when
    another worker has the tag, `cancelled` when a person has ended it, which that person's call has recorded, and
    `unrecorded` when the database fails: then the tag is copied again.
    """

    job: JobInfo
    outcome: JobOutcome
    error: str | None = None
    error_kind: str | None = None  # as in the record; `defect` for a defect in Ferryman
    traceback: str | None = None  # of a defect
    error_registry: str | None = None  # that caused the error
    retry_at: datetime | None = None
    seconds: float = 0.0  # from the claim to the end of the copy
    # Of a copy that went well:
    digest: str | None = None  # what the target names now
    bytes_moved: int | None = None
    bytes_reused: int | None = None
    degraded: str | None = None  # what was left out, because the target refuses it


@dataclass(frozen=True, slots=True)
class RegistryPaused:
    """None of a registry's tags runs before `until`, when that ends by itself; None: its login was refused."""

    registry: str
    until: datetime | None
    error: str
    tags: int | None = None  # that wait for it; None: not counted


@dataclass(frozen=True, slots=True)
class RegistryResumed:
    """A registry whose login was refused is not paused any more, and why."""

    registry: str
    tags: int  # that waited
    cause: Literal["login-accepted", "login-retried", "check", "credentials-changed"]


@dataclass(frozen=True, slots=True)
class TagPruned:
    """A tag that the rules no longer want was removed from its target."""

    item: str
    target: str  # registry/namespace/image
    tag: str
    digest: str | None  # that it named; None: not known
    reason: str  # why the rules do not want it
    actor: str | None  # the person who wanted that; None: items.yml does


@dataclass(frozen=True, slots=True)
class WorkPaused:
    """A person has paused this, in any process; also told of every pause that a starting process finds."""

    scope: PauseScope
    name: str  # of an item: its target; of a registry: its host; of all: empty
    since: datetime
    actor: str
    note: str | None


@dataclass(frozen=True, slots=True)
class WorkResumed:
    """A person has ended that pause."""

    scope: PauseScope
    name: str


@dataclass(frozen=True, slots=True)
class RequestDone:
    """One HTTP exchange up to its answer's headers: redirects, token requests and second tries each have their own.

    What a token server or a redirect's host answers counts as the registry's. One that is cancelled is not reported.
    """

    registry: str
    method: str
    status: int | None  # None: there was no answer, or not a whole one
    seconds: float  # without the time that it waited for its turn


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A request failed, and is sent again after a short backoff. Retries of whole tags are told by JobEnded."""

    registry: str


Event = (
    CycleStarted | LookStarted | ItemLooked | CycleEnded
    | JobStarted | JobProgressed | JobEnded
    | RegistryPaused | RegistryResumed | WorkPaused | WorkResumed
    | TagPruned | RequestDone | RequestRetried
)  # fmt: skip
Observer = Callable[[Event], object]


def traceback_of(error: BaseException) -> str:
    """As an event's `traceback`."""
    return "".join(traceback.format_exception(error)).removesuffix("\n")


class Events:
    """Hands each event to every observer, in the order in which they came, in the caller's thread.

    Observers are called while the work waits: they take note and return. One that blocks stops all workers; one that
    raises is logged, once for each kind of event, and hurts nobody.
    """

    def __init__(self) -> None:
        self._observers: tuple[Observer, ...] = ()
        self._failed: set[tuple[str, type[Event]]] = set()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event from now on, until what is returned is called."""
        self._observers = (*self._observers, observer)

        def unsubscribe() -> None:
            self._observers = tuple(each for each in self._observers if each is not observer)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Tell everybody. Never raises what an observer raises."""
        for observer in self._observers:
            try:
                observer(event)
            # A cancelled task's result raises CancelledError: passed on, it would look like a stop of the caller.
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the work goes on
                self._report(observer, event, error)

    def _report(self, observer: Observer, event: Event, error: BaseException) -> None:
        name = getattr(observer, "__qualname__", type(observer).__qualname__)
        if (name, type(event)) in self._failed:
            return
        self._failed.add((name, type(event)))
        with contextlib.suppress(Exception):  # the log may be what fails
            log.get().error(
                "observer_failed",
                message="an observer failed",
                observer=name,
                observed=type(event).__name__,
                exc_info=error,
            )
