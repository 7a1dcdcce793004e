"""A PostgreSQL server that stops answering: every wait for it times out."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from ferryman.errors import StoreError
from ferryman.store.database.database import Database, open_database
from ferryman.store.queue.queue import Queue
from tests.store.scene import LEASE, MAX_ATTEMPTS, ManualClock
from tests.support.postgresql import PostgresServer


@pytest.fixture
async def impatient(
    request: pytest.FixtureRequest, postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    """A database on PostgreSQL with a command timeout of 2 seconds."""
    monkeypatch.setattr("ferryman.store.database.database._COMMAND_TIMEOUT", 2.0)
    database = await open_database(postgresql.create_database(request.node.name, template="migrated"))
    yield database
    await database.close()


async def test_a_silent_server_is_disconnected_and_connected_again(impatient: Database) -> None:
    queue = Queue(impatient, owner="me", clock=ManualClock(), lease=LEASE, max_attempts=MAX_ATTEMPTS)
    async with impatient.read() as connection:
        backend = await connection.scalar(text("SELECT pg_backend_pid()"))
    os.kill(backend, signal.SIGSTOP)
    try:
        async with asyncio.timeout(60):
            with pytest.raises(StoreError, match="has not answered for long"):
                await queue.heartbeat()
            assert await queue.heartbeat() == frozenset()
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_server_that_stops_answering_in_a_transaction(impatient: Database) -> None:
    async def ask_the_silent() -> None:
        async with impatient.write() as connection:
            backend = await connection.scalar(text("SELECT pg_backend_pid()"))
            os.kill(backend, signal.SIGSTOP)
            stopped.append(backend)
            await connection.execute(text("SELECT 1"))

    stopped: list[int] = []
    try:
        async with asyncio.timeout(60):
            with pytest.raises(StoreError, match="has not answered for long"):
                await ask_the_silent()
    finally:
        for backend in stopped:
            os.kill(backend, signal.SIGCONT)


async def test_a_cancelled_call_does_not_outlast_the_timeout(impatient: Database) -> None:
    begun = asyncio.Event()

    async def ask_for_an_hour() -> None:
        async with impatient.read() as connection:
            begun.set()
            await connection.execute(text("SELECT pg_sleep(3600)"))

    asking = asyncio.create_task(ask_for_an_hour())
    await begun.wait()
    asking.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([asking])
    assert asking.cancelled()


async def test_a_server_that_accepts_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr("ferryman.store.database.database._CONNECT_TIMEOUT", 0.5)
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(60):
            with pytest.raises(StoreError, match="has not answered for long"):
                await open_database(f"postgresql://me:secret@127.0.0.1:{port}/ferryman")
