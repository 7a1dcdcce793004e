"""The languages of the page and of messages: one gettext catalogue each, read at its first use."""

import functools
import gettext
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locale"


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its texts, and how it writes numbers and times."""

    code: str  # in cookies, settings and `?lang=`
    tag: str  # BCP 47, for `<html lang>`
    name: str  # in itself
    locale: Locale
    texts: gettext.NullTranslations


@functools.cache
def languages() -> dict[str, Language]:
    """Every language, by its code; the first is the default."""
    return {
        "en": Language("en", "en", "English", Locale("en"), gettext.NullTranslations()),
        "zh": Language("zh", "zh-Hans", "简体中文", Locale("zh", script="Hans"), _catalogue("zh")),
    }


def _catalogue(code: str) -> gettext.GNUTranslations:
    """The texts of `messages.po`, compiled in memory: no build step can be forgotten."""
    with (FOLDER / code / "LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def negotiate(accepted: str) -> Language:
    """The language for an `Accept-Language` header (RFC 9110, section 12.5.4): the default if it names none of ours."""
    known = languages()
    for wanted in _by_preference(accepted.split(",")):
        if (language := known.get(wanted.partition("-")[0])) is not None:
            return language
    return next(iter(known.values()))


_MOST_RANGES = 20  # a header that names more is cut


def _by_preference(ranges: Iterable[str]) -> list[str]:
    weighted = [_weighted(each) for each in list(ranges)[:_MOST_RANGES]]
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]


def _weighted(text: str) -> tuple[float, str]:
    tag, _, parameter = text.partition(";")
    try:
        weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
    except ValueError:
        weight = 0.0
    return weight, tag.strip().lower()
