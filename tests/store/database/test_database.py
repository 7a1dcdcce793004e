"""Transactions and the rules of SQLite, and errors with a hint."""

import asyncio
import random
import sqlite3
import threading
from pathlib import Path
from unittest.mock import AsyncMock, patch

import pytest
from sqlalchemy import Connection, text

from ferryman.errors import ConfigurationError, FerrymanError, StoreError
from ferryman.store.database.database import Database, open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from tests.store.scene import LEASE, MAX_ATTEMPTS, ManualClock, Scene, digest
from tests.support.postgresql import PostgresServer
from tests.support.processes import free_port


async def test_no_update_is_lost(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE counter (n INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))

    async def count() -> None:
        for _ in range(20):
            async with database.write(exclusive=True) as connection:
                n = await connection.scalar(text("SELECT n FROM counter"))
                await connection.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    await asyncio.gather(*(count() for _ in range(8)))
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT n FROM counter")) == 160


async def test_no_row_is_lost_beyond_those_that_come_with_the_execution(database: Database) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    for most in (0, 499, 500, 501, 1234):
        query = text(numbers.format(most) if most else "SELECT 1 AS i WHERE 1 = 0")
        async with database.read() as connection:
            found = (await connection.execute(query)).scalars().all()
            streamed = [row.i async for row in connection.stream(query)]
        assert found == streamed == list(range(1, most + 1))


