"""Numbers, sizes and times as the current language writes them. Everything that is shown is in UTC."""

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

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
    language = current()
    return f"{_moments(language.code).apply(at.astimezone(UTC), language.locale)} UTC"


@cache
def _moments(language: str) -> dates.DateTimePattern:
    """Date and time in one pattern: `format_datetime` applies two and joins them, in three times the time."""
    locale = languages()[language].locale
    pattern = str(dates.get_datetime_format("medium", locale=locale)).replace("'", "")
    of_time, of_date = (find("medium", locale=locale) for find in (dates.get_time_format, dates.get_date_format))
    return dates.parse_pattern(pattern.replace("{0}", of_time.pattern).replace("{1}", of_date.pattern))


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
