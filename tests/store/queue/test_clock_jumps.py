"""Clocks that were ahead when something was stored, or that are set while leases are held; on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ferryman.store.queue.queue import Queue
from ferryman.store.services import Services
from tests.store.scene import LEASE, ManualClock, Scene, digest

SOURCE = "quay.io"
AHEAD = [timedelta(minutes=5), timedelta(hours=8), timedelta(days=400)]
each_jump = pytest.mark.parametrize("ahead", AHEAD, ids=str)


@each_jump
async def test_what_was_queued_under_a_clock_ahead_is_due(scene: Scene, ahead: timedelta) -> None:
    scene.clock.set_by(ahead)
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    scene.clock.set_by(-ahead)
    assert await scene.queue.claim() is None
    await scene.queue.repair_times()
    assert {(await scene.claimed()).tag, (await scene.claimed()).tag} == {"v1", "v2"}


async def test_what_was_requeued_under_a_clock_ahead_is_due(scene: Scene) -> None:
    """Nothing else was recorded under that clock."""
    await scene.fail(await scene.running())
    scene.clock.set_by(timedelta(hours=3))
    assert await scene.queue.requeue(failed=True) == 1
    scene.clock.set_by(-timedelta(hours=3))
    await scene.queue.repair_times(thorough=True)
    assert (await scene.claimed()).tag == "v1"


@each_jump
async def test_a_walk_in_the_future_guards_nothing(scene: Scene, ahead: timedelta) -> None:
    scene.clock.set_by(ahead)
    await scene.walk({"v1": digest("a")})
    scene.clock.set_by(-ahead)
    assert (await scene.walk({"v1": digest("a"), "v2": digest("b")})).enqueued == 1


async def test_a_walk_that_the_clock_was_set_back_during_guards_nothing(scene: Scene) -> None:
    began = scene.clock.now()
    scene.clock.set_by(-timedelta(hours=1))
    await scene.walk({"v1": digest("a")}, began_at=began)
    assert (await scene.walk({"v2": digest("b")})).enqueued == 1
    walk = (await scene.ledger.recorded("registry.example.com/mirror/etcd")).walk
    assert walk is not None
    assert walk.completed_at <= scene.clock.now()


async def test_a_walk_in_the_future_does_not_put_off_a_complete_one(scene: Scene) -> None:
    scene.clock.set_by(timedelta(hours=8))
    await scene.walk({"v1": digest("a")})
    scene.clock.set_by(-timedelta(hours=8))
    await scene.queue.repair_times()
    walk = (await scene.ledger.recorded("registry.example.com/mirror/etcd")).walk
    assert walk is not None
    assert scene.clock.now() - walk.completed_at > timedelta(days=365)


@each_jump
async def test_a_retry_keeps_the_length_of_its_wait(scene: Scene, ahead: timedelta) -> None:
    job = await scene.running()
    scene.clock.set_by(ahead)
    await scene.fail(job, retry_at=scene.clock.now() + timedelta(minutes=2))
    scene.clock.set_by(-ahead)
    await scene.queue.repair_times()
    assert await scene.queue.claim() is None
    assert (await scene.record()).error == "it broke"
    scene.clock.advance(timedelta(minutes=2))
    assert (await scene.claimed()).tag == "v1"


@each_jump
async def test_a_rate_limit_keeps_its_length(scene: Scene, ahead: timedelta) -> None:
    await scene.walk({"v1": digest("a")})
    scene.clock.set_by(ahead)
    await scene.queue.pause(SOURCE, until=scene.clock.now() + timedelta(hours=2), error="slow down")
    await scene.walk({"v2": digest("b")})
    scene.clock.set_by(-ahead)
    assert await scene.queue.paused_registries() == [], "not as it stands"
    await scene.queue.repair_times()
    (state,) = await scene.queue.paused_registries()
    assert (state.since, state.until) == (scene.clock.now(), scene.clock.now() + timedelta(hours=2))
    assert await scene.queue.claim() is None
    scene.clock.advance(timedelta(hours=2))
    assert {(await scene.claimed()).tag, (await scene.claimed()).tag} == {"v1", "v2"}


async def test_a_refused_login_stays_refused_whenever_that_was(scene: Scene) -> None:
    scene.clock.set_by(timedelta(hours=8))
    await scene.queue.pause(SOURCE, until=None, error="refused")
    scene.clock.set_by(-timedelta(hours=8))
    await scene.queue.repair_times(thorough=True)
    assert [state.until for state in await scene.queue.paused_registries()] == [None]


async def test_waits_that_are_right_are_left_alone(scene: Scene) -> None:
    await scene.fail(await scene.running(), retry_at=scene.clock.now() + timedelta(minutes=30))
    await scene.walk({"v2": digest("b")})
    await scene.queue.pause(SOURCE, until=scene.clock.now() + timedelta(hours=23), error="slow down")
    before = await scene.ledger.known("registry.example.com/mirror/etcd")
    held = await scene.queue.paused_registries()
    await scene.queue.repair_times(thorough=True)
    assert await scene.ledger.known("registry.example.com/mirror/etcd") == before
    assert await scene.queue.paused_registries() == held


async def test_times_are_repaired_once(scene: Scene) -> None:
    """What is stored afterwards under the right clock keeps its wait."""
    scene.clock.set_by(timedelta(hours=8))
    await scene.fail(await scene.running(), retry_at=scene.clock.now())
    scene.clock.set_by(-timedelta(hours=8))
    await scene.queue.repair_times()
    await scene.fail(await scene.claimed(), retry_at=scene.clock.now() + timedelta(minutes=9))
    await scene.queue.repair_times(thorough=True)
    assert (await scene.record()).run_at == scene.clock.now() + timedelta(minutes=9)


async def test_services_from_the_future_are_forgotten(scene: Scene) -> None:
    services = Services(scene.queue._database, clock=scene.clock)
    scene.clock.set_by(timedelta(hours=8))
    await services.heartbeat("dead", "run")
    scene.clock.set_by(-timedelta(hours=8))
    await services.heartbeat("alive", "run")
    await scene.queue.repair_times()
    assert [service.owner for service in await services.list()] == ["alive"]


# Leases


@pytest.mark.parametrize("jump", [timedelta(hours=8), timedelta(hours=-8), timedelta(days=-400)], ids=str)
async def test_a_jump_of_the_clock_ends_no_lease_that_is_renewed(
    scene: Scene, queue_of: Callable[[str], Queue], jump: timedelta
) -> None:
    other = queue_of("other")
    job = await scene.running()
    assert await other.reclaim() == 0
    scene.clock.set_by(jump)
    for _ in range(6):
        assert await other.reclaim() == 0
        scene.clock.advance(LEASE / 3)
        assert await scene.queue.heartbeat() == {job.token}
    assert await scene.succeed(job)


@each_jump
async def test_a_lease_with_an_end_far_ahead_lapses_in_time(
    scene: Scene, queue_of: Callable[[str], Queue], ahead: timedelta
) -> None:
    scene.clock.set_by(ahead)
    await scene.running()
    scene.clock.set_by(-ahead)
    other = queue_of("other")
    assert await other.reclaim() == 0
    scene.clock.advance(timedelta(minutes=10))
    assert await other.reclaim() == 1


async def test_a_process_that_starts_with_a_clock_ahead_takes_nothing(
    scene: Scene, queue_of: Callable[[str], Queue], clock: ManualClock
) -> None:
    job = await scene.running()
    clock.set_by(timedelta(hours=8))
    assert await queue_of("newcomer").reclaim() == 0
    assert await scene.queue.heartbeat() == {job.token}