async def test_reads_in_turn_share_a_connection_and_its_cache(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/ferryman.db")
    async with database.read() as one, database.read() as other, database.read() as another:
        assert [await each.scalar(text("SELECT 1")) for each in (one, other, another)] == [1, 1, 1]
    used = []
    for _ in range(5):
        async with database.read() as connection:
            used.append(await connection.run_sync(lambda each: id(each.connection.dbapi_connection)))
    await database.close()
    assert len(set(used)) == 1


async def test_connections_that_read_have_small_caches(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/ferryman.db")
    async with database.read() as reading, database.write() as writing:
        assert [await each.scalar(text("PRAGMA cache_size")) for each in (reading, writing)] == [-512, -2000]
    await database.close()


async def test_an_error_rolls_back(scene: Scene, database: Database) -> None:
    await scene.walk({"v1": digest("a")})

    async def break_off() -> None:
        async with database.write() as connection:
            await connection.execute(text("DELETE FROM tags"))
            raise KeyError

    with pytest.raises(KeyError):
        await break_off()
    assert await scene.queue.claim() is not None


async def test_an_error_rolls_back_what_was_done_at_once(scene: Scene, database: Database) -> None:
    await scene.walk({"v1": digest("a")})

    def break_off(connection: Connection) -> None:
        connection.execute(text("DELETE FROM tags"))
        raise KeyError

    with pytest.raises(KeyError):
        await database.write_at_once(break_off)
    assert await database.read_at_once(lambda connection: connection.scalar(text("SELECT count(*) FROM tags"))) == 1
    assert await scene.queue.claim() is not None


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_commit_that_fails_leaves_no_transaction_open(database: Database) -> None:
    broken = [
        text("PRAGMA defer_foreign_keys = ON"),
        text("INSERT INTO digests (tag_id, side, digest, at) VALUES (1, 'source', 'x', NULL)"),
    ]

    async def by_statements() -> None:
        async with database.write() as connection:
            for statement in broken:
                await connection.execute(statement)

    def at_once(connection: Connection) -> None:
        for statement in broken:
            connection.execute(statement)

    for _ in range(2):
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            await by_statements()
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            await database.write_at_once(at_once)
    async with database.write() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM digests")) == 0


async def test_cancelling_anywhere_leaves_the_writer_usable(scene: Scene) -> None:
    chance = random.Random(7)

    async def work() -> None:
        while job := await scene.queue.claim():
            await scene.queue.return_to_queue(job)

    await scene.walk({f"v{number}": digest("a") for number in range(20)})
    for _ in range(40):
        tasks = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.sleep(chance.random() / 50)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    async with asyncio.timeout(60):
        await scene.queue.reclaim(["me"])
        outstanding = await scene.queue.outstanding()
    assert (outstanding.due, outstanding.running) == (20, 0)


async def test_the_folder_is_made(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/new/folder/ferryman.db")
    await database.close()
    await database.close()
    assert (tmp_path / "new/folder/ferryman.db").stat().st_size > 0


async def test_the_pragmas_of_sqlite(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/ferryman.db")
    async with database.write() as connection:
        for pragma, value in {
            "journal_mode": "wal",
            "foreign_keys": 1,
            "synchronous": 1,
            "busy_timeout": 30000,
        }.items():
            assert await connection.scalar(text(f"PRAGMA {pragma}")) == value
    await database.close()


async def _broken(url: str, kind: type[FerrymanError] = StoreError) -> str:
    with pytest.raises(kind) as raised:
        await open_database(url)
    assert "secret" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense:secret", "expected sqlite+aiosqlite:///file or postgresql+asyncpg://…"),
        ("", "expected sqlite+aiosqlite:///file"),
        ("postgresql://me:secret@host:port/x", "expected sqlite+aiosqlite:///file"),
        ("mysql://me:secret@localhost/x", "mysql is not supported, expected sqlite or postgresql"),
        ("sqlite+aiosqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgresql://me:secret@localhost/x?option=secret", "'option'"),
        ("postgresql://me:a@secret@localhost/x", "write an @ in a user name or password as %40"),
    ],
)
async def test_urls_that_cannot_be_used(url: str, expected: str) -> None:
    message = await _broken(url, ConfigurationError)
    assert message.startswith("FERRYMAN_DATABASE_URL: ")
    assert expected in message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_the_driver_in_a_url_is_ignored(scheme: str) -> None:
    assert Database(f"{scheme}://db/ferryman").name == "postgresql://db:5432/ferryman"


async def test_no_server() -> None:
    port = free_port()
    message = await _broken(f"postgresql+asyncpg://me:secret@127.0.0.1:{port}/ferryman?user=secret")
    assert f"postgresql://127.0.0.1:{port}/ferryman cannot be reached" in message


def test_the_repr_holds_no_secret() -> None:
    database = Database("postgresql://me:secret@db.example.com/ferryman?sslkey=secret")
    assert repr(database) == "Database(postgresql://db.example.com:5432/ferryman)"


async def test_no_such_database(postgresql: PostgresServer) -> None:
    message = await _broken(f"postgresql://postgres:secret@127.0.0.1:{postgresql.port}/nowhere")
    assert "no such database" in message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "ferryman.db"
    file.write_text("a letter, not a database" * 100)
    assert "is no SQLite database" in await _broken(f"sqlite:///{file}")


async def test_a_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "ferryman.db"
    url = f"sqlite:///{file}"
    await (await open_database(url)).close()
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (size - 4096))
    assert "damaged" in await _broken(url)


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot be made" in await _broken(f"sqlite:///{tmp_path}/file/ferryman.db")


def test_a_file_that_cannot_be_opened_leaves_no_thread_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a thread reported to a loop that was closed by then: a traceback in every third run."""
    (tmp_path / "ferryman.db").symlink_to(tmp_path / "missing" / "ferryman.db")
    url = f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"
    unhandled: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)

    before = set(threading.enumerate())
    for _ in range(50):
        with pytest.raises(StoreError, match="cannot be opened"):
            asyncio.run(open_database(url))
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)

    assert not unhandled


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert "is a folder" in await _broken(f"sqlite:///{tmp_path}")


async def test_another_program_that_holds_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.store.database.database._BUSY_TIMEOUT", 50)
    database = await open_database(f"sqlite:///{tmp_path}/ferryman.db")
    other = sqlite3.connect(tmp_path / "ferryman.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked for too long"):
        async with database.write():
            pass
    other.close()
    async with database.write():
        pass
    await database.close()


async def test_a_new_file_that_another_program_opens_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses to change the journal at once then, and waits for nobody."""
    other = sqlite3.connect(tmp_path / "ferryman.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = AsyncMock(side_effect=lambda _: other.close())
    monkeypatch.setattr("ferryman.store.database.database.asyncio.sleep", waits)
    await (await open_database(f"sqlite:///{tmp_path}/ferryman.db")).close()
    waits.assert_awaited_once()


async def test_a_full_disk(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/ferryman.db")
    clock = ManualClock()
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    scene = Scene(queue, Ledger(database, clock=clock), clock)
    job = await scene.running()
    async with database.write() as connection:  # SQLite says what it says on a full disk
        pages = await connection.scalar(text("PRAGMA page_count"))
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StoreError, match="the disk is full"):
        await scene.walk({f"v{number}": digest("b") for number in range(2000)})
    assert list(await scene.ledger.known(job.target)) == ["v1"]
    async with database.write() as connection:
        await connection.execute(text("PRAGMA max_page_count = 100000"))
    assert await scene.succeed(job)
    await database.close()


async def test_a_batch_waits_for_a_lock_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.store.database.database._BUSY_TIMEOUT", 50)
    database = await open_database(f"sqlite:///{tmp_path}/ferryman.db")
    queue = Queue(database, owner="me", clock=ManualClock(), lease=LEASE, max_attempts=MAX_ATTEMPTS)
    other = sqlite3.connect(tmp_path / "ferryman.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with patch.object(database, "write_at_once", wraps=database.write_at_once) as writes:
        answers = await asyncio.gather(*(queue.claim() for _ in range(17)), return_exceptions=True)
    assert all("locked for too long" in str(answer) for answer in answers)
    assert writes.call_count == 2, "the first one's, and that of all the others"
    other.close()
    assert await queue.claim() is None
    await database.close()
