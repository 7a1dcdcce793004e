"""What is recorded for people beside the state: looks, the life of digests, and failures, on both databases."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Table, select

from ferryman.store.database.database import Database
from ferryman.store.database.tables import attempts, digests, looks
from ferryman.store.records import Look
from tests.store.scene import ITEM, LEASE, MAX_ATTEMPTS, START, Scene, digest

LOOK = Look(tags=9, complete=True)


async def rows_of(database: Database, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    query = select(*(table.c[name] for name in columns)).order_by(table.c.id)
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_look_counts_the_jobs_that_end_before_the_next_one(scene: Scene, database: Database) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b"), "v3": digest("c")}, look=LOOK)
    assert await scene.succeed(await scene.claimed())
    assert await scene.fail(await scene.claimed())
    assert await scene.fail(await scene.claimed(), retry_at=scene.clock.now())  # not for good
    await scene.walk({"v1": digest("a"), "v4": digest("d")}, look=LOOK, planned={"v1": "keep", "v4": "copy"})
    assert await scene.succeed(await scene.claimed())
    columns = ("target", "outcome", "tags", "complete", "enqueued", "copied", "failed")
    assert await rows_of(database, looks, *columns) == [
        (ITEM.target, "looked", 9, True, 3, 1, 1),
        (ITEM.target, "looked", 9, True, 1, 1, 0),
    ]


async def test_a_tag_that_no_worker_survives_counts_as_failed(scene: Scene, database: Database) -> None:
    await scene.walk({"v1": digest("a")}, look=LOOK)
    for _ in range(MAX_ATTEMPTS):
        await scene.claimed()
        await scene.lapse()
    assert await rows_of(database, looks, "failed") == [(1,)]
    assert (await scene.record()).failed_at == START + MAX_ATTEMPTS * LEASE


async def test_failed_and_paused_looks_are_looks(scene: Scene, database: Database) -> None:
    note = scene.ledger.note_lookup_failure
    await note(ITEM, "not there", now=START, kind="not-found", registry="quay.io")
    await note(ITEM, "wrong password", now=START, kind="login", registry="quay.io", paused=True)
    assert await rows_of(database, looks, "outcome", "error_kind") == [("failed", "not-found"), ("paused", "login")]
    [failure] = await scene.ledger.lookup_failures()
    assert (failure.error_kind, failure.registry, failure.since) == ("login", "quay.io", START)


async def test_only_the_newest_looks_are_kept(scene: Scene, database: Database) -> None:
    for number in range(65):
        await scene.walk(look=Look(tags=number, complete=False))
    assert await rows_of(database, looks, "tags") == [(number,) for number in range(5, 65)]


async def test_the_life_of_a_tags_digests(scene: Scene, database: Database) -> None:
    assert await scene.succeed(await scene.running(value="a"))
    await scene.walk({"v1": digest("a")}, planned={"v1": "keep"})
    later = scene.clock.advance(timedelta(days=1))
    await scene.walk({"v1": digest("b"), "v2": None}, planned={"v1": "copy", "v2": "skip"})
    await scene.walk({"v1": digest("a")})  # upstream takes it back
    assert await rows_of(database, digests, "side", "digest", "at") == [
        ("source", digest("a"), START),
        ("target", digest("f"), START),
        ("source", digest("b"), later),
        ("source", digest("a"), later),
    ]


async def test_since_when_a_tag_fails_and_by_whose_fault(scene: Scene, database: Database) -> None:
    job = await scene.running()
    scene.clock.advance(timedelta(minutes=1))
    first = scene.clock.now()
    assert await scene.fail(job, retry_at=first, registry="quay.io")
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.fail(await scene.claimed(), registry="registry.example.com")
    record = await scene.record()
    assert (record.failed_at, record.error_registry) == (first, "registry.example.com")
    assert await rows_of(database, attempts, "target", "error_registry") == [
        (ITEM.target, "quay.io"),
        (ITEM.target, "registry.example.com"),
    ]

    await scene.queue.requeue(failed=True)
    assert (await scene.record()).failed_at == first, "it still fails until a copy succeeds"
    assert (await scene.record()).error_registry is None
    assert await scene.succeed(await scene.claimed())
    assert (await scene.record()).failed_at is None


async def test_a_tag_that_waits_does_not_fail(scene: Scene) -> None:
    job = await scene.running()
    await scene.queue.defer(job, until=None, reason="login", error="wrong password", registry="quay.io")
    record = await scene.record()
    assert (record.status, record.failed_at, record.error_registry) == ("queued", None, "quay.io")
    assert await scene.skip(await scene.claimed())
    assert (await scene.record()).failed_at is None
