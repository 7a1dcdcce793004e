"""Errors of a driver: those of the database, and those of a value that cannot be stored."""

from datetime import datetime

import pytest
from sqlalchemy import text

from ferryman.errors import StoreError, Unstorable
from ferryman.store.database.database import Database
from ferryman.store.services import Cycles, Services
from tests.store.scene import ITEM, START, ManualClock, Scene, digest


async def test_a_text_with_invalid_characters(scene: Scene) -> None:
    with pytest.raises(Unstorable, match="the state database"):
        await scene.ledger.note_lookup_failure(ITEM, "half a character: \ud800", now=START)
    await scene.walk({"v1": digest("a")})
    assert (await scene.claimed()).tag == "v1"


async def test_a_number_of_more_than_64_bits(scene: Scene) -> None:
    job = await scene.running()
    with pytest.raises(Unstorable, match="the state database"):
        await scene.queue.succeed(
            job, started_at=START, target_digest=digest("f"), identical=True, bytes_moved=2**63, bytes_reused=0
        )
    assert await scene.succeed(job)


async def test_a_moment_without_a_zone(database: Database, clock: ManualClock) -> None:
    with pytest.raises(Unstorable, match="no time zone"):
        await Services(database, clock=clock).heartbeat("me", "run", cycles=Cycles(next_at=datetime(2026, 1, 1)))  # noqa: DTZ001


async def test_a_row_that_violates_a_constraint(database: Database) -> None:
    with pytest.raises(Unstorable):
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO troubles (target) VALUES ('t')"))


async def test_an_invalid_statement_is_not_unstorable(database: Database) -> None:
    with pytest.raises(StoreError) as raised:
        async with database.write() as connection:
            await connection.execute(text("SELECT nothing FROM nowhere"))
    assert not isinstance(raised.value, Unstorable)


@pytest.mark.parametrize(
    "named",
    [
        "postgresql://me:s3cr3t@db.example.com/x",
        "postgresql://me:with@s3cr3t@db.example.com/x",
        "postgresql+asyncpg://me:with/s3cr3t@db.example.com/x",
        "postgresql://db.example.com/x?user=me&password=s3cr3t&sslmode=require",
        "postgresql://db.example.com/x?sslpassword=s3cr3t",
    ],
)
async def test_a_password_in_a_drivers_error_is_redacted(database: Database, named: str) -> None:
    with pytest.raises(StoreError, match=r"db\.example\.com/x") as raised:
        async with database.read() as connection:
            await connection.execute(text(f'SELECT * FROM "{named}"'))  # the driver quotes what it does not find

    assert "s3cr3t" not in str(raised.value)
    assert "***" in str(raised.value)
