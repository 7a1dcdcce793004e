"""Logs: one line an event, on stderr, as text (logfmt) or JSON. A job's lines carry its item and tag.

`event` is a key that alerts can match and that stays, and `message` is a sentence:
`log.get().info("tag_synced", message="synced")`. docs/log.md lists the keys. A library's text is its line's event.
"""

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
_MOST_WARNINGS = 200  # different ones that are kept


def configure(*, level: str, form: Format, file: Path | None = None) -> None:
    """Send every log line, the libraries' too, through one renderer, to stderr or to the end of a file.

    Raises OSError for a file that cannot be written.
    """
    logfmt = structlog.processors.LogfmtRenderer(
        key_order=["time", "level", "event", "message", "item", "tag"], drop_missing=True, bool_as_flag=False
    )
    renderers: list[Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)] if form == "json" else [_without_returns, logfmt]
    )
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace") if file else _Stderr()
    handler.setFormatter(_formatter(*renderers))
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
def off_the_screen(tell: Callable[[str], None]) -> Iterator[list[str]]:
    """Write nothing to stderr meanwhile. Warnings and errors are told as sentences, and kept in the list, each once.

    Those with a `kind` are not kept: the record has them as well. What goes to a file goes on doing so.
    """
    root = logging.getLogger()
    kept = _WarningBuffer(tell)
    before = root.handlers
    root.handlers = [*(handler for handler in before if not isinstance(handler, _Stderr)), kept]
    try:
        yield kept.sentences
    finally:
        root.handlers = before


def _formatter(*renderers: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _as_sentence(_: WrappedLogger, __: str, fields: EventDict) -> str:
    """`warning: etcd:v3.5: what happened: its details`, and a traceback below it."""
    told = dict(fields)
    level, event, traceback = told.pop("level"), told.pop("event"), told.pop("exception", None)
    message = told.pop("message", event)
    about = ":".join(str(told.pop(name)) for name in ("item", "tag") if name in told)
    for name in ("time", "attempt", "kind"):
        told.pop(name, None)
    error = told.pop("error", None)
    details = [f"{name}: {value}" for name, value in told.items()] + ([str(error)] if error else [])
    line = ": ".join(part for part in (str(level), about, str(message), "; ".join(details)) if part)
    return f"{line}\n{traceback}" if traceback else line


class _WarningBuffer(logging.Handler):
    """Keeps warnings and errors for the end."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(_formatter(_as_sentence))
        self.sentences: list[str] = []
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        sentence = self.format(record)
        self._tell(sentence.partition("\n")[0])
        told_elsewhere = isinstance(record.msg, dict) and "kind" in record.msg
        if not told_elsewhere and sentence not in self.sentences and len(self.sentences) < _MOST_WARNINGS:
            self.sentences.append(sentence)


def _without_returns(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """logfmt escapes line feeds only, and a carriage return lets a line overwrite itself on a terminal."""
    return {name: value.replace("\r", "\\r") if isinstance(value, str) else value for name, value in fields.items()}


def get() -> FilteringBoundLogger:
    """A logger; ask for it where it is used, after `configure`."""
    logger: FilteringBoundLogger = structlog.get_logger("ferryman")
    return logger


class _Stderr(logging.StreamHandler[TextIO]):
    """Whatever sys.stderr is when the line is written: a live view puts itself in its place."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
