"""Decide what is told when, purely: told once, again after a day, and once when it is over.

News are not told again after a day, but when there is more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ferryman.items.model import Recipient
from ferryman.kinds import NotifyEvent
from ferryman.notify.causes import Cause
from ferryman.store.notices import Notice, Phase

_AGAIN = timedelta(days=1)
# After a message about one of a group, others of it are gathered for so long: thirty items behind one registry that
# fail one after the other are not thirty messages.
_GATHERED = timedelta(minutes=15)
_KEPT = timedelta(days=1)  # a notice that is over, so that the gathering knows it
_SKEW = timedelta(minutes=1)  # between the clocks of two machines
_NEWS: frozenset[NotifyEvent] = frozenset({"changed", "prune"})  # their notices say what has been told of


@dataclass(frozen=True, slots=True)
class Decided:
    """What changes in the record of notices, and what is to be told."""

    changed: Sequence[Notice]
    forgotten: Collection[str]  # keys
    told: Sequence[tuple[Notice, Phase]]


def decide(notices: Iterable[Notice], causes: Collection[Cause], subjects: Collection[str], now: datetime) -> Decided:
    """What to tell. `notices`: what was told before. `subjects`: what notices may be about; others are forgotten."""
    known = {notice.key: _repaired(notice, now) for notice in notices}
    begun = _latest((notice.group, notice.told_at) for notice in known.values())
    ended = _latest((notice.group, notice.over_at) for notice in known.values())
    told: list[tuple[Notice, Phase]] = []
    changed: list[Notice] = []
    for cause in causes:
        before = known.get(cause.key)
        if (phase := _phase(cause, before, begun, now)) is not None:
            told.append((_notice(cause, before, now), phase))
        elif before is not None and before.over_at is None and cause.is_certain:
            changed.append(before if cause.event in _NEWS else replace(before, facts=cause.facts))
    current = {cause.key for cause in causes}
    for notice in known.values():
        is_over = notice.over_at is None and notice.event != "changed" and notice.key not in current
        if is_over and notice.subject in subjects and _is_past(ended.get(notice.group), _GATHERED, now):
            told.append((replace(notice, over_at=now), "over"))
    forgotten = {notice.key for notice in known.values() if _is_forgotten(notice, current, subjects, now)}
    return Decided([*changed, *(notice for notice, _ in told)], forgotten, told)


def is_told(recipient: Recipient, notice: Notice, phase: Phase) -> bool:
    """Whether a recipient is told of it."""
    return notice.event in recipient.events and (phase != "over" or "recovered" in recipient.events)


def due(recipient: Recipient, notice: Notice, phase: Phase, now: datetime) -> datetime:
    """When to tell: now, or at the end of the recipient's quiet hours."""
    is_urgent = notice.event == "login" and phase != "over"
    left = 0 if recipient.quiet is None or is_urgent else recipient.quiet.minutes_left(now)
    return now.replace(second=0, microsecond=0) + timedelta(minutes=left) if left else now


def _phase(cause: Cause, before: Notice | None, begun: Mapping[str, datetime], now: datetime) -> Phase | None:
    """What to tell of a cause that is there; None: nothing now."""
    if before is None or before.over_at is not None or cause.event == "changed":
        return "began" if cause.is_certain and _is_past(begun.get(cause.group), _GATHERED, now) else None
    if cause.event == "prune":
        has_more = _has_more(cause, before, now)
        return "began" if has_more and _is_past(begun.get(cause.group), _GATHERED, now) else None
    return "again" if cause.is_certain and _is_past(before.told_at, _AGAIN, now) else None


def _has_more(cause: Cause, before: Notice, now: datetime) -> bool:
    """Whether something has come since it was told. What a clock that was ahead has noted counts once it is mended."""
    last, told, present = cause.facts["last"], before.facts["last"], (now + _SKEW).timestamp()
    return last <= present and not last <= told <= present


def _notice(cause: Cause, before: Notice | None, now: datetime) -> Notice:
    since = before.since if before is not None and before.over_at is None else cause.since
    return Notice(cause.key, cause.event, cause.subject, cause.group, since, cause.facts, told_at=now)


def _latest(moments: Iterable[tuple[str, datetime | None]]) -> dict[str, datetime]:
    """The latest moment of each group."""
    latest: dict[str, datetime] = {}
    for group, moment in moments:
        if moment is not None:
            latest[group] = max(moment, latest.get(group, moment))
    return latest


def _is_past(moment: datetime | None, wait: timedelta, now: datetime) -> bool:
    return moment is None or now - moment >= wait


def _is_forgotten(notice: Notice, current: Collection[str], subjects: Collection[str], now: datetime) -> bool:
    """Whether nobody has to know of it any more: it is over for long, or items.yml does not name it any more."""
    is_old = notice.over_at is not None and notice.key not in current and now - notice.over_at >= _KEPT
    return is_old or notice.subject not in subjects


def _repaired(notice: Notice, now: datetime) -> Notice:
    """Without times that a clock that was ahead has written: nothing would be told until they have come."""
    over_at = notice.over_at and (now if notice.over_at > now + _SKEW else notice.over_at)
    return replace(notice, told_at=now if notice.told_at > now + _SKEW else notice.told_at, over_at=over_at)
