"""Open the state database: connection pools, transactions, and the rules for SQLite.

SQLite allows one writer at a time. So every write transaction begins IMMEDIATE: a deferred one that reads first fails
with "database is locked" when it starts to write, whatever the busy timeout. The driver's default opens no transaction
for a SELECT, which loses updates without an error. All writes of a process go through one connection, which is as fast
as several, and fair. Reads have their own connections, and see the last commit.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from sqlalchemy import (
    Column,
    Connection,
    CursorResult,
    Engine,
    Executable,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    TextClause,
    create_engine,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState
from sqlalchemy.util import await_, greenlet_spawn

from ferryman.errors import ConfigurationError, NoDatabase, Problem, StoreError
from ferryman.store.database import sqlite_driver, upserts
from ferryman.store.database.errors import as_store_errors, brief
from ferryman.store.database.shielded import shielded
from ferryman.store.database.sqlite_file import checkpoint, remove_stale_log
from ferryman.store.database.tables import VERSION, metadata, set_postgresql_options

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

_Arguments = TypeVarTuple("_Arguments")
_T = TypeVar("_T")
_Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_BUSY_TIMEOUT = 30_000  # milliseconds that SQLite waits for another process's write
_BUSY_RETRY_INTERVAL = 0.02  # seconds between retries where SQLite itself does not wait for a lock
_CONNECT_TIMEOUT = 10.0  # seconds to connect to PostgreSQL
_COMMAND_TIMEOUT = 30.0  # seconds for one PostgreSQL statement, including the wait for another process's lock
_MIGRATION_TIMEOUT = 1800.0  # the same for a statement of a migration, which may rebuild a large table
_POOL_TIMEOUT = 120.0  # seconds that a task waits for a connection of the pool
_READ_CONNECTIONS = 4
_READ_CACHE = 512  # KiB of each: reads pass over more than any cache holds, and SQLite's 2 MiB make them no faster
_READING, _WRITING = "BEGIN", "BEGIN IMMEDIATE"
_ROWS_PER_FETCH = 1000  # of a streamed query
_ADVISORY_LOCK = 0x66657272796D616E  # PostgreSQL's key of the lock that Ferryman's writers share


async def open_database(url: str, *, create: bool = True) -> "Database":
    """Open the state database at `url`; create it or migrate its schema if necessary.

    Without `create`, for commands that only read, it does neither, and raises NoDatabase where there is none,
    StoreError for an older schema. Any number of processes may open it at once. Raises ConfigurationError for an
    invalid URL, and StoreError, also for the database of a newer Ferryman.
    """
    if (file := file_of(url)) is not None:
        if not create and not has_content(file):
            raise no_database(str(file.absolute()))
        await asyncio.to_thread(remove_stale_log, file)
    database = Database(url)
    try:
        async with database.read() as connection:
            version = await connection.run_sync(_version)
        if version is None and not create:
            raise no_database(database.name)  # noqa: TRY301 - the database is closed alike
        if version != VERSION:
            await (_migrate(url, database.name) if create else _require_current_schema(database))
    except TypeError as error:  # asyncpg takes the URL's query as its own arguments
        await database.close()
        raise _url_error(f"it has an option that is not asyncpg's: {brief(error)}") from error
    except BaseException:
        await database.close()
        raise
    return database


def file_of(url: str) -> Path | None:
    """SQLite's file; None: not SQLite. Raises ConfigurationError."""
    return _file_of(_parse(url))


def has_content(file: Path) -> bool:
    """Whether the file exists and is not empty."""
    try:
        return file.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # opening it reports the error
        return True


def no_database(name: str) -> NoDatabase:
    """The error for a missing database. `name`: the file, or the server and the database."""
    return NoDatabase(
        f"there is no state database at {name}: `ferryman run`, `sync` and `migrate` make one, "
        "and FERRYMAN_DATABASE_URL says where"
    )


