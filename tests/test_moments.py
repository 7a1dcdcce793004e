"""Moments, as people give them."""

from datetime import UTC, datetime, timedelta

import pytest

from ferryman.moments import parse_moment

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24 12:30", datetime(2026, 11, 24, 12, 30, tzinfo=UTC)),
        ("2026-11-24T12:30:05Z", datetime(2026, 11, 24, 12, 30, 5, tzinfo=UTC)),
        ("2026-11-24T12:30+08:00", datetime(2026, 11, 24, 4, 30, tzinfo=UTC)),
        ("0001-01-01T00:00+08:00", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:00-08:00", datetime.max.replace(tzinfo=UTC)),
        ("3d", NOW - timedelta(days=3)),
        ("1h30m", NOW - timedelta(minutes=90)),
    ],
)
def test_a_moment(text: str, moment: datetime) -> None:
    assert parse_moment(text, now=NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "24.11.2026", "2026-13-01", "-3d"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: expected such as 2026-11-24"):
        parse_moment(text, now=NOW)
