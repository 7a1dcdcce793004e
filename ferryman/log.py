"""Logs: one line an event, on stderr, as text (logfmt) or JSON. A job's lines carry its item and tag.

`event` is a key that alerts can match and that stays, and `message` is a sentence:
`log.get().info("tag_synced", message="synced")`. docs/log.md lists the keys. A library's text is its line's event.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from structlog.typing import Processor

Format = Literal["text", "json"]

_FIRST = ("time", "level", "event", "message", "item", "tag")  # what people look for
_MOST_WARNINGS = 200  # different ones that are kept for the end
_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))


class _Fields(dict[str, object]):
    """What was logged by `get()`, as a record's message: the event and its fields."""


def configure(*, level: str, form: Format, file: Path | None = None) -> None:
    """Configure the log: all lines, also the libraries', go through one renderer, to stderr or the end of a file.

    Raises OSError for a file that cannot be written.
    """
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace") if file else _Stderr()
    handler.setFormatter(formatter(form))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("aiosqlite", "alembic", "asyncio", "aiohttp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


class Log:
    """Writes events: a stable key in snake_case, and fields. An exception as `exc_info` becomes a traceback."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            error = fields.pop("exc_info", None)
            traceback = error if isinstance(error, BaseException) else None
            line = _Fields(event=event, **fields)
            for name, value in _bound.get().items():
                line.setdefault(name, value)
            self._logger.log(level, line, exc_info=traceback)


_LOG = Log(logging.getLogger("ferryman"))


def get() -> Log:
    """The log."""
    return _LOG


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add these fields to every line of this task inside the context, and of the tasks that it starts there."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


@contextmanager
def off_the_screen(notify: Callable[[str], None]) -> Iterator[list[str]]:
    """Log nothing to stderr inside the context. Warnings and errors go to `notify` as sentences, and to the list, once.

    Those with a `kind` are not added to the list, because they are recorded in the database. A log file is still
    written.
    """
    root = logging.getLogger()
    buffer = _WarningBuffer(notify)
    before = root.handlers
    root.handlers = [*(handler for handler in before if not isinstance(handler, _Stderr)), buffer]
    try:
        yield buffer.sentences
    finally:
        root.handlers = before


@contextmanager
def diverted(library: str) -> Iterator[list[str]]:
    """Keep what a library logs, which may hold secrets, from the log. Its warnings and errors go to the list."""
    logger, lines = logging.getLogger(library), _Lines()
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [lines], False
    logger.setLevel(logging.WARNING)
    try:
        yield lines.found
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])


def formatter(form: Format) -> logging.Formatter:
    """Renders a line of this form."""
    return _Formatter(_as_json if form == "json" else _as_logfmt)


_Render = Callable[[dict[str, object]], str]


class _Formatter(logging.Formatter):
    """Renders the fields of a record; a traceback becomes one field: one line an event."""

    def __init__(self, render: _Render) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(self._fields(record))

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        ours = record.msg if isinstance(record.msg, _Fields) else {**_bound.get(), "event": record.getMessage()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        fields: dict[str, object] = {**ours, "time": at, "level": record.levelname.lower()}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        first = {name: fields.pop(name) for name in _FIRST if name in fields}
        return {**first, **fields}


# structlog is loaded with the first line: it takes a fifth of the start, and many commands write none.
def _as_json(fields: dict[str, object]) -> str:
    return _printable(_json_renderer()(None, "", fields))


def _as_logfmt(fields: dict[str, object]) -> str:
    return _printable(_logfmt_renderer()(None, "", fields))


@cache
def _json_renderer() -> "Processor":
    from structlog.processors import JSONRenderer  # noqa: PLC0415

    return JSONRenderer(ensure_ascii=False)


@cache
def _logfmt_renderer() -> "Processor":
    from structlog.processors import LogfmtRenderer  # noqa: PLC0415

    return LogfmtRenderer(bool_as_flag=False)


def _as_sentence(fields: dict[str, object]) -> str:
    """Render `warning: etcd:v3.5: message: details`, and a traceback below it."""
    rest = dict(fields)
    level, event, traceback = rest.pop("level"), rest.pop("event"), rest.pop("exception", None)
    message = rest.pop("message", event)
    subject = ":".join(str(rest.pop(name)) for name in ("item", "tag") if name in rest)
    for name in ("time", "attempt", "kind"):
        rest.pop(name, None)
    error = rest.pop("error", None)
    details = [f"{name}: {value}" for name, value in rest.items()] + ([str(error)] if error else [])
    line = ": ".join(part for part in (str(level), subject, str(message), "; ".join(details)) if part)
    return f"{line}\n{traceback}" if traceback else line


class _WarningBuffer(logging.Handler):
    """Keeps warnings and errors for the end."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(_Formatter(_as_sentence))
        self.sentences: list[str] = []
        self._notify = notify

    def emit(self, record: logging.LogRecord) -> None:
        sentence = self.format(record)
        self._notify(sentence.partition("\n")[0])
        recorded = isinstance(record.msg, _Fields) and "kind" in record.msg
        if not recorded and sentence not in self.sentences and len(self.sentences) < _MOST_WARNINGS:
            self.sentences.append(sentence)


class _Lines(logging.Handler):
    """Keeps messages as they are."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


def _printable(line: object) -> str:
    """The line without anything that a terminal would obey, or show in another order (bidi)."""
    text = str(line)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the current sys.stderr, which a live view replaces."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
