"""Parsing moments, as people give them: `2026-11-24`, `2026-11-24 12:00`, `2026-11-24T12:00+08:00`, `3d` ago."""

from datetime import UTC, datetime

from ferryman.durations import parse_duration

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def parse_moment(text: str, *, now: datetime) -> datetime:
    """The moment; UTC, if it names no zone; a duration is so long ago. Raises ValueError, saying what was expected."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None:
        return _in_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    try:
        return now - parse_duration(text)
    except ValueError:
        expected = "2026-11-24, 2026-11-24 12:00, 2026-11-24T12:00+08:00, or 3d for three days ago"
        raise ValueError(f"{text!r} is no time: expected such as {expected}") from None


def _in_utc(moment: datetime) -> datetime:
    """In some zones the first or the last day of all is beyond what a datetime can say: then that end of time."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == _FIRST.year else _LAST
