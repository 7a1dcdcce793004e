"""Opening the state database, and the rules of SQLite, stated once.

SQLite takes one writer at a time. So every write transaction begins IMMEDIATE: a deferred one that reads first
dies of "database is locked" when it comes to write, whatever the busy timeout, and the driver's default opens none
for a SELECT, which loses updates without an error. All writes of a process go through one connection: as fast
as many, and fair. Reads have their own connections, and see the last commit.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    CursorResult,
    Executable,
    MetaData,
    Row,
    String,
    Table,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncResult, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from ferryman.errors import ConfigurationError, NoDatabase, Problem, StoreError
from ferryman.store.database import sqlite_driver
from ferryman.store.database.errors import as_store_errors, brief
from ferryman.store.database.shielded import shielded
from ferryman.store.database.sqlite_file import checkpoint, settle
from ferryman.store.database.tables import VERSION

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_T = TypeVar("_T")
_Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_BUSY = 30_000  # milliseconds that SQLite waits for another process's write
_SHORTLY = 0.02  # seconds between two tries at what SQLite does not wait for
_CONNECTING = 10.0  # seconds that PostgreSQL may take to let us in
_SILENCE = 30.0  # seconds that it may take over one statement, or over a lock of another process
_MIGRATING = 1800.0  # the same for the statement of a migration, which may make a large table anew
_PATIENCE = 120.0  # seconds that a task waits for the process's own writer
_READERS = 4
_FETCHED = 1000  # rows that a stream has in hand
_ADVISORY_LOCK = 0x66657272796D616E  # PostgreSQL's name for "the writers of Ferryman"


async def open_database(url: str, *, create: bool = True) -> "Database":
    """Open the state database at `url`, made or migrated to this version's schema if need be.

    Without `create` neither is done, as befits who only reads: NoDatabase is raised where there is none, StoreError
    for an older schema. Any number of processes may open it at once. Raises ConfigurationError for a URL that names
    none, and StoreError, also for the database of a newer Ferryman.
    """
    if (file := file_of(url)) is not None:
        if not create and not holds_something(file):
            raise no_database(str(file.absolute()))
        await asyncio.to_thread(settle, file)
    database = Database(url)
    try:
        async with database.read() as connection:
            version = await connection.run_sync(_version)
        if version is None and not create:
            raise no_database(database.name)  # noqa: TRY301 - the database is closed alike
        if version != VERSION:
            await (_migrate(url, database.name) if create else _demand_current(database))
    except TypeError as error:  # asyncpg takes the URL's query as its own arguments
        await database.close()
        raise _wrong_url(f"it has an option that is not asyncpg's: {brief(error)}") from error
    except BaseException:
        await database.close()
        raise
    return database


def file_of(url: str) -> Path | None:
    """SQLite's file; None: another kind of database. Raises ConfigurationError."""
    return _file_of(_parse(url))


def holds_something(file: Path) -> bool:
    """Whether there is a file at all, and not an empty one."""
    try:
        return file.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # whoever opens it will tell
        return True


def no_database(name: str) -> NoDatabase:
    """The error for a place where a database was looked for."""
    return NoDatabase(
        f"there is no state database at {name}: `ferryman run`, `sync` and `migrate` make one, "
        "and FERRYMAN_DATABASE_URL says where"
    )


def _version(connection: Connection) -> str | None:
    """The schema's; None: there is nothing of Ferryman's."""
    versions = Table("alembic_version", MetaData(), Column("version_num", String))
    if not inspect(connection).has_table(versions.name):
        return None
    found: str | None = connection.scalar(select(versions.c.version_num))
    return found


async def _migrate(url: str, name: str) -> None:
    from ferryman.store.database import migrate  # noqa: PLC0415 - Alembic would be a tenth of every start

    async with migrating(url) as connection:
        await connection.run_sync(partial(migrate.upgrade, name=name))


async def _demand_current(database: "Database") -> None:
    from ferryman.store.database import migrate  # noqa: PLC0415 - as above

    async with database.read() as connection:
        await connection.run_sync(partial(migrate.demand_current, name=database.name))


