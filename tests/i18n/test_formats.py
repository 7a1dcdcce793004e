"""Numbers and times as each language writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from babel import dates

from ferryman.i18n import formats
from ferryman.i18n.languages import Language, languages
from ferryman.i18n.texts import N_, _, current, ngettext, using

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EN, ZH = languages()["en"], languages()["zh"]


def test_a_text_is_in_the_language_of_its_context() -> None:
    text = N_("Overview")
    assert (_(text), current()) == ("Overview", EN)
    with using(ZH):
        assert (_(text), current()) == ("总览", ZH)
        assert ngettext("%(num)s byte", "%(num)s bytes", 2) % {"num": 2} == "2 字节"
    assert ngettext("%(num)s byte", "%(num)s bytes", 1) % {"num": 1} == "1 byte"
    assert _("") == "", "not the catalogue's head"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (20 * 2**30, "20 GiB"),
     (123.4 * 2**20, "123 MiB"), (2**60, "1,024 PiB")],
)  # fmt: skip
def test_sizes(count: float, text: str) -> None:
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(-180, "3 minutes ago", "3分钟前"), (7200, "in 2 hours", "2小时后"), (0, "now", "现在"), (-0.4, "now", "现在"),
     (-86400 * 3, "3 days ago", "3天前")],
)  # fmt: skip
def test_relative_times(seconds: float, english: str, chinese: str) -> None:
    at = NOON + timedelta(seconds=seconds)
    assert formats.relative(at, NOON) == english
    with using(ZH):
        assert formats.relative(at, NOON) == chinese


def test_moments_are_in_utc() -> None:
    elsewhere = datetime(2026, 5, 1, 20, tzinfo=timezone(timedelta(hours=8)))
    assert formats.moment(elsewhere).replace("\u202f", " ") == "May 1, 2026, 12:00:00 PM UTC"
    with using(ZH):
        assert formats.moment(elsewhere) == "2026年5月1日 12:00:00 UTC"
        assert formats.duration(timedelta(minutes=3)) == "3分钟"


@pytest.mark.parametrize("language", languages().values())
def test_moments_are_as_babel_writes_them(language: Language) -> None:
    with using(language):
        for hour in (0, 9, 12, 23):
            at = NOON.replace(hour=hour, minute=4, second=5)
            assert formats.moment(at) == f"{dates.format_datetime(at, 'medium', locale=language.locale)} UTC"


def test_numbers() -> None:
    assert (formats.number(1234567), formats.percent(0.42)) == ("1,234,567", "42%")
