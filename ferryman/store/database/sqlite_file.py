"""SQLite's files on disk: recognise a restored backup and remove a stale write-ahead log; checkpoint the log.

A write-ahead log (`-wal`) belongs to one database file, but nothing in it says to which. If a backup replaces the
database file, SQLite replays the log that it finds next to it, and so turns the backup into the old database or a
mixture of both. A backup of Ferryman therefore says in its header that it has not been opened yet.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ferryman.errors import StoreError

UNOPENED = 0x46424B31  # `user_version` of a backup until it is opened as a state database
LOGS = ("-wal", "-shm")
_MAGIC = b"SQLite format 3\0"
_USER_VERSION = slice(60, 64)  # of the header's 100 bytes; it says 0 in every other state database
_LOCK_TIMEOUT = 30.0  # seconds for another process's lock


def remove_stale_log(file: Path) -> None:
    """Before a restored backup is opened, remove the write-ahead log of the database that it replaced.

    Does nothing for any other file. Raises StoreError.
    """
    if not is_unopened(file):
        return
    try:
        with _alone_in(file.absolute().parent):
            if is_unopened(file):  # otherwise another process has opened it meanwhile, with a log of its own
                for log in LOGS:
                    file.with_name(file.name + log).unlink(missing_ok=True)
                with closing(sqlite3.connect(file, timeout=_LOCK_TIMEOUT, isolation_level=None)) as connection:
                    connection.execute("PRAGMA user_version = 0")  # written to the file itself: a backup has no log
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the backup at {file} cannot be made the state database: {error}") from error


def is_unopened(file: Path) -> bool:
    """Whether the file is a backup of Ferryman that has not been opened as a state database since."""
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except OSError:  # opening it reports the error
        return False
    return header.startswith(_MAGIC) and int.from_bytes(header[_USER_VERSION], "big") == UNOPENED


def checkpoint(file: Path) -> None:
    """Copy the write-ahead log into the file, as far as readers allow. Raises StoreError."""
    try:
        with closing(sqlite3.connect(file, timeout=_LOCK_TIMEOUT)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:
        raise StoreError(f"the state database {file}: its log cannot be written back: {error}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder. A lock of the file would interfere with SQLite's own on some file systems."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
