"""What may need a person, as it is read from a record that the queue has written."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from ferryman.store.conditions import Change, Conditions, FailedItem
from ferryman.store.database.database import Database
from ferryman.store.database.tables import cycles, manual_pauses
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Look, Walk
from tests.store.scene import ITEM, START, ManualClock, Scene, digest

HOUR = timedelta(hours=1)


@pytest.fixture
def conditions(database: Database) -> Conditions:
    return Conditions(database)


async def test_an_item_has_failed_from_the_last_attempt_on_until_it_is_copied(
    conditions: Conditions, scene: Scene
) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    await scene.fail(await scene.claimed(), retry_at=scene.clock.now())
    [trying] = await conditions.failed_items()
    assert (trying.failed, trying.names, trying.error) == (0, [], None)

    await scene.fail(await scene.claimed(), kind="denied")
    await scene.fail(await scene.claimed(), kind="denied")
    assert await conditions.failed_items() == [
        FailedItem(ITEM.target, ITEM.name, START, 2, ["v1", "v2"], "it broke", "denied", None)
    ]

    await scene.walk({"v1": digest("a"), "v2": digest("b")})  # the next cycle tries again
    assert [each.failed for each in await conditions.failed_items()] == [0]
    await scene.succeed(await scene.claimed())
    await scene.succeed(await scene.claimed())
    assert await conditions.failed_items() == []


async def test_what_a_refused_login_failed_is_told_by_the_login(
    conditions: Conditions, scene: Scene, queue: Queue
) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    await scene.queue.fail(
        await scene.claimed(), started_at=START, kind="login", error="it is refused", retry_at=None, registry="quay.io"
    )
    await queue.pause("quay.io", until=None, error="it is refused", login_fingerprint="x")
    await queue.pause("docker.io", until=START + HOUR, error="too many requests")

    assert [each.failed for each in await conditions.failed_items()] == [0]
    [refused] = await conditions.refused_logins()
    assert (refused.registry, refused.error, refused.since, refused.waiting) == ("quay.io", "it is refused", START, 1)


async def test_failed_lookups_are_counted_since_the_last_good_one(
    conditions: Conditions, queue: Queue, ledger: Ledger, clock: ManualClock
) -> None:
    async def fail() -> None:
        now = clock.now()
        await ledger.note_lookup_failure(ITEM, "no such host", now=now, kind="unreachable", registry="quay.io")

    await fail()
    good = clock.now()
    walk = Walk(good, good, "rules")
    await queue.apply(ITEM, [], gone=(), planned=[], walk=walk, look=Look(tags=0, complete=True))
    clock.advance(HOUR)
    for _ in range(3):
        await fail()

    [failed] = await conditions.failed_lookups()

    assert (failed.target, failed.item, failed.source) == (ITEM.target, ITEM.name, ITEM.source)
    assert (failed.error, failed.error_kind, failed.registry) == ("no such host", "unreachable", "quay.io")
    assert failed.looks == 3


async def test_progress_says_what_was_last_done_well(
    conditions: Conditions, scene: Scene, database: Database, clock: ManualClock
) -> None:
    assert (await conditions.progress(START)).cycle_at is None
    rows = [("done", 0), ("failed", 2)]
    async with database.write() as connection:
        for outcome, hours in rows:
            await connection.execute(
                insert(cycles).values(
                    owner="me", began_at=START + hours * HOUR, ended_at=START + (hours + 1) * HOUR,
                    outcome=outcome, items=1, items_failed=0, enqueued=0,
                )
            )  # fmt: skip
        await connection.execute(insert(manual_pauses).values(scope="item", name="x", since=START, actor="me"))
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    job = await scene.claimed()
    copied_at = clock.advance(HOUR)
    await scene.succeed(job)

    progress = await conditions.progress(clock.now())

    assert (progress.cycle_at, progress.first_cycle_at) == (START + HOUR, START)
    assert (progress.copied_at, progress.due_since) == (copied_at, START)
    assert not progress.paused_by_hand


async def test_changes_are_digests_that_follow_another_one(
    conditions: Conditions, scene: Scene, clock: ManualClock
) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    later = clock.advance(HOUR)
    await scene.walk({"v1": digest("c"), "v2": digest("b"), "v3": digest("d")})

    [change] = await conditions.changes(after=0, since=START)

    assert change == Change(change.number, ITEM.target, ITEM.name, "v1", later)
    assert await conditions.changes(after=change.number, since=START) == []
    assert await conditions.changes(after=0, since=later + HOUR) == []
