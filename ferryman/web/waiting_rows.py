"""The queue as rows of a page: why each tag does not run yet, and when it is expected to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.i18n.formats import relative, size
from ferryman.i18n.texts import _, current
from ferryman.operations.waiting import Slowed, Supplies, Wait, WaitKind, wait_of
from ferryman.store.records import Paused, WaitingTag, registries_of
from ferryman.store.samples import INTERVAL, Sample
from ferryman.views.verdict_sentences import cause_in_words

_QUOTA = "pulls are left"  # what the error of a tag says that waits for the registry's pull quota


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A queued tag."""

    tag: WaitingTag
    waits_for: WaitKind
    why: str  # in the reader's language
    slowed: str | None  # that its bandwidth is limited now, likewise
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
    supplies: Supplies,
    *,
    now: datetime,
    before: int,
) -> list[WaitingRow]:
    """The rows of a page. `paused`: by persons. `before`: how many tags on earlier pages are due."""
    made = []
    place = before
    for tag in tags:
        wait = wait_of(tag, now, paused=paused, supplies=supplies)
        is_due = wait.kind in {"due", "quota"}
        place += is_due
        made.append(
            WaitingRow(
                tag, wait.kind, _why(tag, wait), _slowed(wait.slowed, now),
                place=place if is_due else None,
                expected=_expected(tag, place, rate, supplies, now) if is_due else wait.until,
                is_forecast=is_due,
            )
        )  # fmt: skip
    return made


def _expected(tag: WaitingTag, place: int, rate: Rate, supplies: Supplies, now: datetime) -> datetime | None:
    """When the tag at this place begins, as far as the rate and the pulls of its registry tell. None: not at all."""
    at = rate.when(place, now)
    quota = supplies.quotas.get(registries_of(tag.target, tag.source)[0])
    # All before it are taken for tags of the same registry: where pulls are few, most are.
    with_pulls = quota.enough_at(place, now) if quota else now
    return max(at, with_pulls) if at else with_pulls if with_pulls > now else None


def _slowed(slowed: Slowed | None, now: datetime) -> str | None:
    if slowed is None:
        return None
    values = {"rate": size(slowed.rate), "registry": slowed.registry}
    text = _("%(registry)s gets %(rate)s a second now")
    if slowed.registry is None:
        text = _("all copies get %(rate)s a second now")
    if slowed.until is None:
        return text % values
    return _("%(text)s, which changes %(when)s") % {"text": text % values, "when": relative(slowed.until, now)}


def _why(tag: WaitingTag, wait: Wait) -> str:
    if wait.kind == "paused":
        return _("paused by %(actor)s") % {"actor": wait.actor} + (f": {wait.note}" if wait.note else "")
    if wait.kind == "frozen":
        return _("frozen: upstream has collapsed")
    if wait.kind == "due":
        return _("waits for a free worker")
    if wait.kind == "quarantine":
        return _("in quarantine: upstream has this digest for too short a time")
    if wait.kind == "retry":
        cause = cause_in_words(tag.error_kind, tag.error_registry, None, current().texts)
        return _("tried again after a failure: %(cause)s") % {"cause": cause}
    text = _("waits for the rate limit of %(registry)s")
    if wait.kind == "login":
        text = _("waits until %(registry)s accepts the login")
    elif wait.kind == "quota" or (tag.error and _QUOTA in tag.error):
        text = _("waits for the pull quota of %(registry)s")
    return text % {"registry": wait.registry or _("its registry")}