def _version(connection: Connection) -> str | None:
    """The schema's version; None: no schema of Ferryman."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    found: str | None = connection.scalar(select(_VERSIONS.c.version_num))
    return found


async def _migrate(url: str, name: str) -> None:
    """Make the schema in a new database, or bring that of an older one up to date."""
    async with migrating(url) as connection:
        # Again, now that no other process can write: another one may have done it first.
        if await connection.run_sync(_version) is None:
            await connection.run_sync(_create_schema)
            return
        from ferryman.store.database import migrate  # noqa: PLC0415 - importing Alembic takes a tenth of the start

        await connection.run_sync(partial(migrate.upgrade, name=name))


def _create_schema(connection: Connection) -> None:
    """The schema that all migrations make, without them: with Alembic they take a fifth of the start."""
    metadata.create_all(connection, checkfirst=False)
    _VERSIONS.create(connection, checkfirst=True)  # empty if all migrations were undone
    connection.execute(_VERSIONS.insert(), {"version_num": VERSION})


# As Alembic makes it.
_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


async def _require_current_schema(database: "Database") -> None:
    from ferryman.store.database import migrate  # noqa: PLC0415 - as above

    async with database.read() as connection:
        await connection.run_sync(partial(migrate.require_current_schema, name=database.name))


class Database:
    """A state database: short transactions, one write transaction at a time. Its repr contains no secret."""

    def __init__(self, url: str) -> None:
        """Create SQLite's folder; connections are opened at their first use.

        Raises ConfigurationError for an invalid URL, and StoreError.
        """
        parsed = _parse(url)
        self.file = _file_of(parsed)  # None: not SQLite
        self.name = _name_of(parsed)  # for people
        if self.file is not None:
            make_folder(self.file)
        with as_store_errors(self.name):
            self._writer = _create_pool(parsed, begin=_WRITING, connections=1 if self.file else 10)
            self._reader = (
                _create_pool(parsed, begin=_READING, connections=_READ_CONNECTIONS) if self.file else self._writer
            )

    @asynccontextmanager
    async def write(self, *, exclusive: bool = False) -> AsyncIterator["Transaction"]:
        """A write transaction: commit at the end, rollback after an error. Raises StoreError.

        On SQLite every write transaction is exclusive. On PostgreSQL transactions that write one tag run concurrently;
        an `exclusive` one, for writing many tags, waits for the others and keeps them out.
        """
        async with _transaction(self._writer, self.name) as transaction:
            if self.file is None:
                await transaction.execute(_EXCLUSIVE if exclusive else _SHARED)
            yield transaction

    @asynccontextmanager
    async def read(self) -> AsyncIterator["Transaction"]:
        """A read-only transaction. Raises StoreError."""
        async with _transaction(self._reader, self.name) as transaction:
            yield transaction

    async def write_at_once(self, work: Callable[[Connection], _T], *, exclusive: bool = False) -> _T:
        """`write` for the transactions of every look and job: to SQLite, all is one call instead of one a statement.

        `work` gets SQLAlchemy's own connection. It runs in the driver's thread, so it has no use for the event loop.
        Raises StoreError.
        """
        return await self._at_once(self._writer, work, _EXCLUSIVE if exclusive else _SHARED)

    async def read_at_once(self, work: Callable[[Connection], _T]) -> _T:
        """`read`, in the same way. Raises StoreError."""
        return await self._at_once(self._reader, work, None)

    async def _at_once(self, pool: Engine, work: Callable[[Connection], _T], lock: TextClause | None) -> _T:
        with as_store_errors(self.name):
            if self.file is None:
                return await _spawned(_in_one_go, pool, work, lock)
            return await _spawned(_in_one_call, pool, work)

    async def checkpoint(self) -> None:
        """Copy SQLite's write-ahead log into the file, as far as readers allow. Raises StoreError."""
        if self.file is not None:
            await asyncio.to_thread(checkpoint, self.file)

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        with as_store_errors(self.name):
            await _spawned(self._writer.dispose)
            await _spawned(self._reader.dispose)

    def __repr__(self) -> str:
        return f"Database({self.name})"


@asynccontextmanager
async def _transaction(pool: Engine, name: str) -> AsyncIterator["Transaction"]:
    """A transaction on a connection of the pool: commit at the end, rollback after an error."""
    opened: list[Connection] = []  # and not returned: if this is cancelled meanwhile, it has to be closed all the same
    with as_store_errors(name):
        try:
            await _spawned(_begin, pool, opened)
            yield Transaction(opened[0])
        except BaseException:
            for connection in opened:
                await _spawned(connection.close)
            raise
        await _spawned(_commit, opened[0])


