"""Migrations: by the program and by alembic's command line, from a checkout and from an installed wheel."""

import asyncio
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert, inspect, text
from sqlalchemy.engine.interfaces import ReflectedColumn

from ferryman.clock import SystemClock
from ferryman.errors import StoreError
from ferryman.store.database import migrate
from ferryman.store.database.database import Database, Transaction, migrating, open_database
from ferryman.store.database.tables import VERSION, metadata, tags
from ferryman.store.ledger import Ledger
from tests.support.measuring import unmeasured
from tests.support.postgresql import PostgresServer
from tests.support.released import SCHEMA_OF_1_0_0, make_database_of_1_0_0

CHECKOUT = Path(__file__).parents[3]
OPEN = (
    "import asyncio, sys; from ferryman.store.database.database import open_database; "
    "asyncio.run(open_database(sys.argv[1]))"
)


def _run(*command: str, cwd: Path, url: str = "", path: Path = CHECKOUT, code: int = 0) -> str:
    environment = {**unmeasured(), "PYTHONPATH": str(path), "FERRYMAN_DATABASE_URL": url}
    done = subprocess.run(command, check=False, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def _alembic(*arguments: str, url: str, code: int = 0) -> str:
    return _run(sys.executable, "-m", "alembic", *arguments, cwd=CHECKOUT, url=url, code=code)


async def _schema(connection: Transaction) -> dict[str, list[str]]:
    """The schema as reflected from the database: every table, column, constraint and index."""
    if connection.insert(metadata.tables["tags"]).__module__.endswith("sqlite.dml"):
        rows = await connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        # ADD COLUMN writes the new ones behind the last, on its line.
        return {
            name: sorted(re.split(r",?\s*\n\s*|, (?=\w+ [A-Z]+(?: DEFAULT '\d+' NOT NULL)?, )", sql))
            for name, sql in rows
        }
    indexes = await connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
    checks = await connection.execute(text("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"))
    columns: dict[str, list[ReflectedColumn]] = await connection.run_sync(
        lambda sync: {name: inspect(sync).get_columns(name) for name in inspect(sync).get_table_names()}
    )
    described = {
        name: sorted(f"{c['name']} {c['type']} {c['nullable']}" for c in found) for name, found in columns.items()
    }
    return described | {name: [value] for name, value in indexes} | {name: [value] for name, value in checks}


@pytest.mark.slow
def test_the_command_line_at_a_checkout(url: str) -> None:
    _alembic("upgrade", "head", url=url)
    assert "No new upgrade operations detected" in _alembic("check", url=url)
    _alembic("downgrade", "base", url=url)
    _alembic("upgrade", "head", url=url)


@pytest.mark.slow
def test_alembic_takes_a_synchronous_url_too(tmp_path: Path) -> None:
    _alembic("upgrade", "head", url=f"sqlite:///{tmp_path}/ferryman.db")
    assert "(head)" in _alembic("current", url=f"sqlite:///{tmp_path}/ferryman.db")


def test_alembic_refuses_what_ferryman_refuses() -> None:
    told = _alembic("current", url="mysql://me:hunter2@localhost/ferryman", code=1)
    assert "FERRYMAN_DATABASE_URL: mysql is not supported" in told
    assert "hunter2" not in told


@pytest.mark.slow
def test_an_installed_wheel_in_any_folder(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(CHECKOUT / "ferryman", installed / "ferryman")
    shutil.copytree(CHECKOUT / "migrations", installed / "ferryman" / "migrations")  # as pyproject.toml has it
    elsewhere = tmp_path / "100% elsewhere"
    elsewhere.mkdir()
    _run(sys.executable, "-c", OPEN, "sqlite+aiosqlite:///data/ferryman.db", cwd=elsewhere, path=installed)
    assert (elsewhere / "data" / "ferryman.db").stat().st_size > 0


@pytest.mark.slow
async def test_simultaneous_starts_all_end_well(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/new/ferryman.db"
    starters = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPEN, url, cwd=CHECKOUT, env=unmeasured(), stderr=asyncio.subprocess.PIPE
        )
        for _ in range(5)
    ]
    ends = [await starter.communicate() for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 5, ends


async def test_simultaneous_starts_on_one_server(postgresql: PostgresServer) -> None:
    url = postgresql.create_database("simultaneous")
    opened = await asyncio.gather(*(open_database(url) for _ in range(5)))
    for database in opened:
        await database.close()


@pytest.mark.slow
def test_only_an_older_schema_needs_alembic(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"
    told = f"{OPEN}; print('alembic' in sys.modules)"
    assert [_run(sys.executable, "-c", told, url, cwd=tmp_path).strip() for _ in range(2)] == ["False", "False"]
    _alembic("downgrade", "-1", url=url)
    assert _run(sys.executable, "-c", told, url, cwd=tmp_path).strip() == "True"


async def test_the_database_of_a_newer_ferryman_is_refused(database: Database, url: str) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    for create in (True, False):
        with pytest.raises(StoreError, match=rf"newer Ferryman.*0999.*up to {VERSION}.*install the newer") as raised:
            await open_database(url, create=create)
        assert database.name in str(raised.value)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that nobody has made tables in. Not async: a server starts with a loop of its own."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.create_database(f"released_{abs(hash(request.node.nodeid))}")


async def test_the_migrations_produce_the_schema_of_a_new_database(empty: str) -> None:
    """Which is made without them."""
    await (await open_database(empty)).close()
    made = await _content(empty)
    async with migrating(empty) as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(partial(migrate.upgrade, name="new"))
    assert await _content(empty) == made


async def test_a_database_whose_migrations_were_undone_is_a_new_one(empty: str) -> None:
    await (await open_database(empty)).close()
    made = await _content(empty)
    async with migrating(empty) as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.execute(text("DELETE FROM alembic_version"))
    await (await open_database(empty)).close()
    assert await _content(empty) == made


@pytest.fixture
async def released(empty: str) -> str:
    """The URL of a database of release 1.0.0."""
    await make_database_of_1_0_0(empty)
    return empty


async def test_a_reader_does_not_migrate(released: str) -> None:
    before = await _content(released)

    with pytest.raises(StoreError, match="older Ferryman") as raised:
        await open_database(released, create=False)

    assert await _content(released) == before
    told = str(raised.value)
    assert Database(released).name in told
    assert f"its version is {SCHEMA_OF_1_0_0}" in told
    assert f"needs {VERSION}" in told
    assert "`ferryman migrate`" in told


async def test_a_writer_migrates_and_keeps_all_rows(released: str) -> None:
    await (await open_database(released)).close()

    database = await open_database(released, create=False)
    [record] = [each async for each in Ledger(database, clock=SystemClock()).tags()]
    await database.close()
    assert (record.item, record.tag, record.status, record.target_digest) == ("app", "1.0", "synced", "sha256:b")


async def test_what_pauses_of_1_0_0_held_back_is_due(released: str) -> None:
    """They were written into the tags."""
    later = datetime.now(UTC) + timedelta(hours=1)
    row: dict[str, object] = {
        "item": "app", "source": "quay.io/acme/app", "source_registry": "quay.io",
        "target": "registry.example.com/m/app", "target_registry": "registry.example.com",
        "status": "queued", "rank": 0, "withdrawn": False, "attempts": 1, "source_digest": "sha256:a",
    }  # fmt: skip
    states: dict[str, dict[str, object]] = {
        "refused": {"reason": "paused", "run_at": None, "error": "it refuses the login", "error_kind": None},
        "ran-into-it": {"reason": "login", "run_at": None, "error": "it refuses the login", "error_kind": "login"},
        "limited": {"reason": "paused", "run_at": later, "error": "slow down", "error_kind": None},
        "retried": {"reason": "unreachable", "run_at": later, "error": "no answer", "error_kind": "unreachable"},
    }
    async with migrating(released) as connection:
        for name, state in states.items():
            await connection.execute(insert(tags).values(**row, tag=name, **state))
    await (await open_database(released)).close()

    database = await open_database(released, create=False)
    records = [each async for each in Ledger(database, clock=SystemClock()).tags() if each.status == "queued"]
    await database.close()
    assert {each.tag: (each.run_at == later, each.error) for each in records} == {
        **dict.fromkeys(("refused", "ran-into-it", "limited"), (False, None)), "retried": (True, "no answer"),
    }  # fmt: skip
    assert all(each.run_at is not None and each.run_at < later for each in records if each.tag != "retried")


async def _content(url: str) -> tuple[dict[str, list[str]], list[object]]:
    """The schema and its version, read without a word of Ferryman's migrations."""
    database = Database(url)
    try:
        async with database.read() as connection:
            schema = await _schema(connection)
            return schema, list((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())
    finally:
        await database.close()


async def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"
    async with migrating(url) as connection:
        for statement in (
            "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
            "CREATE TABLE child (parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE)",
            "INSERT INTO parent VALUES (1)",
            "INSERT INTO child VALUES (1)",
        ):
            await connection.execute(text(statement))
    async with migrating(url) as connection:
        for statement in (
            "CREATE TABLE anew (id INTEGER PRIMARY KEY)",
            "INSERT INTO anew SELECT id FROM parent",
            "DROP TABLE parent",
            "ALTER TABLE anew RENAME TO parent",
        ):
            await connection.execute(text(statement))
    async with migrating(url) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM child")) == 1


async def test_a_migration_that_breaks_a_reference_is_rolled_back(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"
    await (await open_database(url)).close()
    with pytest.raises(StoreError, match="nothing was changed"):
        await _break_a_reference(url)
    async with migrating(url) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM history")) == 0


async def _break_a_reference(url: str) -> None:
    async with migrating(url) as connection:
        await connection.execute(text("INSERT INTO history (tag_id, digest) VALUES (7, 'sha256:a')"))
