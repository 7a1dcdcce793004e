"""Frozen items: what they hold back, how they end, and what a release accepts."""

from datetime import timedelta

import pytest

from ferryman.store.database.database import Database
from ferryman.store.freezes import Freezes
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Collapse, Intent
from ferryman.wakeup import Wakeup
from tests.store.scene import ITEM, ManualClock, Scene, digest

TARGET = ITEM.target
VANISHED = Collapse("vanished", wanted=2, left=0, lost={"v1": None}, detail="1 of 2")
RELEASE = Intent("cli:me@here", "release", TARGET)


class Frozen(Scene):
    """A scene whose item freezes."""

    def __init__(self, queue: Queue, ledger: Ledger, clock: ManualClock, database: Database) -> None:
        super().__init__(queue, ledger, clock)
        self.freezes = Freezes(database, clock=clock, released=Wakeup())

    async def mirrored_and_queued(self) -> None:
        await self.succeed(await self.running("v1"))
        await self.walk({"v2": digest("b")})
        self.clock.advance(timedelta(hours=1))

    async def freeze(self, collapse: Collapse = VANISHED, *, began: timedelta = timedelta()) -> None:
        now = self.clock.now()
        await self.ledger.note_lookup_failure(ITEM, "gone", now=now, collapse=collapse, looked_at=now - began)


@pytest.fixture
async def scene(queue: Queue, ledger: Ledger, clock: ManualClock, database: Database) -> Frozen:
    """One tag is mirrored, another is queued."""
    frozen = Frozen(queue, ledger, clock, database)
    await frozen.mirrored_and_queued()
    return frozen


async def test_nothing_of_a_frozen_item_is_claimed(scene: Frozen) -> None:
    await scene.freeze()
    assert await scene.queue.claim() is None
    assert await scene.queue.claim([TARGET]) is None
    outstanding = await scene.queue.outstanding()
    assert (outstanding.due, outstanding.paused) == (0, 1)
    freeze = (await scene.freezes.frozen())[TARGET]
    assert (freeze.reason, freeze.wanted, freeze.left, freeze.detail) == ("vanished", 2, 0, "1 of 2")
    assert [each.tag for each in await scene.freezes.lost(TARGET, most=10)] == ["v1"]
    record = await scene.ledger.tag(TARGET, "v2")
    assert record
    assert (record.status, record.reason) == ("queued", "paused")


async def test_a_look_that_finds_upstream_as_it_was_ends_it(scene: Frozen) -> None:
    await scene.freeze()
    scene.clock.advance(timedelta(hours=1))
    await scene.walk({"v1": digest("a"), "v2": digest("b")}, planned={"v1": "keep", "v2": "copy"})
    assert await scene.freezes.find(TARGET) is None
    assert (await scene.claimed()).tag == "v2"


async def test_a_look_that_began_before_the_freeze_changes_nothing(scene: Frozen) -> None:
    before = scene.clock.now()
    scene.clock.advance(timedelta(seconds=1))
    await scene.freeze()
    applied = await scene.walk({"v3": digest("c")}, began_at=before)
    assert applied.enqueued == 0
    assert await scene.ledger.tag(TARGET, "v3") is None
    assert await scene.freezes.frozen()
    assert await scene.ledger.lookup_failures()


async def test_a_freeze_of_a_clock_that_was_ahead_ends_like_any_other(scene: Frozen) -> None:
    scene.clock.set_by(timedelta(days=400))
    await scene.freeze()
    scene.clock.set_by(timedelta(days=-400))
    await scene.freeze()
    assert (await scene.freezes.frozen())[TARGET].since == scene.clock.now()
    await scene.walk({"v1": digest("a")}, planned={"v1": "keep"})
    assert not await scene.freezes.frozen()


async def test_a_collapse_that_was_seen_before_the_last_walk_freezes_nothing(scene: Frozen) -> None:
    await scene.walk({"v1": digest("a")}, planned={"v1": "keep"})
    scene.clock.advance(timedelta(seconds=1))
    await scene.freeze(began=timedelta(minutes=1))
    assert not await scene.freezes.frozen()


async def test_a_release_lets_the_queue_go_on_and_is_remembered_until_the_next_look(scene: Frozen) -> None:
    await scene.freeze()
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.freezes.release(TARGET, intent=RELEASE)
    assert not await scene.freezes.release(TARGET, intent=RELEASE)
    assert not await scene.freezes.frozen()
    known = await scene.freezes.find(TARGET)
    assert known
    assert known.lost == {"v1": None}
    assert (await scene.claimed()).tag == "v2"
    scene.clock.advance(timedelta(minutes=1))
    await scene.walk({"v2": digest("b")}, gone=["v1"])
    assert await scene.freezes.find(TARGET) is None


async def test_a_look_that_began_before_the_release_does_not_freeze_again(scene: Frozen) -> None:
    await scene.freeze()
    scene.clock.advance(timedelta(minutes=1))
    await scene.freezes.release(TARGET, intent=RELEASE)
    scene.clock.advance(timedelta(seconds=1))
    await scene.freeze(began=timedelta(seconds=30))
    assert not await scene.freezes.frozen()


async def test_a_further_collapse_keeps_the_time_of_the_first_and_lists_what_is_lost_now(scene: Frozen) -> None:
    await scene.succeed(await scene.claimed())
    began = scene.clock.now()
    await scene.freeze()
    scene.clock.advance(timedelta(hours=6))
    await scene.freeze(Collapse("vanished", 2, 0, {"v1": None, "v2": digest("e")}, "all of them"))
    assert (await scene.freezes.frozen())[TARGET].since == began
    lost = await scene.freezes.lost(TARGET, most=10)
    assert [(each.tag, each.found) for each in lost] == [("v1", None), ("v2", digest("e"))]
    assert [each.tag for each in await scene.freezes.lost(TARGET, most=10, after=lost[0].id)] == ["v2"]


async def test_what_items_yml_does_not_name_any_more_is_not_frozen(scene: Frozen) -> None:
    await scene.freeze()
    await scene.queue.withdraw_items({TARGET})
    assert await scene.freezes.frozen()
    await scene.queue.withdraw_items({"registry.example.com/other"})
    assert not await scene.freezes.frozen()


async def test_forget_drops_the_freeze(scene: Frozen) -> None:
    await scene.freeze()
    await scene.ledger.forget_items([TARGET], now=scene.clock.now(), intent=Intent("me", "forget", TARGET))
    assert await scene.freezes.find(TARGET) is None
