"""SQLite's files on the disk: what has to be known before SQLite opens them, or beside it.

A write-ahead log (`-wal`) belongs to one database file, and nothing in it says to which: SQLite replays the one that it
finds beside a file that was put in the place of another, and so turns a restored backup into what it was to replace,
or into a mixture of both. A backup of ours therefore says in its header that nobody has opened it yet.
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
_PATIENCE = 30.0  # seconds for another process's lock


def settle(file: Path) -> None:
    """Before a state database is opened: a backup that was put there loses the logs of what it has replaced.

    Does nothing to any other file. Raises StoreError.
    """
    if not is_unopened(file):
        return
    try:
        with _alone_in(file.absolute().parent):
            if is_unopened(file):  # nobody else has settled it meanwhile, and has begun a log of its own
                for log in LOGS:
                    file.with_name(file.name + log).unlink(missing_ok=True)
                with closing(sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)) as connection:
                    connection.execute("PRAGMA user_version = 0")  # into the file itself: a backup has no log
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the backup at {file} cannot be made the state database: {error}") from error


def is_unopened(file: Path) -> bool:
    """Whether the file is a backup of ours that was not opened as a state database since."""
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except OSError:  # whoever opens it will tell
        return False
    return header.startswith(_MAGIC) and int.from_bytes(header[_USER_VERSION], "big") == UNOPENED


def checkpoint(file: Path) -> None:
    """Move what the log holds into the file, as far as no reader needs the old state. Raises StoreError."""
    try:
        with closing(sqlite3.connect(file, timeout=_PATIENCE)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:
        raise StoreError(f"the state database {file}: its log cannot be written back: {error}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A lock of the folder: one of the file would be SQLite's business on some file systems."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
