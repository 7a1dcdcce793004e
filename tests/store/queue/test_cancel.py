"""A person cancels a copy that runs, on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ferryman.store.actions import Actions
from ferryman.store.database.database import Database
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Intent
from tests.store.scene import ITEM, START, ManualClock, Scene, digest

CANCEL = Intent("cli:me@here", "cancel", f"{ITEM.target}:v1")
ERROR = "cancelled by cli:me@here; the next look, or `ferryman requeue`, tries it again"


async def test_its_lease_is_taken_away_and_it_has_failed(
    scene: Scene, queue_of: Callable[[str], Queue], database: Database, clock: ManualClock
) -> None:
    job = await scene.running()
    clock.advance(timedelta(seconds=9))
    told: list[str] = []
    scene.queue.on_cancel = told.append
    await queue_of("other").cancel(ITEM.target, "v1", intent=CANCEL)
    assert told == []  # this process learns it by its heartbeat
    assert await scene.queue.heartbeat() == frozenset()
    assert not await scene.succeed(job)
    record = await scene.record()
    assert (record.status, record.reason, record.error, record.error_kind) == (
        "failed",
        "cancelled",
        ERROR,
        "cancelled",
    )
    assert record.failed_at == clock.now()
    assert await scene.queue.cancellation(job) == ERROR
    [attempt] = await scene.ledger.attempts(record.id)
    assert (attempt.outcome, attempt.started_at, attempt.finished_at) == ("cancelled", START, clock.now())
    [entry] = await Actions(database, clock=clock).list()
    assert (entry.actor, entry.action, entry.subject, entry.number) == (CANCEL.actor, "cancel", CANCEL.subject, 1)
    assert await scene.queue.claim() is None


async def test_the_process_that_runs_it_is_told_at_once(scene: Scene) -> None:
    job = await scene.running()
    told: list[str] = []
    scene.queue.on_cancel = told.append
    assert await scene.queue.cancel(ITEM.target, "v1", intent=CANCEL)
    assert told == [job.token]


@pytest.mark.parametrize("status", ["queued", "synced", "unknown"])
async def test_nothing_happens_to_what_does_not_run(
    scene: Scene, database: Database, clock: ManualClock, status: str
) -> None:
    await scene.walk({"v1": digest("a")})
    if status == "synced":
        await scene.succeed(await scene.claimed())
    before = await scene.record()
    assert not await scene.queue.cancel(ITEM.target, "v2" if status == "unknown" else "v1", intent=CANCEL)
    assert await scene.record() == before
    assert await Actions(database, clock=clock).list() == []


async def test_a_look_that_began_before_does_not_bring_it_back_but_the_next_one_does(scene: Scene) -> None:
    await scene.running()
    known = await scene.ledger.known(ITEM.target)
    await scene.queue.cancel(ITEM.target, "v1", intent=CANCEL)
    await scene.walk({"v1": digest("a")}, known=known)
    assert (await scene.record()).status == "failed"
    await scene.walk({"v1": digest("a")})
    assert (await scene.claimed()).attempt == 1
    assert (await scene.record()).error is None


async def test_a_look_that_began_before_may_leave_it_out(scene: Scene) -> None:
    await scene.running()
    known = await scene.ledger.known(ITEM.target)
    await scene.queue.cancel(ITEM.target, "v1", intent=CANCEL)
    await scene.walk(planned={"v1": "skip"}, known=known)
    assert (await scene.record()).status == "skipped"


async def test_a_requeue_tries_it_again(scene: Scene) -> None:
    job = await scene.running()
    await scene.queue.cancel(ITEM.target, "v1", intent=CANCEL)
    assert await scene.queue.requeue(failed=True) == 1
    assert await scene.succeed(await scene.claimed())
    assert await scene.queue.cancellation(job) is None


async def test_what_is_not_wanted_any_more_leaves_the_queue(scene: Scene) -> None:
    await scene.running()
    await scene.walk(planned={"v1": "skip"})
    assert await scene.queue.cancel(ITEM.target, "v1", intent=CANCEL)
    record = await scene.record()
    assert (record.status, record.error) == ("skipped", None)
