"""Parsing durations: `10s`, `1h30m`."""

import re
from datetime import timedelta

_DURATION = re.compile(
    r"(?:(?P<days>[0-9]{1,9})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?"
    r"(?:(?P<seconds>[0-9]{1,9})s)?(?:(?P<milliseconds>[0-9]{1,9})ms)?"
)
_LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """Parse `10s`, `6h`, `1h30m`, `500ms`; a day is 24 hours. Raises ValueError, saying what was expected."""
    found = _DURATION.fullmatch(text)
    parts = {unit: int(count) for unit, count in found.groupdict().items() if count} if found else {}
    try:
        duration = timedelta(**parts)
    except OverflowError:
        duration = timedelta.max
    if not timedelta(0) < duration <= _LONGEST:
        raise ValueError("expected a duration of at most ten years, such as 10s, 6h, 1d or 1h30m")
    return duration
