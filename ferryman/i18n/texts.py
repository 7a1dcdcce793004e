"""Texts in the reader's language: `_("…")` and `ngettext("…", "…", n)`, as gettext names them.

The current language is a context variable: a request, or whoever writes a message, sets it once. Texts that are made
before the language is known are marked by `N_("…")`, and translated by `_()` when they are shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ferryman.i18n.languages import Language, languages
from ferryman.wording import N_ as N_  # noqa: PLC0414 - for whoever has texts

_current: ContextVar[Language | None] = ContextVar("language", default=None)


def current() -> Language:
    """The language of this context; the default where nobody has set one."""
    return _current.get() or next(iter(languages().values()))


@contextmanager
def using(language: Language) -> Iterator[None]:
    """Write in this language inside the context."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def _(message: str) -> str:
    """The message in the current language. Fill its %(names)s in afterwards: `_("%(n)s tags") % {"n": n}`."""
    return current().texts.gettext(message) if message else ""


gettext = _


def ngettext(singular: str, plural: str, number: int) -> str:
    """The message for so many, in the current language."""
    return current().texts.ngettext(singular, plural, number)
