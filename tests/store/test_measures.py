"""What the metrics read, on both databases; the numbers themselves are compared in tests/metrics."""

from datetime import timedelta

from ferryman.store.database.database import Database
from ferryman.store.measures import QueueMeasures, measure
from tests.store.scene import ITEM, ManualClock, Scene, digest


async def test_all_of_it_is_read_at_once(database: Database, scene: Scene) -> None:
    began = scene.clock.now()
    await scene.walk({"v1": digest("a"), "v2": digest("b"), "v3": digest("c")})
    await scene.fail(await scene.claimed())
    await scene.queue.pause("quay.io", until=scene.clock.now() + timedelta(minutes=1), error="slow down")
    await scene.queue.pause("docker.io", until=None, error="refused", login_fingerprint="f")
    await scene.ledger.note_lookup_failure(ITEM, "no route", now=began)

    measures = await measure(database, clock=scene.clock)

    assert measures.at == began
    assert measures.tags == {(ITEM.target, "failed"): 1, (ITEM.target, "queued"): 2}
    assert measures.queue == QueueMeasures(due=0, waiting=2, held=0, paused=0, quarantined=0, oldest_due_at=None)
    assert measures.refused == frozenset({"docker.io"})
    assert measures.limited == frozenset({"quay.io"})
    assert measures.unread == {}
    assert measures.unlisted == frozenset({ITEM.target})
    assert measures.services == []

    scene.clock.advance(timedelta(minutes=2))
    later = await measure(database, clock=scene.clock)

    assert later.queue == QueueMeasures(
        due=2, waiting=0, held=0, paused=0, quarantined=0, oldest_due_at=began + timedelta(minutes=1)
    )
    assert later.limited == frozenset()


async def test_the_disk_of_a_file_is_known_and_a_servers_is_not(database: Database, clock: ManualClock) -> None:
    disk = (await measure(database, clock=clock)).disk
    assert disk.size > 0
    assert (disk.free is None) is (database.file is None)
