"""Back up and restore a state database in SQLite: back up while it is in use, restore while it is not.

A backup is a single file, without a write-ahead log. It is marked (`marks`), so that after a restore Ferryman checks
every mirrored tag at its target: the targets may be newer than the backup.
"""

import asyncio
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.engine.url import URL

from ferryman.errors import ConfigurationError, Problem, StoreError
from ferryman.store.database.database import Database, file_of, has_content, make_folder, no_database, open_database
from ferryman.store.database.sqlite_file import LOGS, UNOPENED, is_unopened
from ferryman.store.database.tables import marks, tags
from ferryman.store.queue.lease_owners import living_owners
from ferryman.store.target_checks import BACKUP

_LOCK_TIMEOUT = 30.0  # seconds for another process's lock


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore."""

    tags: int
    previous: Path | None  # where the previous database is now; None: there was none


async def back_up(url: str, file: Path, *, force: bool) -> int:
    """Write a backup of the database at `url` to `file`, completely or not at all. Returns the number of its tags.

    `force`: overwrite an existing file. Raises ConfigurationError, StoreError.
    """
    source = _sqlite_file(url, "pg_dump makes a backup of it")
    _check_destination(file, source, force=force)
    return await asyncio.to_thread(_back_up, source, file, force=force)


async def restore(url: str, file: Path) -> Restored:
    """Replace the database at `url` by the backup `file`; the previous database is kept under another name.

    Raises ConfigurationError for a file that is no backup, and StoreError, also while a process uses the database.
    """
    database_file = _sqlite_file(url, "pg_restore, or psql, puts a backup of it back")
    _check_backup(file, database_file)
    if living := living_owners(database_file):
        raise StoreError(
            f"{', '.join(sorted(living))} uses the state database {database_file}: stop it first, then restore again"
        )
    make_folder(database_file)
    with _temporary_file_beside(database_file) as copy:
        await asyncio.to_thread(_copy, file, copy, live=False)
        number = await _migrate(copy, file)
        return Restored(number, _replace_database(copy, database_file))


def _sqlite_file(url: str, alternative: str) -> Path:
    file = file_of(url)
    if file is None:
        raise _configuration_error(f"the state database is on a PostgreSQL server: {alternative}")
    return file


def _check_destination(file: Path, source: Path, *, force: bool) -> None:
    if file.is_dir():
        raise _configuration_error(f"{file} is a folder, expected the name of a file")
    if not file.absolute().parent.is_dir():
        raise _configuration_error(f"{file}: there is no folder {file.parent}")
    if file.exists() and source.exists() and file.samefile(source):
        raise _configuration_error(f"{file} is the state database itself, expected another file")
    if file.exists() and not force:
        raise _configuration_error(f"{file} is there already: --force replaces it")


def _check_backup(file: Path, database_file: Path) -> None:
    if not file.is_file():
        raise _configuration_error(f"{file}: there is no such file")
    if database_file.exists() and file.samefile(database_file):
        raise _configuration_error(f"{file} is the state database itself, expected a backup of it")


def _back_up(source: Path, file: Path, *, force: bool) -> int:
    with _temporary_file_beside(file) as copy:
        number = _copy(source, copy, live=True)
        _copy_permissions(copy, source)
        _check_destination(file, source, force=force)  # again, because the copy took a while
        copy.replace(file)
    return number


def _copy(source: Path, copy: Path, *, live: bool) -> int:
    """Copy the database and mark the copy. Returns the number of tags. `live`: others may write to the source."""
    try:
        with (
            closing(_open_source(source, live=live)) as source_connection,
            closing(sqlite3.connect(copy, isolation_level=None)) as connection,
        ):
            source_connection.backup(connection)
            connection.execute("PRAGMA journal_mode = DELETE")  # no write-ahead log
            number = _mark_copy(connection)
            [[check_result]] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except (sqlite3.Error, StoreError) as error:
        raise StoreError(f"{source} cannot be copied: {error}") from error
    if check_result != "ok":
        raise StoreError(f"{source} is damaged: {check_result}")
    return number


def _open_source(file: Path, *, live: bool) -> sqlite3.Connection:
    """Open a database with its own write-ahead log. A log next to a backup belongs to another database."""
    if not has_content(file):
        raise no_database(str(file.absolute()))
    closed = is_unopened(file) or not (live or file.with_name(f"{file.name}-wal").exists())
    mode = "immutable=1" if closed else "mode=rw"  # immutable: SQLite neither reads nor writes a log
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?{mode}", uri=True, timeout=_LOCK_TIMEOUT)


def _mark_copy(connection: sqlite3.Connection) -> int:
    columns = {(table, column) for table, column in connection.execute(_COLUMNS)}
    if ("alembic_version", "version_num") not in columns or ("tags", "id") not in columns:
        raise StoreError("it is no state database of Ferryman, or an empty one")
    connection.execute("BEGIN IMMEDIATE")
    if ("tags", "target_checked_at") in columns:
        connection.execute("UPDATE tags SET target_checked_at = NULL")
    if ("marks", "name") in columns:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (BACKUP, secrets.token_hex(8), now))
    if ("services", "owner") in columns:
        connection.execute("DELETE FROM services")  # the running processes do not use the copy
    connection.execute(f"PRAGMA user_version = {UNOPENED}")
    connection.execute("COMMIT")
    [[number]] = connection.execute("SELECT count(*) FROM tags").fetchall()
    return int(number)


_COLUMNS = "SELECT m.name, p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p WHERE m.type = 'table'"


async def _migrate(copy: Path, file: Path) -> int:
    """Migrate the copy of `file` to this version's schema and mark it. Returns the number of tags."""
    url = URL.create("sqlite+aiosqlite", database=str(copy)).render_as_string()
    try:
        database = await open_database(url)
    except StoreError as error:  # it names the copy, which the user does not know
        raise StoreError(f"{file} cannot be restored: {error}") from error
    try:
        return await _mark_restored(database)
    finally:
        await database.close()


