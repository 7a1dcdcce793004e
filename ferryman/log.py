"""Logs: one line an event, on stderr, as text (logfmt) or JSON. A job's lines carry its item and tag."""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Format = Literal["text", "json"]


def configure(*, level: str, form: Format) -> None:
    """Send every log line, the libraries' too, through one renderer."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,  # a traceback becomes one field: one line an event
    ]
    logfmt = structlog.processors.LogfmtRenderer(
        key_order=["time", "level", "event", "item", "tag"], drop_missing=True, bool_as_flag=False
    )
    renderers: list[Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)] if form == "json" else [_without_returns, logfmt]
    )
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("aiosqlite", "alembic", "asyncio", "aiohttp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


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