class Database:
    """A state database: short transactions, one at a time for writing. Its repr holds no secret."""

    def __init__(self, url: str) -> None:
        """Nothing is opened before the first use, but SQLite's folder is made.

        Raises ConfigurationError for a URL that names no database, and StoreError.
        """
        parsed = _parse(url)
        self.file = _file_of(parsed)  # None: not SQLite
        self.name = _name_of(parsed)  # for people
        if self.file is not None:
            make_folder(self.file)
        with as_store_errors(self.name):
            self._writer = _make_engine(parsed, begin="BEGIN IMMEDIATE", connections=1 if self.file else 10)
            self._reader = _make_engine(parsed, begin="BEGIN", connections=_READERS) if self.file else self._writer

    @asynccontextmanager
    async def write(self, *, alone: bool = False) -> AsyncIterator["Transaction"]:
        """A transaction that writes: committed at the end, rolled back by an error. Raises StoreError.

        On SQLite every one is alone. On PostgreSQL those that touch one tag run side by side;
        `alone` waits for them and keeps them out, for what touches many.
        """
        async with self._transaction(self._writer) as transaction:
            if self.file is None:
                await transaction.execute(_EXCLUSIVE if alone else _SHARED)
            yield transaction

    @asynccontextmanager
    async def read(self) -> AsyncIterator["Transaction"]:
        """A transaction that only reads. Raises StoreError."""
        async with self._transaction(self._reader) as transaction:
            yield transaction

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator["Transaction"]:
        with as_store_errors(self.name):
            connection = engine.connect()
            try:
                await shielded(_begin(connection))
                yield Transaction(connection)
            except BaseException:
                await shielded(_roll_back(connection))
                raise
            await shielded(_commit(connection))

    async def checkpoint(self) -> None:
        """Let SQLite's file hold what its log does, as far as no reader needs the old state. Raises StoreError."""
        if self.file is not None:
            await asyncio.to_thread(checkpoint, self.file)

    async def close(self) -> None:
        """Give the connections back. Idempotent."""
        with as_store_errors(self.name):
            await self._writer.dispose()
            await self._reader.dispose()

    def __repr__(self) -> str:
        return f"Database({self.name})"


class Transaction:
    """A connection in a transaction. Its operations may be cancelled, but not torn."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(self, statement: Executable, parameters: _Parameters = None) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement, once or (for a list of parameters) many times; all of its rows are fetched."""
        return await shielded(self._connection.execute(statement, parameters))

    async def scalar(self, statement: Executable) -> Any:
        """The first column of the first row, or None."""
        return await shielded(self._connection.scalar(statement))

    async def stream(self, statement: Executable) -> AsyncIterator[Row[*tuple[Any, ...]]]:
        """The rows, fetched as they are taken."""
        result = await shielded(_start_stream(self._connection, statement))
        while rows := await shielded(result.fetchmany(_FETCHED)):
            for row in rows:
                yield row

    async def run_sync(self, function: Callable[[Connection], _T]) -> _T:
        """Run what knows only SQLAlchemy's synchronous connection."""
        return await shielded(self._connection.run_sync(function))

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT, which both dialects spell alike."""
        if self._connection.dialect.name == "sqlite":
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a twentieth of every start, and few use it

        return postgresql.insert(table)


async def _start_stream(connection: AsyncConnection, statement: Executable) -> AsyncResult[*tuple[Any, ...]]:
    return await connection.stream(statement)


async def _begin(connection: AsyncConnection) -> None:
    await connection.start()
    await connection.begin()


async def _roll_back(connection: AsyncConnection) -> None:
    if connection.sync_connection is not None:  # it was opened
        await connection.close()


async def _commit(connection: AsyncConnection) -> None:
    try:
        await connection.commit()
    finally:
        await connection.close()


_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_ADVISORY_LOCK})")
_EXCLUSIVE = text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[AsyncConnection]:
    """The one transaction in which a database is migrated: all of it, or nothing.

    SQLite's foreign keys are off in it and checked at its end: a batch migration makes a table anew and drops
    the old one, which would delete the rows that refer to it. Raises ConfigurationError, StoreError.
    """
    parsed = _parse(url)
    name = _name_of(parsed)
    if (file := _file_of(parsed)) is not None:
        make_folder(file)
    with as_store_errors(name):
        engine = _make_engine(
            parsed, begin="BEGIN IMMEDIATE", connections=1, foreign_keys=False, command_timeout=_MIGRATING
        )
        try:
            async with engine.begin() as connection:
                if file is None:
                    await connection.execute(_EXCLUSIVE)
                yield connection
                if file is not None and (await connection.execute(text("PRAGMA foreign_key_check"))).first():
                    raise StoreError(
                        f"the state database {name}: migrating it would break its foreign keys; nothing was changed"
                    )
        finally:
            await engine.dispose()


def _parse(url: str) -> URL:
    """Any URL of SQLite or PostgreSQL: which driver it names is no matter. A message never quotes it: passwords."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # The cause quotes it.
        raise _wrong_url("expected sqlite+aiosqlite:///file or postgresql+asyncpg://…") from None
    if backend not in _DRIVERS:
        raise _wrong_url(f"{backend} is not supported, expected sqlite or postgresql")
    if backend == "sqlite" and (parsed.database in {None, "", ":memory:"} or str(parsed.database).startswith("file:")):
        raise _wrong_url("it names no file, expected sqlite+aiosqlite:///path/to/ferryman.db")
    if backend != "sqlite" and "@" in (parsed.host or ""):  # the end of a password, which would be shown
        raise _wrong_url("write an @ in a user name or password as %40")
    return parsed.set(drivername=_DRIVERS[backend])


