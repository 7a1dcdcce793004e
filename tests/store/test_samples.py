"""Samples of the queue and of the work, on both databases."""

from datetime import timedelta

from ferryman.store.database.database import Database
from ferryman.store.measures import QueueMeasures, measure
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.records import Intent
from ferryman.store.samples import INTERVAL, Sample, Samples, Step, interval_of
from tests.store.scene import START, Scene, digest


def test_an_interval_begins_at_its_five_minutes() -> None:
    assert interval_of(START + timedelta(minutes=9, seconds=59)) == START + timedelta(minutes=5)
    assert interval_of(START) == START


async def test_a_sample_has_the_queue_and_the_work_of_its_interval(scene: Scene, database: Database) -> None:
    samples = Samples(database)
    await scene.walk({"v1": digest("a"), "v2": digest("b"), "v3": digest("c"), "v4": digest("d"), "v5": digest("e")})
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.succeed(await scene.claimed())
    assert await scene.fail(await scene.claimed())
    later = scene.clock.now() + timedelta(hours=1)
    assert await scene.fail(await scene.claimed(), retry_at=later)
    await scene.claimed()
    now = scene.clock.advance(INTERVAL)
    await samples.take(now)
    taken = Sample(
        START, queued=2, due=1, running=1, failed=1, latency=360.0, copies=1, failures=2, bytes_moved=7, bytes_reused=5
    )
    assert await samples.since(START) == [taken]

    await scene.claimed()
    await samples.take(now)  # by another process, a moment later
    assert await samples.since(START) == [taken]


async def test_the_database_sums_samples_up_in_steps(scene: Scene, database: Database) -> None:
    samples = Samples(database)
    await scene.walk({f"v{number}": digest("a") for number in range(4)})
    for _ in range(4):
        assert await scene.succeed(await scene.claimed())
        await samples.take(scene.clock.advance(INTERVAL))
    taken, length = await samples.since(START), timedelta(minutes=15)
    first, second = taken[:3], taken[3:]
    assert await samples.steps(START, length) == [
        Step(START, max(each.queued for each in first), max(each.latency for each in first), bytes_moved=21),
        Step(START + length, second[0].queued, second[0].latency, bytes_moved=7),
    ]
    assert [each.queued for each in taken] == [3, 2, 1, 0]
    assert [each.at for each in await samples.steps(START + INTERVAL * 3, length)] == [START + length]


async def test_what_a_person_has_paused_is_not_late(scene: Scene, database: Database) -> None:
    pauses = ManualPauses(database, clock=scene.clock, resumed=scene.queue.filled)
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    await pauses.pause("registry", "quay.io", intent=Intent("me", "pause", "quay.io"))
    await Samples(database).take(scene.clock.advance(INTERVAL))
    [sample] = await Samples(database).since(START)
    assert (sample.queued, sample.due, sample.latency) == (2, 0, 0.0)
    assert (await measure(database, clock=scene.clock)).queue == QueueMeasures(0, 0, 0, 2, 0, None)


async def test_what_ended_in_another_interval_is_not_counted_again(scene: Scene, database: Database) -> None:
    samples = Samples(database)
    assert await scene.succeed(await scene.running())
    await samples.take(scene.clock.advance(INTERVAL))
    await samples.take(scene.clock.advance(INTERVAL))
    assert [(each.at, each.copies) for each in await samples.since(START)] == [(START, 1), (START + INTERVAL, 0)]
    await samples.forget(START + INTERVAL)
    assert [each.at for each in await samples.since(START)] == [START + INTERVAL]
