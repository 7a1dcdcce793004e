"""When upstream is asked for a tag's digest again, where its list of tags has names only: pure.

A moved tag has another digest under the same name, so only a HEAD for each tag tells. Most tags never move: those are
asked for once a day, each at its own time of the day, so that no cycle asks for all. What is known to move is asked for
in every cycle.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

from ferryman.items.model import Item
from ferryman.kinds import ProbeMode, ProbeReason
from ferryman.store.records import TagRecord

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_PERIODS: dict[ProbeReason, timedelta] = {"build": _DAY, "still": _DAY, "immutable": _WEEK}
_LONG = timedelta(days=30)  # a tag that moves once a month is still asked for in every cycle
_LAST_CHANCE = 0.9  # of the time between two cycles: a cycle that comes a little late shall not cost a whole one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASHES = 2**32  # of crc32

_FLOATING = re.compile(r"(?:latest|stable).*|[^0-9]+", re.IGNORECASE)
_BUILD = re.compile(
    r"v?[0-9]+\.[0-9]+\.[0-9]+.*"  # 1.27.3, v1.2.3-alpine; not 1.27, which follows new releases
    r"|v?(?:19|20)[0-9]{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12][0-9]|3[01])(?![0-9]).*"  # 20240131, 2024-01-31
    r"|(?:sha[-_]?)?[0-9a-f]{7,64}",  # a commit; not sha256-….sig, which changes with each further signature
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Probe:
    """The next question for a tag's digest."""

    at: datetime  # in the first cycle that is not before
    reason: ProbeReason

    def is_due(self, now: datetime) -> bool:
        return self.at <= now


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """What an item says about it."""

    immutable: Sequence[re.Pattern[str]] = ()
    mode: ProbeMode = "learned"

    @classmethod
    def of(cls, item: Item) -> "ProbeRules":
        return cls(item.immutable, item.probe)


def next_probe(record: TagRecord, rules: ProbeRules, *, cycle: timedelta, now: datetime) -> Probe:
    """The next question for a recorded tag. `cycle`: the time between two cycles.

    A time of the past that lies in the future was written under a clock that was ahead: it counts as unknown.
    """
    reason = _reason(record, rules, now)
    last, period = record.probed_at, _PERIODS.get(reason)
    if last is None or period is None:
        return Probe(now, reason)
    own_time = last + _until_own_time(record, last, period)
    last_chance = last + period - cycle * _LAST_CHANCE  # in a later cycle, more than the period would have passed
    return Probe(min(own_time, last_chance), reason)


def _reason(record: TagRecord, rules: ProbeRules, now: datetime) -> ProbeReason:
    if rules.mode == "always":
        return "always"
    return _by_state(record, now) or _by_name(record.tag, rules) or _by_age(record, now)


def _by_state(record: TagRecord, now: datetime) -> ProbeReason | None:
    if record.probed_at is None or record.probed_at > now or record.source_digest is None:
        return "unknown"
    if record.status in {"queued", "running"} or record.has_failed:
        return "waiting"
    return "moved" if _is_recent(record.moved_at, now) else None


def _by_name(name: str, rules: ProbeRules) -> ProbeReason | None:
    if any(pattern.fullmatch(name) for pattern in rules.immutable):
        return "immutable"
    if _FLOATING.fullmatch(name):
        return "floating"
    return "build" if _BUILD.fullmatch(name) else None


def _by_age(record: TagRecord, now: datetime) -> ProbeReason:
    """What an image says of its own age does not count: a tag may move to an old one, and some say 1970."""
    return "still" if record.first_seen_at is not None and now - record.first_seen_at >= _LONG else "young"


def _is_recent(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and timedelta(0) <= now - moment < _LONG


def _until_own_time(record: TagRecord, last: datetime, period: timedelta) -> timedelta:
    """From the last question to the tag's own time of the day or the week, which its name decides. Never zero."""
    own = period * (crc32(f"{record.target}:{record.tag}".encode()) / _HASHES)
    return (own - (last - _EPOCH)) % period or period
