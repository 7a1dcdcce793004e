"""Bandwidth limits as in items.yml: `20MB/s`, or a table by time of day.

    bandwidth: {"01:00-07:00": unlimited, else: 5MB/s}

Hours are local time (TZ in the environment). A span may cross midnight.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ferryman.daytime import DAY, PartOfDay, minute_of_day

PATTERN = r"^([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([kKMG]i?)?B/s$|^unlimited$"  # of a rate; Mb would be bits, and is refused
_RATE = re.compile(PATTERN)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_ELSE = "else"
_EXPECTED = "expected a rate such as 20MB/s, or unlimited"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the day, in minutes from midnight; the end is exclusive."""

    begins: int
    ends: int
    rate: float | None  # bytes a second; None: no limit


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A limit in bytes a second, by time of day."""

    otherwise: float | None = None  # outside all spans
    spans: tuple[Span, ...] = ()  # sorted, without overlaps, none crosses midnight

    @classmethod
    def parse(cls, written: str | Mapping[str, str]) -> "Bandwidth":
        """Parse a rate, or a table of rates. Raises ValueError, with a sentence."""
        if isinstance(written, str):
            return cls(_rate(written))
        spans = [span for hours, rate in written.items() if hours != _ELSE for span in _spans(hours, _rate(rate))]
        spans.sort(key=lambda span: span.begins)
        for earlier, later in pairwise(spans):
            if later.begins < earlier.ends:
                raise ValueError(f"two of its hours are the same, from {_clock(later.begins)} on: expected one rate")
        return cls(_rate(written[_ELSE]) if _ELSE in written else None, tuple(spans))

    @property
    def is_unlimited(self) -> bool:
        """Whether there is no limit at any time of the day."""
        return self.otherwise is None and all(span.rate is None for span in self.spans)

    def at(self, moment: datetime) -> float | None:
        """The limit in bytes a second at `moment` (aware); None: no limit."""
        if not self.spans:
            return self.otherwise
        minute = minute_of_day(moment)
        return next((span.rate for span in self.spans if span.begins <= minute < span.ends), self.otherwise)

    def changes_at(self, moment: datetime) -> datetime | None:
        """When the limit at `moment` (aware) changes; None: never."""
        minute, full_minute = minute_of_day(moment), moment.replace(second=0, microsecond=0)
        edges = {edge for span in self.spans for edge in (span.begins, span.ends)}
        later = sorted(full_minute + timedelta(minutes=(edge - minute - 1) % DAY + 1) for edge in edges)
        return next((edge for edge in later if self.at(edge) != self.at(moment)), None)


FULL_SPEED = Bandwidth()


def _rate(written: str) -> float | None:
    if written == "unlimited":
        return None
    found = _RATE.match(written)
    rate = float(found[1]) * _UNITS[(found[2] or "").lower()] if found else 0.0
    if rate < 1:
        raise ValueError(f"{written!r} is no rate: {_EXPECTED}")
    return rate


def _spans(hours: str, rate: float | None) -> list[Span]:
    """The span of `hours`; two spans if it crosses midnight."""
    part = PartOfDay.parse(hours)
    if part is None:
        raise ValueError(f"{hours!r} is no part of a day: expected one such as 01:00-07:00, or else")
    if part.begins < part.ends:
        return [Span(part.begins, part.ends, rate)]
    return [Span(part.begins, DAY, rate), *([Span(0, part.ends, rate)] if part.ends else [])]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