async def _mark_restored(database: Database) -> int:
    async with database.write() as connection:
        row = {"value": secrets.token_hex(8), "set_at": datetime.now(UTC)}
        upsert = connection.insert(marks).values(name=BACKUP, **row)
        await connection.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=row))
        return int(await connection.scalar(select(func.count()).select_from(tags)))


def _replace_database(copy: Path, database_file: Path) -> Path | None:
    """Replace the database by `copy`. Returns where the previous database is now, if there was one."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    previous = database_file.with_name(f"{database_file.name}.before-restore-{stamp}")
    existed = database_file.exists()
    try:
        if existed:
            _copy_permissions(copy, database_file)
        for suffix in ("", *LOGS):  # a log moves with its database: it must not stay for another one
            if (old := database_file.with_name(database_file.name + suffix)).exists():
                old.rename(previous.with_name(previous.name + suffix))
        copy.replace(database_file)
    except OSError as error:
        raise StoreError(
            f"{database_file} cannot be replaced: {error.strerror}; what was there may be at {previous}"
        ) from error
    return previous if existed else None


def _copy_permissions(file: Path, model: Path) -> None:
    """Copy mode and owner of `model`; only root can change the owner."""
    rights = model.stat()
    file.chmod(rights.st_mode & 0o777)
    if os.geteuid() == 0:
        os.chown(file, rights.st_uid, rights.st_gid)


@contextmanager
def _temporary_file_beside(file: Path) -> Iterator[Path]:
    """A temporary file in the same folder, to be renamed. Removed at the end, with its logs. Raises StoreError."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
    except OSError as error:
        raise StoreError(f"{file.absolute().parent} cannot be written: {error.strerror}") from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        for suffix in ("", "-journal", *LOGS):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def _configuration_error(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(message)])
