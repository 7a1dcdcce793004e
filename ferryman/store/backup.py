"""Backups of a state database in SQLite: made while everything runs, and put back while nothing does.

A backup is one file, whatever its database's log holds. It is marked (`marks`), so that whoever opens it later asks the
targets what they name: they may have moved on since.
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
    """What a restore did."""

    tags: int
    aside: Path | None  # where the database lies that was there before


async def back_up(url: str, file: Path, *, force: bool) -> int:
    """Write a backup of the database at `url` to `file`, whole or not at all; the number of its tags.

    `force`: replace what is there. Raises ConfigurationError, StoreError.
    """
    source = _sqlite(url, "pg_dump makes a backup of it")
    _demand_place(file, source, force=force)
    return await asyncio.to_thread(_back_up, source, file, force=force)


async def restore(url: str, file: Path) -> Restored:
    """Put the backup in the place of the database at `url`, which is kept under another name.

    Raises ConfigurationError for what is no backup, StoreError: also while a process lives on the database.
    """
    place = _sqlite(url, "pg_restore, or psql, puts a backup of it back")
    _demand_backup(file, place)
    if living := living_owners(place):
        raise StoreError(
            f"{', '.join(sorted(living))} lives on the state database {place}: stop it first, then restore again"
        )
    make_folder(place)
    with _beside(place) as made:
        await asyncio.to_thread(_copy, file, made, live=False)
        number = await _migrated(made, file)
        return Restored(number, _swap(made, place))


def _sqlite(url: str, otherwise: str) -> Path:
    file = file_of(url)
    if file is None:
        raise _wrong(f"the state database is on a PostgreSQL server: {otherwise}")
    return file


def _demand_place(file: Path, source: Path, *, force: bool) -> None:
    if file.is_dir():
        raise _wrong(f"{file} is a folder, expected the name of a file")
    if not file.absolute().parent.is_dir():
        raise _wrong(f"{file}: there is no folder {file.parent}")
    if file.exists() and source.exists() and file.samefile(source):
        raise _wrong(f"{file} is the state database itself, expected another file")
    if file.exists() and not force:
        raise _wrong(f"{file} is there already: --force replaces it")


def _demand_backup(file: Path, place: Path) -> None:
    if not file.is_file():
        raise _wrong(f"{file}: there is no such file")
    if place.exists() and file.samefile(place):
        raise _wrong(f"{file} is the state database itself, expected a backup of it")


def _back_up(source: Path, file: Path, *, force: bool) -> int:
    with _beside(file) as made:
        number = _copy(source, made, live=True)
        _take_rights(made, source)
        _demand_place(file, source, force=force)  # again: it took a while
        made.replace(file)
    return number


def _copy(source: Path, made: Path, *, live: bool) -> int:
    """The number of tags. `live`: others may write to the source meanwhile."""
    try:
        with (
            closing(_reading(source, live=live)) as there,
            closing(sqlite3.connect(made, isolation_level=None)) as here,
        ):
            there.backup(here)
            here.execute("PRAGMA journal_mode = DELETE")  # nothing of it in a log
            number = _mark(here)
            [[check_result]] = here.execute("PRAGMA quick_check(1)").fetchall()
    except (sqlite3.Error, StoreError) as error:
        raise StoreError(f"{source} cannot be copied: {error}") from error
    if check_result != "ok":
        raise StoreError(f"{source} is damaged: {check_result}")
    return number


def _reading(file: Path, *, live: bool) -> sqlite3.Connection:
    """The database with what its own log holds; a log beside a backup is not its own."""
    if not has_content(file):
        raise no_database(str(file.absolute()))
    closed = is_unopened(file) or not (live or file.with_name(f"{file.name}-wal").exists())
    how = "immutable=1" if closed else "mode=rw"  # SQLite looks for no log, and wants to write none
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?{how}", uri=True, timeout=_LOCK_TIMEOUT)


def _mark(here: sqlite3.Connection) -> int:
    columns = {(table, column) for table, column in here.execute(_COLUMNS)}
    if ("alembic_version", "version_num") not in columns or ("tags", "id") not in columns:
        raise StoreError("it is no state database of Ferryman, or an empty one")
    here.execute("BEGIN IMMEDIATE")
    if ("tags", "target_checked_at") in columns:
        here.execute("UPDATE tags SET target_checked_at = NULL")
    if ("marks", "name") in columns:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        here.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (BACKUP, secrets.token_hex(8), now))
    if ("services", "owner") in columns:
        here.execute("DELETE FROM services")  # who lives now does not live in it
    here.execute(f"PRAGMA user_version = {UNOPENED}")
    here.execute("COMMIT")
    [[number]] = here.execute("SELECT count(*) FROM tags").fetchall()
    return int(number)


_COLUMNS = "SELECT m.name, p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p WHERE m.type = 'table'"


async def _migrated(made: Path, file: Path) -> int:
    """Bring the copy of `file` to this version's schema and mark it, whichever version wrote it; how many tags."""
    url = URL.create("sqlite+aiosqlite", database=str(made)).render_as_string()
    try:
        database = await open_database(url)
    except StoreError as error:  # it names the copy, which nobody knows of
        raise StoreError(f"{file} cannot be restored: {error}") from error
    try:
        return await _marked(database)
    finally:
        await database.close()


async def _marked(database: Database) -> int:
    async with database.write() as connection:
        row = {"value": secrets.token_hex(8), "set_at": datetime.now(UTC)}
        upsert = connection.insert(marks).values(name=BACKUP, **row)
        await connection.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=row))
        return int(await connection.scalar(select(func.count()).select_from(tags)))


def _swap(made: Path, place: Path) -> Path | None:
    """Put `made` in the place of the database; where that lies now, if there was one."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = place.with_name(f"{place.name}.before-restore-{stamp}")
    before = place.exists()
    try:
        if before:
            _take_rights(made, place)
        for part in ("", *LOGS):  # a log goes with its database, and never stays for another
            if (old := place.with_name(place.name + part)).exists():
                old.rename(aside.with_name(aside.name + part))
        made.replace(place)
    except OSError as error:
        raise StoreError(f"{place} cannot be replaced: {error.strerror}; what was there may be at {aside}") from error
    return aside if before else None


def _take_rights(made: Path, model: Path) -> None:
    """Whoever may use the one may use the other; only root can give files away."""
    rights = model.stat()
    made.chmod(rights.st_mode & 0o777)
    if os.geteuid() == 0:
        os.chown(made, rights.st_uid, rights.st_gid)


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A new file in the same folder, to be renamed; what is left of it goes. Raises StoreError."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
    except OSError as error:
        raise StoreError(f"{file.absolute().parent} cannot be written: {error.strerror}") from error
    os.close(descriptor)
    made = Path(name)
    try:
        yield made
    finally:
        for part in ("", "-journal", *LOGS):
            made.with_name(made.name + part).unlink(missing_ok=True)


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(message)])
