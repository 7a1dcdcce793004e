"""Logs: one line an event, on stderr, as text (logfmt) or JSON. A job's lines carry its item and tag.

`event` is a key that alerts can match and that stays, and `message` is a sentence:
`log.get().info("tag_synced", message="synced")`. docs/log.md lists the keys. A library's text is its line's event.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Format = Literal["text", "json"]


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.format_exc_info,  # a traceback becomes one field: one line an event
]
_MOST_WARNINGS = 200  # different ones that are kept for the end


def configure(*, level: str, form: Format, file: Path | None = None) -> None:
    """Configure the log: all lines, also the libraries', go through one renderer, to stderr or the end of a file.

    Raises OSError for a file that cannot be written.
    """
    logfmt = structlog.processors.LogfmtRenderer(
        key_order=["time", "level", "event", "message", "item", "tag"], drop_missing=True, bool_as_flag=False
    )
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else logfmt
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace") if file else _Stderr()
    handler.setFormatter(_formatter(_printable(renderer)))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("aiosqlite", "alembic", "asyncio", "aiohttp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


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


def _formatter(*renderers: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _as_sentence(_: WrappedLogger, __: str, fields: EventDict) -> str:
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
        self.setFormatter(_formatter(_as_sentence))
        self.sentences: list[str] = []
        self._notify = notify

    def emit(self, record: logging.LogRecord) -> None:
        sentence = self.format(record)
        self._notify(sentence.partition("\n")[0])
        recorded = isinstance(record.msg, dict) and "kind" in record.msg
        if not recorded and sentence not in self.sentences and len(self.sentences) < _MOST_WARNINGS:
            self.sentences.append(sentence)


class _Lines(logging.Handler):
    """Keeps messages as they are."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


def _printable(render: Processor) -> Processor:
    """A renderer whose lines have nothing that a terminal would obey, or show in another order (bidi)."""

    def printable(logger: WrappedLogger, name: str, fields: EventDict) -> str:
        return _escaped(str(render(logger, name, fields)))

    return printable


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def get() -> FilteringBoundLogger:
    """The logger. Get it where it is used, after `configure`."""
    logger: FilteringBoundLogger = structlog.get_logger("ferryman")
    return logger


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the current sys.stderr, which a live view replaces."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
