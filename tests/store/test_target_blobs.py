"""The cache of what target registries hold, on both databases."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from ferryman.store.database.database import Database
from ferryman.store.database.tables import blobs as table
from ferryman.store.target_blobs import TargetBlobs
from tests.store.scene import ManualClock
from tests.support.upstreams import made_up_digest

HOST = "registry.example.com"
ONE, TWO, THREE = map(made_up_digest, ("one", "two", "three"))


@pytest.fixture
def blobs(database: Database, clock: ManualClock) -> TargetBlobs:
    return TargetBlobs(database, clock=clock)


async def test_the_repositories_that_hold_a_digest(blobs: TargetBlobs) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE, TWO], "manifest": [THREE]})
    await blobs.remember(HOST, "b", {"blob": [ONE]})
    await blobs.remember(HOST, "b", {"blob": [ONE]})
    await blobs.remember("other.example.com", "c", {"blob": [ONE]})

    assert await blobs.holders(HOST, [ONE, TWO, THREE], kind="blob") == {ONE: {"a", "b"}, TWO: {"a"}}
    assert await blobs.holders(HOST, [ONE, THREE], kind="manifest") == {THREE: {"a"}}
    assert await blobs.holders(HOST, [], kind="blob") == {}


async def test_forgets_what_turned_out_to_be_gone(blobs: TargetBlobs) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE, TWO], "manifest": [THREE]})
    await blobs.remember(HOST, "b", {"blob": [ONE]})

    await blobs.forget(HOST, "a", [ONE, THREE])
    await blobs.forget(HOST, "a", [ONE, THREE])

    assert await blobs.holders(HOST, [ONE, TWO], kind="blob") == {ONE: {"b"}, TWO: {"a"}}
    assert await blobs.holders(HOST, [THREE], kind="manifest") == {}


async def test_more_digests_than_one_statement_takes(blobs: TargetBlobs) -> None:
    many = [made_up_digest(str(number)) for number in range(1200)]

    await blobs.remember(HOST, "a", {"blob": many})

    assert len(await blobs.holders(HOST, many, kind="blob")) == 1200
    await blobs.forget(HOST, "a", many)
    assert await blobs.holders(HOST, many, kind="blob") == {}


async def test_rows_go_with_their_item(blobs: TargetBlobs) -> None:
    for registry, name in ((HOST, "a"), (HOST, "b"), ("other.example.com", "a")):
        await blobs.remember(registry, name, {"blob": [ONE], "manifest": [TWO]})

    await blobs.forget_repositories(but={(HOST, "a"), (HOST, "not/copied/yet")})

    assert await blobs.holders(HOST, [ONE], kind="blob") == {ONE: {"a"}}
    assert await blobs.holders(HOST, [TWO], kind="manifest") == {TWO: {"a"}}
    assert await blobs.holders("other.example.com", [ONE], kind="blob") == {}


async def test_rows_go_after_a_year_without_use(blobs: TargetBlobs, clock: ManualClock) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE, TWO], "manifest": [ONE]})
    for _ in range(5):
        clock.advance(timedelta(days=80))
        assert await blobs.holders(HOST, [ONE, THREE], kind="blob") == {ONE: {"a"}}
        await blobs.forget_unused()

    assert await blobs.holders(HOST, [ONE, TWO], kind="blob") == {ONE: {"a"}}
    assert await blobs.holders(HOST, [ONE], kind="manifest") == {}


async def used_at(database: Database) -> dict[str, datetime | None]:
    async with database.read() as connection:
        return {row.digest: row.used_at for row in await connection.execute(select(table))}


async def test_use_is_recorded_once_a_month(blobs: TargetBlobs, database: Database, clock: ManualClock) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE]})
    begin = clock.now()

    for day in range(1, 62):
        clock.advance(timedelta(days=1))
        await blobs.holders(HOST, [ONE], kind="blob")
        assert await used_at(database) == {ONE: begin + timedelta(days=day // 31 * 31)}


@pytest.mark.parametrize("written", [None, timedelta(days=400)], ids=["before it was recorded", "by a clock ahead"])
async def test_the_year_of_an_odd_row_begins_when_it_is_found(
    blobs: TargetBlobs, database: Database, clock: ManualClock, written: timedelta | None
) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE]})
    async with database.write() as connection:
        await connection.execute(update(table).values(used_at=written and clock.now() + written))

    await blobs.forget_unused()
    assert await used_at(database) == {ONE: clock.now()}
    clock.advance(timedelta(days=364))
    await blobs.forget_unused()
    assert await used_at(database) != {}
    clock.advance(timedelta(days=2))
    await blobs.forget_unused()
    assert await used_at(database) == {}


async def test_a_missing_capability_is_cached_for_a_month(blobs: TargetBlobs, clock: ManualClock) -> None:
    await blobs.note_missing_capability(HOST, "mounts")
    clock.advance(timedelta(days=20))
    await blobs.note_missing_capability(HOST, "takes_chunks")
    await blobs.note_missing_capability(HOST, "takes_chunks")

    assert set(await blobs.missing_capabilities(HOST)) == {"mounts", "takes_chunks"}
    clock.advance(timedelta(days=11))
    assert set(await blobs.missing_capabilities(HOST)) == {"takes_chunks"}
    assert await blobs.missing_capabilities("other.example.com") == {}


async def test_a_missing_capability_may_have_a_limit_and_may_be_forgotten(blobs: TargetBlobs) -> None:
    await blobs.note_missing_capability(HOST, "largest_chunk", "4194304")
    await blobs.note_missing_capability(HOST, "mounts")
    assert await blobs.missing_capabilities(HOST) == {"largest_chunk": "4194304", "mounts": None}

    await blobs.note_missing_capability(HOST, "largest_chunk", "524288")
    await blobs.forget_missing_capability(HOST, "mounts")
    await blobs.forget_missing_capability(HOST, "mounts")
    assert await blobs.missing_capabilities(HOST) == {"largest_chunk": "524288"}


@pytest.mark.parametrize(("ahead", "believed"), [(timedelta(minutes=5), True), (timedelta(hours=8), False)])
async def test_a_capability_recorded_under_a_clock_ahead_is_not_cached_for_ever(
    blobs: TargetBlobs, clock: ManualClock, ahead: timedelta, believed: bool
) -> None:
    clock.advance(ahead)
    await blobs.note_missing_capability(HOST, "mounts")
    clock.advance(-ahead)

    assert ("mounts" in await blobs.missing_capabilities(HOST)) is believed
    await blobs.note_missing_capability(HOST, "mounts")  # found again, by the clock that was set right
    assert "mounts" in await blobs.missing_capabilities(HOST)
