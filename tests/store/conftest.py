"""The store on both databases: a test with `database` runs on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from ferryman.store.database.database import Database, file_of, open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from tests.store.scene import LEASE, MAX_ATTEMPTS, ManualClock, Scene
from tests.support.databases import open_new_database, url_of
from tests.support.postgresql import PostgresServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """One server for the whole run, with a migrated database named `migrated` to copy from."""
    server = PostgresServer()
    try:
        server.start()
        asyncio.run(_migrate(server.create_database("migrated")))
        yield server
    finally:
        server.remove()


async def _migrate(url: str) -> None:
    await (await open_database(url)).close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database for this test."""
    if request.param == "sqlite":
        yield url_of(tmp_path / "ferryman.db")
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    name = f"test_{abs(hash(request.node.nodeid))}"
    yield server.create_database(name, template="migrated")
    server.drop_database(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    file = file_of(url)
    opened = await (open_database(url) if file is None else open_new_database(file))
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue_of(database: Database, clock: ManualClock) -> Callable[[str], Queue]:
    """The queue as a process of that name sees it."""
    return lambda owner: Queue(database, owner=owner, clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)


@pytest.fixture
def queue(queue_of: Callable[[str], Queue]) -> Queue:
    return queue_of("me")


@pytest.fixture
def ledger(database: Database, clock: ManualClock) -> Ledger:
    return Ledger(database, clock=clock)


@pytest.fixture
def scene(queue: Queue, ledger: Ledger, clock: ManualClock) -> Scene:
    return Scene(queue, ledger, clock)
