"""Decide when each tag goes: after its time, a part of the item a day, referrers after what they refer to. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferryman.items.model import PruneRules
from ferryman.kinds import PruneAction
from ferryman.pruning.judgement import Held, Judgement, Unwanted, unreferenced
from ferryman.reference import subject_of
from ferryman.store.records import PruneMark


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a tag that goes, now."""

    unwanted: Unwanted
    mark: PruneMark
    action: PruneAction
    is_known: bool = False  # it was marked before


@dataclass(frozen=True, slots=True)
class Past:
    """What is recorded of earlier cycles."""

    marks: Mapping[int, PruneMark]  # by the ids of tags
    removed: Collection[str]  # names of the tags that were removed within a day


def schedule(
    judgement: Judgement, rules: PruneRules, past: Past, held: Held, *, now: datetime, history: timedelta,
    at_once: bool = False,
) -> list[Step]:  # fmt: skip
    """What becomes of each tag that may go, in their order. Nothing goes that was not marked before.

    `history`: how long the target keeps what is removed. `at_once`: a person wants it, whether it is due or not.
    """
    marks = {each.record.tag: _mark(each, past.marks.get(each.record.id), rules.after, now) for each in judgement.going}
    ready = [
        each
        for each in judgement.going
        if at_once or (each.record.id in past.marks and marks[each.record.tag].due_at <= now)
    ]
    removed = _images(judgement, rules, past, ready, marks)
    removed |= _referrers(judgement, ready, removed, held, keeps=bool(history))
    return [
        Step(
            each,
            marks[each.record.tag],
            _action(each, past, is_removed=each.record.tag in removed),
            is_known=each.record.id in past.marks,
        )
        for each in judgement.going
    ]


def _mark(each: Unwanted, known: PruneMark | None, after: timedelta, now: datetime) -> PruneMark:
    """A mark in the future was made under a clock that was ahead: its time begins anew."""
    marked_at = known.marked_at if known is not None and known.marked_at <= now else now
    record = each.record
    return PruneMark(record.id, record.target, record.tag, each.reason, marked_at, marked_at + after)


def _images(
    judgement: Judgement, rules: PruneRules, past: Past, ready: Sequence[Unwanted], marks: Mapping[str, PruneMark]
) -> set[str]:
    """Those that go first, the oldest before others; no more than a part of all in a day, and at least one."""
    gone_today = sum(not subject_of(name) for name in past.removed)
    there = sum(not subject_of(each.tag) for each in judgement.mirrored)
    left = max(1, int((there + gone_today) * rules.most + _ROUNDING)) - gone_today
    images = [each.record.tag for each in ready if not subject_of(each.record.tag)]
    images.reverse()
    images.sort(key=lambda name: marks[name].due_at)
    return set(images[: max(left, 0)])


def _referrers(
    judgement: Judgement, ready: Sequence[Unwanted], removed: Collection[str], held: Held, *, keeps: bool
) -> set[str]:
    """Those of which nothing is left that they refer to. What is kept for a rollback keeps its signatures."""
    kept = [each.record for each in ready if keeps and each.record.tag in removed]  # from now on
    referrers = [each.record for each in ready if subject_of(each.record.tag)]
    names = {record.tag for record in referrers}
    left = [each for each in judgement.mirrored if each.tag not in names and each.tag not in removed]
    return {record.tag for record in unreferenced(referrers, [*left, *kept], held)}


def _action(each: Unwanted, past: Past, *, is_removed: bool) -> PruneAction:
    if is_removed:
        return "remove"
    return "wait" if each.record.id in past.marks else "mark"


_ROUNDING = 1e-9  # 10 % of 30 is 3