class Transaction:
    """A connection in a transaction. Its operations are shielded: cancelling waits for their end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, statement: Executable, parameters: _Parameters = None) -> CursorResult[*tuple[Any, ...]]:
        """Execute one statement, once or (for a list of parameters) many times; all rows are fetched."""
        return await _spawned(_execute, self._connection, statement, parameters)

    async def scalar(self, statement: Executable) -> Any:
        """The first column of the first row, or None."""
        return await _spawned(self._connection.scalar, statement)

    async def stream(self, statement: Executable) -> AsyncIterator[Row[*tuple[Any, ...]]]:
        """Iterate over the rows, fetching them in batches."""
        result = await _spawned(_start_stream, self._connection, statement)
        while rows := await _spawned(result.fetchmany, _ROWS_PER_FETCH):
            for row in rows:
                yield row

    async def run_sync(self, function: Callable[[Connection], _T]) -> _T:
        """Run a function that needs SQLAlchemy's synchronous connection."""
        return await _spawned(function, self._connection)

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT with ON CONFLICT, which both dialects spell alike."""
        return upserts.insert(self._connection.dialect.name, table)


async def _spawned(function: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
    """Run a function of SQLAlchemy in a greenlet, where it can wait for the driver, to its end.

    `sqlalchemy.ext.asyncio` does the same, but importing it imports the ORM: a tenth of the start.
    """
    return await shielded(greenlet_spawn(function, *arguments))


def _begin(pool: Engine, opened: list[Connection]) -> None:
    opened.append(pool.connect())
    opened[0].begin()


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    finally:
        connection.close()


def _execute(connection: Connection, statement: Executable, parameters: _Parameters) -> CursorResult[*tuple[Any, ...]]:
    result = connection.execute(statement, parameters)
    if result.cursor is not None:
        # Otherwise the driver's cursor would stay open: the rows are read outside the greenlet.
        await_(result.cursor._async_soft_close())  # noqa: SLF001
    return result


def _in_one_call(pool: Engine, work: Callable[[Connection], _T]) -> _T:
    """A transaction in SQLite's thread."""
    with closing(pool.raw_connection()) as connection:  # without SQLAlchemy's own, which would begin and end nothing
        driver: Any = connection.dbapi_connection
        result: _T = driver.run_async(lambda aiosqlite: aiosqlite.transact(work))
        return result


def _in_one_go(pool: Engine, work: Callable[[Connection], _T], lock: TextClause | None) -> _T:
    """A transaction on PostgreSQL."""
    with pool.begin() as connection:
        if lock is not None:
            connection.execute(lock)
        return work(connection)


def _start_stream(connection: Connection, statement: Executable) -> CursorResult[*tuple[Any, ...]]:
    return connection.execute(statement, execution_options={"stream_results": True})


_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_ADVISORY_LOCK})")
_EXCLUSIVE = text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[Transaction]:
    """The single transaction in which a database is migrated, completely or not at all.

    SQLite's foreign keys are off in it and checked at its end: a batch migration rebuilds a table and drops the old
    one, which would delete the rows that refer to it. Raises ConfigurationError, StoreError.
    """
    parsed = _parse(url)
    name = _name_of(parsed)
    if (file := _file_of(parsed)) is not None:
        make_folder(file)
    with as_store_errors(name):
        pool = _create_pool(
            parsed, begin=_WRITING, connections=1, foreign_keys=False, command_timeout=_MIGRATION_TIMEOUT
        )
        try:
            async with _transaction(pool, name) as transaction:
                if file is None:
                    await transaction.execute(_EXCLUSIVE)
                yield transaction
                if file is not None and (await transaction.execute(text("PRAGMA foreign_key_check"))).first():
                    raise StoreError(
                        f"the state database {name}: migrating it would break its foreign keys; nothing was changed"
                    )
        finally:
            await _spawned(pool.dispose)


