"""Load a command's settings, configure the log, and run the command on an event loop."""

import asyncio
import gc
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from ferryman import log
from ferryman.errors import ConfigurationError, Problem
from ferryman.settings import Settings

_T = TypeVar("_T")

_M_ARENA_MAX = -8  # of glibc's mallopt(3)

# Objects in reference cycles that may wait for a collection. Requests leave some 35 each: at Python's 700, looking for
# them took a twentieth of a copy's processor time.
_GARBAGE = 10_000


def load_settings(items: Path | None, log_file: Path | None = None) -> Settings:
    """Load the settings and configure the log. `items`: the option `--items`. Raises ConfigurationError."""
    settings = Settings.load(os.environ)
    try:
        log.configure(level=settings.log_level, form=settings.log_format, file=log_file)
    except OSError as error:
        raise ConfigurationError([Problem(f"--log-file {log_file}: {error.strerror or error}")]) from None
    return settings if items is None else settings.model_copy(update={"items": items})


def run(work: Coroutine[Any, Any, _T], *, interrupted: str | None = None) -> _T:
    """Run to the end. Raises KeyboardInterrupt after SIGTERM, as after Ctrl-C.

    `interrupted`: what becomes of the work then, for the message.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE, *gc.get_threshold()[1:])
    gc.enable()
    try:
        return asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):  # by SIGTERM
        raise KeyboardInterrupt(*filter(None, [interrupted])) from None


def run_service(service: Coroutine[Any, Any, None]) -> None:
    """`run` for a process that lasts."""
    _allocate_from_one_heap()
    run(service)


def _allocate_from_one_heap() -> None:
    """Let threads share the process's heap: what one frees, another uses.

    By default glibc gives each thread of the database a heap of its own. Their gaps added up: a service took 5 % more
    memory after 7,000 copies. Other C libraries have no such heaps.
    """
    import ctypes  # noqa: PLC0415 - 5 ms, which short commands need not wait for

    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, 1)
