"""The audit log, on both databases."""

from datetime import timedelta

import pytest

from ferryman.store.actions import Actions
from ferryman.store.database.database import Database
from ferryman.store.records import AuditEntry, Intent
from tests.store.scene import ITEM, START, ManualClock, Scene


@pytest.fixture
def actions(database: Database, clock: ManualClock) -> Actions:
    return Actions(database, clock=clock)


async def test_it_is_read_newest_first_a_page_at_a_time(actions: Actions, clock: ManualClock) -> None:
    for number in range(5):
        await actions.note(Intent("token:web", "requeue", f"item {number}", "only what failed"), number=number)
        clock.advance(timedelta(minutes=1))
    first = await actions.list(most=2)
    second = await actions.list(most=2, before=first[-1].id)
    last = await actions.list(most=2, before=second[-1].id)
    assert [each.subject for each in (*first, *second, *last)] == [f"item {number}" for number in (4, 3, 2, 1, 0)]
    key, when = first[0].id, START + timedelta(minutes=4)
    assert first[0] == AuditEntry(key, when, "token:web", "requeue", "item 4", 4, "only what failed")


async def test_what_is_old_is_forgotten(actions: Actions, clock: ManualClock) -> None:
    for subject in ("old", "new"):
        await actions.note(Intent("me", "look", subject))
        clock.advance(timedelta(days=1))
    assert await actions.forget(START + timedelta(hours=1)) == 1
    assert [each.subject for each in await actions.list()] == ["new"]


async def test_what_persons_do_to_the_queue_is_recorded_with_it(scene: Scene, actions: Actions) -> None:
    await scene.fail(await scene.running(), kind="login")
    await scene.queue.pause("quay.io", until=None, error="refused")
    await scene.queue.resume("quay.io", intent=Intent("me", "try-login", "quay.io"))
    await scene.queue.requeue(tag="v1", intent=Intent("me", "requeue", "v1"))
    await scene.queue.requeue(failed=True)  # nobody's
    await scene.ledger.forget_items([ITEM.target], now=START, intent=Intent("me", "forget", ITEM.target))
    entries = [(each.action, each.subject, each.number) for each in await actions.list()]
    assert entries == [("forget", ITEM.target, 1), ("requeue", "v1", 1), ("try-login", "quay.io", 1)]
