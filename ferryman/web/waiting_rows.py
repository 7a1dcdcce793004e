"""The queue as rows of a page: why each tag does not run yet, and when it is expected to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ferryman.i18n.texts import _, current
from ferryman.store.queries.waiting import WaitingTag
from ferryman.store.queue.statements import PAUSED
from ferryman.store.records import ManualPause, Paused
from ferryman.store.samples import INTERVAL, Sample
from ferryman.views.verdict_sentences import cause_in_words

WaitsFor = Literal["worker", "retry", "limit", "login", "person"]
_QUOTA = "pulls are left"  # what the error of a tag says that waits for the registry's pull quota


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A queued tag."""

    tag: WaitingTag
    waits_for: WaitsFor
    why: str  # in the reader's language
    place: int | None  # among those that wait for a worker only; 1: the next one
    expected: datetime | None  # None: not known
    is_forecast: bool  # by the present rate, not by a time that is set


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast the queue moves."""

    jobs: int
    time: timedelta

    def when(self, place: int, now: datetime) -> datetime | None:
        """When the job at this place begins at that rate; None: nothing has moved."""
        return now + self.time / self.jobs * (place - 1) if self.jobs else None


def rate_of(samples: Sequence[Sample]) -> Rate:
    """The rate in these samples."""
    return Rate(sum(each.copies + each.failures for each in samples), INTERVAL * len(samples))


def rows(tags: Iterable[WaitingTag], paused: Paused, rate: Rate, *, now: datetime, before: int) -> list[WaitingRow]:
    """The rows of a page. `before`: how many tags on earlier pages wait for a worker only."""
    made = []
    place = before
    for tag in tags:
        pause = paused.of_item(tag.target, tag.source.partition("/")[0])
        waits_for = _waits_for(tag, pause, now)
        place += waits_for == "worker"
        made.append(
            WaitingRow(
                tag, waits_for, _why(tag, waits_for, pause),
                place=place if waits_for == "worker" else None,
                expected=_expected(tag, waits_for, rate.when(place, now)),
                is_forecast=waits_for == "worker",
            )
        )  # fmt: skip
    return made


def _waits_for(tag: WaitingTag, pause: ManualPause | None, now: datetime) -> WaitsFor:
    if pause is not None:
        return "person"
    if tag.run_at is None:
        return "login"
    if tag.run_at <= now:
        return "worker"
    return "limit" if tag.reason in {PAUSED, "rate-limited"} else "retry"


def _expected(tag: WaitingTag, waits_for: WaitsFor, forecast: datetime | None) -> datetime | None:
    if waits_for == "worker":
        return forecast
    return tag.run_at if waits_for in {"limit", "retry"} else None


def _why(tag: WaitingTag, waits_for: WaitsFor, pause: ManualPause | None) -> str:
    registry = tag.error_registry or _("its registry")
    if pause is not None:
        return _("paused by %(actor)s") % {"actor": pause.actor} + (f": {pause.note}" if pause.note else "")
    if waits_for == "worker":
        return _("waits for a free worker")
    if waits_for == "login":
        return _("waits until %(registry)s accepts the login") % {"registry": registry}
    if waits_for == "limit":
        if tag.error and _QUOTA in tag.error:
            return _("waits for the pull quota of %(registry)s") % {"registry": registry}
        return _("waits for the rate limit of %(registry)s") % {"registry": registry}
    cause = cause_in_words(tag.error_kind, tag.error_registry, None, current().texts)
    return _("tried again after a failure: %(cause)s") % {"cause": cause}
