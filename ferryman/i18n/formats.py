"""Numbers, sizes and times as the current language writes them. Everything that is shown is in UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from babel import dates, numbers

from ferryman.i18n.languages import languages
from ferryman.i18n.texts import _, current

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


def number(value: float) -> str:
    """`1,234,567`."""
    return _decimal(value, current().code)


@lru_cache(maxsize=10_000)  # a page has thousands of numbers, and babel takes its time for each
def _decimal(value: float, language: str) -> str:
    return numbers.format_decimal(value, locale=languages()[language].locale)


def percent(fraction: float) -> str:
    """`42%`, of 0.42."""
    return numbers.format_percent(fraction, locale=current().locale)


def size(count: float) -> str:
    """Bytes in binary units: `20 GiB`, `1.4 MiB`."""
    power = 0
    while abs(count) >= _STEP and power < len(_UNITS) - 1:
        count, power = count / _STEP, power + 1
    pattern = "#,##0.#" if power and abs(count) < 100 else "#,##0"  # noqa: PLR2004 - three digits at most
    return f"{numbers.format_decimal(count, pattern, locale=current().locale)} {_UNITS[power]}"


def moment(at: datetime) -> str:
    """`May 1, 2026, 12:00:00 PM UTC`: never ambiguous."""
    text = dates.format_datetime(at.astimezone(UTC), "medium", locale=current().locale)
    return f"{text} UTC"


def relative(at: datetime, now: datetime) -> str:
    """`3 minutes ago`, `in 2 hours`, `now`."""
    if abs(at - now) < timedelta(seconds=1):
        return _("now")
    return dates.format_timedelta(at - now, add_direction=True, threshold=1, locale=current().locale)


def duration(length: timedelta) -> str:
    """`3 minutes`."""
    return dates.format_timedelta(length, threshold=1, locale=current().locale)


def seconds(length: float) -> str:
    """`3 minutes`, of 180."""
    return duration(timedelta(seconds=round(length)))
