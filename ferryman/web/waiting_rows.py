"""The queue as rows of a page: why each tag does not run yet, and when it is expected to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.i18n.texts import _, current
from ferryman.operations.waiting import Wait, WaitKind, wait_of
from ferryman.store.records import Paused, WaitingTag
from ferryman.store.samples import INTERVAL, Sample
from ferryman.views.verdict_sentences import cause_in_words

_QUOTA = "pulls are left"  # what the error of a tag says that waits for the registry's pull quota


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A queued tag."""

    tag: WaitingTag
    waits_for: WaitKind
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
    """The rate in these samples; at rest, with nothing to do and nothing done, is no rate."""
    busy = [each for each in samples if each.due or each.copies or each.failures]
    return Rate(sum(each.copies + each.failures for each in busy), INTERVAL * len(busy))


def rows(
    tags: Iterable[WaitingTag],
    paused: Paused,
    rate: Rate,
    *,
    now: datetime,
    before: int,
) -> list[WaitingRow]:
    """The rows of a page. `paused`: by persons. `before`: how many tags on earlier pages are due."""
    made = []
    place = before
    for tag in tags:
        wait = wait_of(tag, now, paused=paused)
        is_due = wait.kind == "due"
        place += is_due
        made.append(
            WaitingRow(
                tag, wait.kind, _why(tag, wait),
                place=place if is_due else None,
                expected=rate.when(place, now) if is_due else wait.until,
                is_forecast=is_due,
            )
        )  # fmt: skip
    return made


def _why(tag: WaitingTag, wait: Wait) -> str:
    registry = wait.registry or _("its registry")
    if wait.kind == "paused":
        return _("paused by %(actor)s") % {"actor": wait.actor} + (f": {wait.note}" if wait.note else "")
    if wait.kind == "due":
        return _("waits for a free worker")
    if wait.kind == "login":
        return _("waits until %(registry)s accepts the login") % {"registry": registry}
    if wait.kind == "limited":
        if tag.error and _QUOTA in tag.error:
            return _("waits for the pull quota of %(registry)s") % {"registry": registry}
        return _("waits for the rate limit of %(registry)s") % {"registry": registry}
    cause = cause_in_words(tag.error_kind, tag.error_registry, None, current().texts)
    return _("tried again after a failure: %(cause)s") % {"cause": cause}
