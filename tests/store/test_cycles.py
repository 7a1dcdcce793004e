"""The record of cycles, on both databases."""

from datetime import timedelta

from ferryman.store.cycles import CycleLog
from ferryman.store.database.database import Database
from tests.store.scene import START, ManualClock


async def test_cycles_end_well_badly_or_with_their_process(database: Database, clock: ManualClock) -> None:
    log = CycleLog(database)
    first = await log.begin("me", items=3, now=clock.now())
    await log.end(first, outcome="done", now=clock.advance(timedelta(minutes=1)), items_failed=1, enqueued=7)
    second = await log.begin("me", items=3, now=clock.advance(timedelta(hours=6)))
    await log.end(second, outcome="failed", now=clock.now(), error="disk full")
    await log.begin("me", items=3, now=clock.now())
    await log.begin("another", items=1, now=clock.now())
    await log.stop("me", now=clock.now())
    found = await log.latest(4)
    assert [(each.owner, each.outcome, each.items_failed, each.enqueued, each.error) for each in found] == [
        ("another", None, 0, 0, None),
        ("me", "stopped", 0, 0, None),
        ("me", "failed", 0, 0, "disk full"),
        ("me", "done", 1, 7, None),
    ]
    assert found[-1].ended_at == START + timedelta(minutes=1)
    await log.forget(clock.now())
    assert len(await log.latest(10)) == 3