def _parse(url: str) -> URL:
    """Parse a URL of SQLite or PostgreSQL; its driver is ignored. No message quotes it: it may hold a password."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # `from None`: the cause quotes the URL.
        raise _url_error("expected sqlite+aiosqlite:///file or postgresql+asyncpg://…") from None
    if backend not in _DRIVERS:
        raise _url_error(f"{backend} is not supported, expected sqlite or postgresql")
    if backend == "sqlite" and (parsed.database in {None, "", ":memory:"} or str(parsed.database).startswith("file:")):
        raise _url_error("it names no file, expected sqlite+aiosqlite:///path/to/ferryman.db")
    if backend != "sqlite" and "@" in (parsed.host or ""):  # the end of a password, which `_name_of` would show
        raise _url_error("write an @ in a user name or password as %40")
    return parsed.set(drivername=_DRIVERS[backend])


def _url_error(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"FERRYMAN_DATABASE_URL: {message}")])


def _file_of(url: URL) -> Path | None:
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _name_of(url: URL) -> str:
    """The file, or the server and the database: without the URL's user, password and query."""
    if (file := _file_of(url)) is not None:
        return str(file)
    return f"postgresql://{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"


def make_folder(file: Path) -> None:
    """Create the folder of SQLite's file. Raises StoreError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise StoreError(f"the state database {file} is a folder; FERRYMAN_DATABASE_URL has to name a file")
    except OSError as error:
        raise StoreError(f"the state database's folder {file.parent} cannot be made: {error.strerror}") from error


def _create_pool(
    url: URL, *, begin: str, connections: int, foreign_keys: bool = True, command_timeout: float | None = None
) -> Engine:
    """Create a connection pool (SQLAlchemy's engine). `command_timeout`: PostgreSQL's, in seconds."""
    file = _file_of(url)
    arguments: dict[str, Any] = {"timeout": _CONNECT_TIMEOUT, "command_timeout": command_timeout or _COMMAND_TIMEOUT}
    if file:
        absolute = file.absolute()
        arguments = {"async_creator_fn": lambda *_, **__: sqlite_driver.connect(absolute, begin=begin)}
    pool = create_engine(
        url,
        connect_args=arguments,
        pool_size=connections,
        max_overflow=0,
        pool_use_lifo=True,  # each of SQLite's connections has a cache of its own, which an idle one does not fill
        pool_timeout=_POOL_TIMEOUT,
        pool_pre_ping=file is None,
        pool_reset_on_return=None if file else "rollback",
        hide_parameters=True,
    )
    if file:
        _configure_sqlite(pool, begin=begin, foreign_keys=foreign_keys)
    else:
        set_postgresql_options()
        _disconnect_on_timeout(pool)
    return pool


def _disconnect_on_timeout(pool: Engine) -> None:
    @event.listens_for(pool, "handle_error")
    def disconnect(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            context.is_disconnect = True  # otherwise a ROLLBACK would be sent, and run into the same timeout


def _retry_while_locked(change: Callable[[], object]) -> None:
    """Retry while the database is locked, where SQLite ignores its busy timeout.

    When two connections change a new file's journal mode, SQLite fails one of them at once, to avoid a deadlock.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT / 1000
    while True:
        try:
            change()
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        else:
            return
        await_(asyncio.sleep(_BUSY_RETRY_INTERVAL))  # this runs in SQLAlchemy's greenlet, not in a coroutine


def _configure_sqlite(pool: Engine, *, begin: str, foreign_keys: bool) -> None:
    @event.listens_for(pool, "connect")
    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        try:
            # Turn off the driver's transactions before the pragmas: inside one, `foreign_keys` has no effect.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")  # first, because the next one takes a lock
            _retry_while_locked(lambda: cursor.execute("PRAGMA journal_mode = WAL"))
            cursor.execute("PRAGMA synchronous = NORMAL")
            if begin == _READING:
                cursor.execute(f"PRAGMA cache_size = -{_READ_CACHE}")
            cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
            cursor.close()
        except BaseException:
            connection.close()  # it is not in the pool yet; its thread would outlive the loop
            raise

    @event.listens_for(pool, "begin")
    def start(connection: Connection) -> None:
        # Without SQLAlchemy's cursor, which would need three round trips to the driver's thread.
        driver: Any = connection.connection.dbapi_connection
        driver.run_async(lambda aiosqlite: aiosqlite.execute(begin))

    @event.listens_for(pool, "reset")
    def end(connection: DBAPIConnection, _: ConnectionPoolEntry, state: PoolResetState) -> None:
        # After a COMMIT that failed; otherwise there is nothing to roll back, for which the driver need not be called.
        if state.asyncio_safe and connection.driver_connection.has_transaction:
            connection.rollback()
