"""Parses the timestamp formats of registries; implausible values become None."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # reproducible builds write 0, or ZIP's first day, for "no time"


def from_iso(text: Any) -> datetime | None:
    """ISO 8601, as Docker Hub and OCI use it: 2026-03-23T09:48:42.07709Z, with any number of decimals."""
    try:
        return _plausible(datetime.fromisoformat(text))
    except (TypeError, ValueError):
        return None


def from_mail(text: Any) -> datetime | None:
    """RFC 2822, quay's `last_modified`: Tue, 06 Feb 2024 09:39:24 -0000."""
    try:
        return _plausible(parsedate_to_datetime(text))
    except (TypeError, ValueError, AttributeError):
        return None


def from_seconds(count: Any) -> datetime | None:
    """A Unix time in seconds, as a number or a string."""
    return _since_epoch(count, _SECOND)


def from_milliseconds(count: Any) -> datetime | None:
    """A Unix time in milliseconds, as a string: Google's format."""
    return _since_epoch(count, _MILLISECOND)


def _since_epoch(count: Any, unit: timedelta) -> datetime | None:
    try:
        moment = _EPOCH + int(count) * unit
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment >= _EARLIEST else None


def _plausible(moment: datetime) -> datetime | None:
    try:
        utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return None
    return utc if utc >= _EARLIEST else None
