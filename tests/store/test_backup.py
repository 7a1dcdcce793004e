"""Backup and restore of a database in SQLite: in use, of an older schema, and with errors."""

# ruff: noqa: ASYNC240 - nothing else is to go on meanwhile

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete

from ferryman.clock import SystemClock
from ferryman.errors import ConfigurationError, NoDatabase, StoreError
from ferryman.store.backup import back_up, restore
from ferryman.store.database.database import open_database
from ferryman.store.database.sqlite_file import is_unopened
from ferryman.store.database.tables import tags
from ferryman.store.ledger import Ledger
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue
from ferryman.store.target_checks import TargetChecks
from ferryman.wakeup import Wakeup
from tests.store.scene import LEASE, ManualClock, Scene, digest
from tests.support.measuring import unmeasured
from tests.support.sources import CHECKOUT


def url_of(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ferryman.db"


async def mirror(file: Path, tag: str) -> None:
    """Record a tag; the log is left beside the file, as a killed process leaves it."""
    database = await open_database(url_of(file))
    clock = ManualClock()
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=3)
    scene = Scene(queue, Ledger(database, clock=clock), clock)
    assert await scene.succeed(await scene.running(tag))
    kept = [file.with_name(f"kept{part}") for part in ("", "-wal")]
    for part, copy in zip(("", "-wal"), kept, strict=True):
        shutil.copy(f"{file}{part}", copy)
    await database.close()
    for part, copy in zip(("", "-wal"), kept, strict=True):
        copy.rename(f"{file}{part}")


async def recorded(file: Path) -> set[str]:
    database = await open_database(url_of(file), create=False)
    try:
        return {record.tag async for record in Ledger(database, clock=SystemClock()).tags()}
    finally:
        await database.close()


async def is_marked(file: Path) -> bool:
    database, clock = await open_database(url_of(file), create=False), ManualClock()
    try:
        _, restored = await TargetChecks(database, clock=clock, queued=Wakeup()).unchecked(
            "any", "tags", before=clock.now()
        )
        return restored
    finally:
        await database.close()


async def test_a_backup_contains_what_only_the_log_has(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    assert await back_up(url_of(file), tmp_path / "backup.db", force=False) == 1

    assert [each.name for each in tmp_path.glob("*backup*")] == ["backup.db"]
    assert await recorded(tmp_path / "backup.db") == {"1"}


async def test_a_backup_is_made_while_others_write(file: Path, tmp_path: Path) -> None:
    database = await open_database(url_of(file))
    clock = ManualClock()
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=3)
    await Scene(queue, Ledger(database, clock=clock), clock).walk({"1": digest("a")})
    async with database.write() as connection:
        await connection.execute(delete(tags))
        assert await back_up(url_of(file), tmp_path / "backup.db", force=False) == 1
    await database.close()

    assert await recorded(tmp_path / "backup.db") == {"1"}


async def test_nothing_is_overwritten_without_force(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    taken = tmp_path / "backup.db"
    taken.write_text("mine")

    with pytest.raises(ConfigurationError, match="--force replaces it"):
        await back_up(url_of(file), taken, force=False)
    assert taken.read_text() == "mine"
    with pytest.raises(ConfigurationError, match="is the state database itself"):
        await back_up(url_of(file), file, force=True)

    assert await back_up(url_of(file), taken, force=True) == 1
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []


async def test_a_missing_database_gives_no_backup(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no state database at"):
        await back_up(url_of(tmp_path / "nowhere/ferryman.db"), tmp_path / "backup.db", force=False)
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_database_gives_no_backup(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    await (await open_database(url_of(file))).close()  # which writes the log back
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"\x5a" * 4096
    file.write_bytes(content)

    with pytest.raises(StoreError, match=r"damaged|cannot be copied"):
        await back_up(url_of(file), tmp_path / "backup.db", force=False)
    assert not (tmp_path / "backup.db").exists()


async def test_a_database_on_postgresql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="pg_dump"):
        await back_up("postgresql://somewhere/ferryman", tmp_path / "backup.db", force=False)
    with pytest.raises(ConfigurationError, match="pg_restore"):
        await restore("postgresql://somewhere/ferryman", tmp_path / "backup.db")


@pytest.mark.parametrize("how", ["restore", "cp"])
async def test_the_log_of_what_is_replaced_is_not_replayed(file: Path, tmp_path: Path, how: str) -> None:
    await mirror(file, "1")
    await back_up(url_of(file), tmp_path / "backup.db", force=False)
    await mirror(file, "2")
    assert file.with_name("ferryman.db-wal").stat().st_size > 0

    if how == "restore":
        done = await restore(url_of(file), tmp_path / "backup.db")
        assert done.tags == 1
        assert done.previous is not None
        assert await recorded(done.previous) == {"1", "2"}
    else:
        shutil.copy(tmp_path / "backup.db", file)
    assert await recorded(file) == {"1"}
    assert await is_marked(file)


async def test_only_the_first_opening_removes_a_log(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    await back_up(url_of(file), tmp_path / "backup.db", force=False)
    shutil.copy(tmp_path / "backup.db", file)
    assert is_unopened(file)

    await mirror(file, "3")  # its log stays

    assert not is_unopened(file)
    assert await recorded(file) == {"1", "3"}


async def test_a_restore_is_refused_while_a_process_lives(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    await back_up(url_of(file), tmp_path / "backup.db", force=False)
    database = await open_database(url_of(file))
    owner = Owner.claim(database)

    with pytest.raises(StoreError, match=r"stop it first"):
        await restore(url_of(file), tmp_path / "backup.db")
    owner.release()
    await database.close()

    assert (await restore(url_of(file), tmp_path / "backup.db")).tags == 1


async def test_a_file_that_is_no_backup_changes_nothing(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    before = file.read_bytes()
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE tags (id)")
    (tmp_path / "empty.db").touch()

    for name in ("text.db", "other.db", "empty.db"):
        with pytest.raises(StoreError, match=name):
            await restore(url_of(file), tmp_path / name)
    with pytest.raises(ConfigurationError, match="no such file"):
        await restore(url_of(file), tmp_path / "nowhere.db")

    assert file.read_bytes() == before
    assert list(tmp_path.glob("*before-restore*")) == []


async def test_a_backup_of_an_older_schema_is_migrated_and_marked(file: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    older = {**unmeasured(), "FERRYMAN_DATABASE_URL": url_of(old)}
    command = (sys.executable, "-m", "alembic", "upgrade", "0001")
    await asyncio.to_thread(subprocess.run, command, cwd=CHECKOUT, env=older, check=True, capture_output=True)

    assert await back_up(url_of(old), tmp_path / "backup.db", force=False) == 0
    done = await restore(url_of(file), tmp_path / "backup.db")

    assert done.previous is None
    assert await is_marked(file)


async def test_a_backup_of_a_newer_ferryman_is_refused(file: Path, tmp_path: Path) -> None:
    await mirror(file, "1")
    await back_up(url_of(file), tmp_path / "backup.db", force=False)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match="newer Ferryman"):
        await restore(url_of(file), tmp_path / "backup.db")

    assert await recorded(file) == {"1"}


@pytest.mark.parametrize("content", [None, b""])
async def test_opening_without_create_leaves_nothing_behind(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "data/ferryman.db"
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)

    with pytest.raises(NoDatabase, match=str(file)):
        await open_database(url_of(file), create=False)

    assert file.parent.exists() == (content is not None)
    assert content is None or file.read_bytes() == content


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE things (id)")

    with pytest.raises(NoDatabase):
        await open_database(url_of(file), create=False)
