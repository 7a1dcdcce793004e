"""Open SQLite files with aiosqlite, so that none of its threads outlives the event loop.

After a file could not be opened, aiosqlite does not wait for its thread. The thread may then report to a closed loop,
which prints a traceback ("Event loop is closed") after our one-line error.
"""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import aiosqlite

_FETCHED_AT_ONCE = 64  # aiosqlite's own default; SQLAlchemy fetches by its own numbers


class _Connection(aiosqlite.Connection):
    """Keeps the future of its thread's end."""

    stopped: "asyncio.Future[None] | None" = None

    def stop(self) -> "asyncio.Future[None] | None":
        self.stopped = super().stop()
        return self.stopped


async def connect(file: Path) -> aiosqlite.Connection:
    """Open the file. Raises sqlite3.Error, after the thread has ended."""
    opening = partial(sqlite3.connect, file, check_same_thread=False)
    connection = _Connection(opening, _FETCHED_AT_ONCE)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does: a leaked connection must not delay the exit
    try:
        return await connection
    except BaseException:
        if connection.stopped is not None:
            await asyncio.wait([connection.stopped])
        raise
