"""Parsing moments, as people give them: `2026-11-24`, `2026-11-24 12:00`, `2026-11-24T12:00+08:00`, `3d` ago."""

from datetime import UTC, datetime

from ferryman.durations import parse_duration


def parse_moment(text: str, *, now: datetime) -> datetime:
    """The moment; UTC, if it names no zone; a duration is so long ago. Raises ValueError, saying what was expected."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None:
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return now - parse_duration(text)
    except ValueError:
        expected = "2026-11-24, 2026-11-24 12:00, 2026-11-24T12:00+08:00, or 3d for three days ago"
        raise ValueError(f"{text!r} is no time: expected such as {expected}") from None