def _wrong_url(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"FERRYMAN_DATABASE_URL: {message}")])


def _file_of(url: URL) -> Path | None:
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _name_of(url: URL) -> str:
    """The file, or the server and the database: a URL's user, password and query are nobody's business."""
    if (file := _file_of(url)) is not None:
        return str(file)
    return f"postgresql://{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"


def make_folder(file: Path) -> None:
    """Make the folder that SQLite's file lies in. Raises StoreError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise StoreError(f"the state database {file} is a folder; FERRYMAN_DATABASE_URL has to name a file")
    except OSError as error:
        raise StoreError(f"the state database's folder {file.parent} cannot be made: {error.strerror}") from error


def _make_engine(
    url: URL, *, begin: str, connections: int, foreign_keys: bool = True, command_timeout: float | None = None
) -> AsyncEngine:
    """`command_timeout` is PostgreSQL's, in seconds; SQLite has no server that could fall silent."""
    file = _file_of(url)
    limits = {"timeout": _CONNECTING, "command_timeout": command_timeout or _SILENCE}
    engine = create_async_engine(
        url,
        connect_args={} if file else limits,
        async_creator=partial(sqlite_driver.connect, file.absolute()) if file else None,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_PATIENCE,
        pool_pre_ping=file is None,
        hide_parameters=True,
    )
    if file:
        _obey_sqlite(engine, begin=begin, foreign_keys=foreign_keys)
    else:
        _leave_the_silent(engine)
    return engine


def _leave_the_silent(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "handle_error")
    def leave(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            context.is_disconnect = True  # or ROLLBACK would be said to the same silence


def _patiently(change: Callable[[], object]) -> None:
    """Wait for a lock that SQLite does not wait for itself: to two who change a new file's journal at once, it says at
    once to one of them that the file is locked, whatever its timeout, lest they wait for each other.
    """
    Retrying(
        retry=retry_if_exception(lambda error: getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY),
        stop=stop_after_delay(_BUSY / 1000),
        wait=wait_fixed(_SHORTLY),
        sleep=lambda seconds: await_(asyncio.sleep(seconds)),  # SQLAlchemy runs this beside the loop, not in it
        reraise=True,
    )(change)


def _obey_sqlite(engine: AsyncEngine, *, begin: str, foreign_keys: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        try:
            # The driver's own transactions off, before the pragmas: inside one, `foreign_keys` does nothing.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_BUSY}")  # first: the next one takes a lock
            _patiently(lambda: cursor.execute("PRAGMA journal_mode = WAL"))
            cursor.execute("PRAGMA synchronous = NORMAL")
            cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
            cursor.close()
        except BaseException:
            connection.close()  # the pool does not have it yet; its thread would outlive the loop
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:
        # Past the cursor of SQLAlchemy: it would take three turns of the driver's thread for this, and COMMIT only one.
        driver: Any = connection.connection.dbapi_connection
        driver.run_async(lambda aiosqlite: aiosqlite.execute(begin))
