"""Open SQLite files with aiosqlite: none of its threads outlives the event loop, and a statement is one call to it.

After a file could not be opened, aiosqlite does not wait for its thread. The thread may then report to a closed loop,
which prints a traceback ("Event loop is closed") after our one-line error.

SQLAlchemy creates a cursor, executes, fetches and closes: four calls to the thread, each of which takes longer than
a small query. Here only the execution is one, and brings the first rows with it. `transact` needs one for a whole
transaction.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite
from sqlalchemy import Connection, StaticPool, create_engine, event

_T = TypeVar("_T")

_FETCHED_AT_ONCE = 500  # rows that come with the execution


class _Cursor(aiosqlite.Cursor):
    """Reads the first rows while it executes; only further ones need another call to the thread."""

    _ahead: Sequence[Any] = ()  # rows that were read, and not fetched yet
    _has_more = False  # rows that were not read yet

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        values = () if parameters is None else parameters
        await self._execute(self._execute_and_read, sql, values)  # type: ignore[no-untyped-call]
        return self

    def _execute_and_read(self, sql: str, parameters: Any) -> None:
        self._cursor.execute(sql, parameters)
        self._ahead = self._cursor.fetchmany(_FETCHED_AT_ONCE)
        self._has_more = len(self._ahead) == _FETCHED_AT_ONCE

    async def fetchmany(self, size: int | None = None) -> Iterable[Any]:
        """At most so many rows, and none at the end only."""
        if not self._ahead and self._has_more:
            return await super().fetchmany(size)
        size = self.arraysize if size is None else size
        rows, self._ahead = self._ahead[:size], self._ahead[size:]
        return rows

    async def fetchall(self) -> Iterable[Any]:
        rows, self._ahead = self._ahead, []
        return [*rows, *await super().fetchall()] if self._has_more else rows

    async def close(self) -> None:
        if self._has_more:
            await super().close()
        else:
            self._cursor.close()  # nothing is open: it does not touch the file


class _Connection(aiosqlite.Connection):
    """Keeps the future of its thread's end, and SQLAlchemy's synchronous connection to the same file."""

    stopped: "asyncio.Future[None] | None" = None
    begin: str  # the statement that begins a transaction
    _synchronous: Connection | None = None  # made at its first use

    @property
    def has_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection is not None and self._connection.in_transaction

    async def transact(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in the thread, in a transaction that ends with it."""
        result: _T = await self._execute(self._transact, work)  # type: ignore[no-untyped-call]
        return result

    def _transact(self, work: Callable[[Connection], _T]) -> _T:
        connection = self._synchronous = self._synchronous or _synchronous(self._conn, self.begin)
        with connection.begin():
            return work(connection)

    def cursor(self) -> _Cursor:  # type: ignore[override]  # it is entered in the same way
        return _Cursor(self, self._conn.cursor())

    def stop(self) -> "asyncio.Future[None] | None":
        self.stopped = super().stop()
        return self.stopped


def _synchronous(driver: sqlite3.Connection, begin: str) -> Connection:
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: driver,
        poolclass=StaticPool,
        pool_reset_on_return=None,  # it is closed as aiosqlite's, not by this pool
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def start(_: Connection) -> None:
        driver.execute(begin)

    return engine.connect()


async def connect(file: Path, *, begin: str) -> aiosqlite.Connection:
    """Open the file. `begin` begins a `transact`. Raises sqlite3.Error, after the thread has ended."""
    opening = partial(sqlite3.connect, file, check_same_thread=False)
    connection = _Connection(opening, _FETCHED_AT_ONCE)
    connection.begin = begin
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does: a leaked connection must not delay the exit
    try:
        return await connection
    except BaseException:
        if connection.stopped is not None:
            await asyncio.wait([connection.stopped])
        raise
