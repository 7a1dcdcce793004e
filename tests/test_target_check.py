"""Checks of mirrored tags against a real registry, whose tags others change."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from ferryman.reference import Repository
from ferryman.store.database.tables import marks, tags
from ferryman.store.records import Job
from ferryman.store.target_checks import BACKUP, DIFFERS, TargetChecks
from ferryman.target_check import TargetCheck
from tests.conftest import ReadLog
from tests.support.images import push
from tests.support.upstreams import made_up_digest
from tests.support.workplace import Workplace, tiny

LONG = timedelta(days=31)


@pytest.fixture
def check(workplace: Workplace) -> Callable[..., Any]:
    """Check the tags of the usual item: `await check("1", "2", elapsed=…)`."""
    made = TargetCheck(
        targets=TargetChecks(workplace.database, clock=workplace.clock),
        registry=workplace.client,
        clock=workplace.clock,
    )
    target = Repository.parse(workplace.item().target)

    async def check(*kept: str, elapsed: timedelta | None = LONG) -> int:
        return await made.check(target, await made.due(target, set(kept), elapsed=elapsed))

    return check


async def mirrored(workplace: Workplace, *names: str) -> None:
    await workplace.enqueue(*names)
    await workplace.work(ends=len(names))


async def restore(workplace: Workplace) -> None:
    """Mark the database as a restored backup."""
    async with workplace.database.write() as connection:
        await connection.execute(update(tags).values(target_checked_at=None))
        now = workplace.clock.now()
        await connection.execute(marks.insert(), {"name": BACKUP, "value": "1", "set_at": now})


def requests(workplace: Workplace, tag: str) -> int:
    path = f"/v2/{Repository.parse(workplace.item().target).name}/manifests/{tag} "
    return workplace.target.access_log().count(f"HEAD {path}")


async def test_a_copy_is_a_check(workplace: Workplace, check: Callable[..., Any]) -> None:
    await mirrored(workplace, "1")
    asked = requests(workplace, "1")

    assert await check("1") == 0
    assert requests(workplace, "1") == asked


async def test_a_matching_tag_is_not_checked_again_for_long(workplace: Workplace, check: Callable[..., Any]) -> None:
    await mirrored(workplace, "1")
    workplace.clock.advance(LONG.total_seconds())
    asked = requests(workplace, "1")

    for _ in range(3):
        assert await check("1") == 0

    assert requests(workplace, "1") == asked + 1
    assert (await workplace.record("1")).status == "synced"


async def test_a_tag_that_somebody_overwrote_is_copied_again(
    workplace: Workplace, check: Callable[..., Any], read_log: ReadLog
) -> None:
    await mirrored(workplace, "1", "2")
    name = Repository.parse(workplace.item().target).name
    push(workplace.target.url, name, "2", tiny("somebody else's"))
    workplace.clock.advance(LONG.total_seconds())

    assert await check("1", "2") == 1

    record = await workplace.record("2")
    assert (record.status, record.reason, record.attempts) == ("queued", DIFFERS, 0)
    assert (await workplace.record("1")).status == "synced"
    [told] = [line for line in read_log() if line["event"] == "target_changed"]
    assert told["tag"] == "2"
    await workplace.work()
    assert (await workplace.record("2")).status == "synced"


async def test_a_tag_that_is_not_there_is_copied_again(workplace: Workplace, check: Callable[..., Any]) -> None:
    await synced_without_a_copy(workplace, "1", "2")
    workplace.clock.advance(LONG.total_seconds())

    assert await check("1") == 1  # and nobody wants 2

    assert (await workplace.record("1")).status == "queued"
    assert (await workplace.record("2")).status == "synced"


async def test_after_a_restore_all_tags_are_checked_at_once(workplace: Workplace, check: Callable[..., Any]) -> None:
    names = [str(number) for number in range(12)]
    await synced_without_a_copy(workplace, *names)
    await restore(workplace)

    assert await check(*names, elapsed=None) == 12


async def test_rows_of_an_older_schema_are_spread_over_days(workplace: Workplace, check: Callable[..., Any]) -> None:
    names = [str(number) for number in range(40)]
    await synced_without_a_copy(workplace, *names)
    async with workplace.database.write() as connection:
        await connection.execute(update(tags).values(target_checked_at=None))

    assert await check(*names, elapsed=None) == 0
    assert [await check(*names, elapsed=timedelta(days=1)) for _ in range(3)] == [4, 4, 4]
    assert await check(*names, elapsed=timedelta(hours=6)) == 1


async def test_all_tags_are_checked_within_thirty_days(workplace: Workplace, check: Callable[..., Any]) -> None:
    names = [str(number) for number in range(10)]
    await synced_without_a_copy(workplace, *names)
    queued = 0
    for _ in range(30):
        workplace.clock.advance(timedelta(days=1).total_seconds())
        queued += await check(*names, elapsed=timedelta(days=1))

    assert queued == 10


async def test_a_check_in_the_future_counts_as_none(workplace: Workplace, check: Callable[..., Any]) -> None:
    await synced_without_a_copy(workplace, "1")
    workplace.clock.advance(-3600)

    assert await check("1") == 1


async def test_an_unreadable_tag_is_unchanged_and_checked_again_after_the_others(
    workplace: Workplace, check: Callable[..., Any], read_log: ReadLog
) -> None:
    await synced_without_a_copy(workplace, "1", "2")
    workplace.clock.advance(LONG.total_seconds())
    workplace.target.stop()
    try:
        assert await check("1", "2", elapsed=timedelta(days=1)) == 0
        assert (await workplace.record("1")).status == "synced"
        assert [line["tags"] for line in read_log() if line["event"] == "target_check_failed"] == [1]
    finally:
        workplace.target.start()

    assert await check("1", "2", elapsed=timedelta(days=1)) == 1
    assert (await workplace.record("2")).status == "queued"
    assert await check("1", "2", elapsed=timedelta(days=1)) == 1


async def synced_without_a_copy(workplace: Workplace, *names: str) -> None:
    """Record a digest for a tag that the target does not have."""
    await workplace.enqueue(*names)
    while (job := await workplace.queue.claim()) is not None:
        await succeed(workplace, job)


async def succeed(workplace: Workplace, job: Job) -> None:
    assert await workplace.queue.succeed(
        job, started_at=workplace.clock.now(), target_digest=made_up_digest(f"copy of {job.tag}"), identical=True,
        bytes_moved=1, bytes_reused=0,
    )  # fmt: skip
