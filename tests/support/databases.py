"""New SQLite databases for tests: a copy of one that was migrated once, which takes a tenth of migrating each."""

import functools
import os
import shutil
import tempfile
from pathlib import Path

from ferryman.store.database.database import Database, open_database


async def open_new_database(file: Path) -> Database:
    """Open a new database with the present schema at `file`, as the program would make it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    await copy_migrated(file)
    return await open_database(url_of(file))


async def copy_migrated(file: Path) -> None:
    """Put a new database with the present schema at `file`."""
    template = _folder() / "migrated.db"
    if not template.exists():
        await (await open_database(url_of(template))).close()  # which writes its log back: the file is all of it
    shutil.copyfile(template, file)


def url_of(file: Path) -> str:
    """The URL of SQLite's file."""
    return f"sqlite+aiosqlite:///{file}"


@functools.cache
def _folder() -> Path:
    """One for each process that tests: another one could copy a file that is not migrated yet."""
    return Path(tempfile.mkdtemp(prefix=f"migrated-{os.getpid()}-"))
