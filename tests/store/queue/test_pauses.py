"""Paused registries: which tags are held back, and which are released, on both databases."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ferryman.store.conditions import Conditions
from ferryman.store.database.database import Database, open_database
from ferryman.store.database.tables import tags
from ferryman.store.queue.queue import Queue
from ferryman.store.records import ItemKey, RegistryState
from tests.store.queries.random_events import all_rows
from tests.store.scene import ITEM, LEASE, MAX_ATTEMPTS, START, Scene, digest

SOURCE, TARGET = "quay.io", "registry.example.com"
OTHER = ItemKey("pause", "registry.k8s.io/pause", "registry.example.com/mirror/pause", None)
ELSEWHERE = ItemKey("nginx", "docker.io/library/nginx", "other.example.com/nginx", None)


@pytest.mark.parametrize("registry", [SOURCE, TARGET])
async def test_a_paused_registrys_tags_are_held_and_resumed(scene: Scene, registry: str) -> None:
    await scene.walk({"v1": digest("a")})
    await scene.walk({"v2": digest("b")}, item=ELSEWHERE)
    await scene.queue.pause(registry, until=None, error="refused", login_fingerprint="print")
    assert await scene.queue.paused_registries() == [RegistryState(registry, None, "refused", START, tried_at=START)]
    assert await scene.queue.login_fingerprint_of(registry) == "print"
    record = await scene.record()
    assert (record.run_at, record.reason, record.error) == (None, "paused", "refused")
    assert (await scene.claimed()).tag == "v2"
    assert await scene.queue.claim() is None
    assert await scene.queue.resume(registry) == 1
    assert await scene.queue.paused_registries() == []
    assert await scene.queue.login_fingerprint_of(registry) is None
    assert (await scene.claimed()).tag == "v1"
    record = await scene.record()
    assert (record.reason, record.error) == (None, None)


@pytest.mark.parametrize("until", [START + timedelta(hours=1), None], ids=["limited", "refused"])
@pytest.mark.parametrize("registry", [SOURCE, TARGET])
async def test_a_pause_and_its_end_change_no_tag(
    scene: Scene, database: Database, registry: str, until: datetime | None
) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    await scene.fail(await scene.claimed(), retry_at=START + timedelta(minutes=5))
    await scene.walk({"1": digest("a")}, item=ELSEWHERE)
    before = await all_rows(database)
    ends: list[Callable[[], Awaitable[int]]] = [
        lambda: scene.queue.resume(registry),
        lambda: scene.queue.resume_on_trial(registry),
        lambda: scene.queue.requeue(lifting=[registry], among=tags.c.tag == "v2"),
    ]
    for end in ends:
        await scene.queue.pause(registry, until=until, error="slow down")
        assert await all_rows(database) == before
        assert await end() > 0
        assert await scene.queue.paused_registries() == []
        assert await all_rows(database) == before


async def test_what_a_pause_holds_back_is_due_since_its_end(scene: Scene) -> None:
    """Otherwise the queue would be late by the length of the pause."""
    await scene.walk({"v1": digest("a")})
    await scene.queue.pause(SOURCE, until=START + timedelta(hours=1), error="slow down")
    scene.clock.advance(timedelta(hours=2))
    await scene.queue.pause(TARGET, until=None, error="refused")
    scene.clock.advance(timedelta(hours=2))
    assert await scene.queue.resume(TARGET) == 1
    scene.clock.advance(timedelta(minutes=5))
    progress = await Conditions(scene.queue._database).progress(scene.clock.now())
    assert progress.due_since == START + timedelta(hours=4)


async def test_a_pause_that_was_ended_does_not_begin_again_when_the_clock_is_set_back(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    await scene.queue.pause(SOURCE, until=None, error="refused")
    scene.clock.advance(timedelta(hours=2))
    await scene.queue.resume(SOURCE)
    scene.clock.set_by(-timedelta(hours=1))
    assert await scene.queue.paused_registries() == []
    assert await scene.queue.claim() is not None


async def test_a_pause_holds_for_every_process_and_after_a_restart(
    url: str, scene: Scene, queue_of: Callable[[str], Queue]
) -> None:
    await scene.walk({"v1": digest("a")})
    await scene.queue.pause(SOURCE, until=START + timedelta(hours=1), error="slow down")
    assert await queue_of("other").claim() is None
    again = await open_database(url)
    restarted = Queue(again, owner="again", clock=scene.clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    assert await restarted.claim() is None
    scene.clock.advance(timedelta(hours=1))
    assert await restarted.claim() is not None
    await again.close()


async def test_the_order_behind_a_pause_stays(scene: Scene) -> None:
    names = ["v3", "v1", "v2"]
    await scene.walk({name: digest("a") for name in names})
    await scene.queue.pause(SOURCE, until=None, error="refused")
    await scene.walk({name: digest("b") for name in names})
    await scene.queue.resume(SOURCE)
    assert [(await scene.claimed()).tag for _ in names] == names


async def test_every_way_to_queue_a_tag_respects_the_pause(scene: Scene) -> None:
    jobs = {}
    for tag in ("retried", "handed-back", "deferred", "moved-on", "lost", "requeued"):
        jobs[tag] = await scene.running(tag)
    await scene.fail(jobs["requeued"])
    await scene.queue.pause(SOURCE, until=None, error="refused")
    await scene.fail(jobs["retried"], retry_at=START)
    await scene.queue.return_to_queue(jobs["handed-back"])
    await scene.queue.defer(jobs["deferred"], until=START, reason="rate-limited", error="slow down")
    await scene.walk({"moved-on": digest("b"), "enqueued": digest("a")})
    await scene.succeed(jobs["moved-on"])
    assert await scene.queue.reclaim(["me"]) == 1
    known = await scene.ledger.known(ITEM.target)
    assert {tag for tag, record in known.items() if record.status == "queued"} == {*jobs, "enqueued"} - {"requeued"}
    assert {record.run_at for record in known.values() if record.status == "queued"} == {None}
    assert await scene.queue.claim() is None
    assert (await scene.queue.outstanding()).held == 6


async def test_a_limit_ends_by_itself(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    until = START + timedelta(minutes=1)
    await scene.queue.pause(SOURCE, until=until, error="slow down")
    assert await scene.queue.claim() is None
    assert (await scene.queue.outstanding()).next_at == until
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.queue.paused_registries() == []
    assert (await scene.claimed()).tag == "v1"
    assert (await scene.record()).error is None


async def test_a_limit_does_not_bring_a_retry_forward(scene: Scene) -> None:
    later = START + timedelta(hours=1)
    await scene.fail(await scene.running(), retry_at=later)
    await scene.queue.pause(SOURCE, until=START + timedelta(minutes=1), error="slow down")
    assert (await scene.record()).run_at == later


async def test_a_pause_only_gets_longer(scene: Scene) -> None:
    longer = START + timedelta(hours=1)
    await scene.queue.pause(SOURCE, until=longer, error="slow down")
    await scene.queue.pause(SOURCE, until=START + timedelta(minutes=1), error="slow down a little")
    assert await scene.queue.paused_registries() == [RegistryState(SOURCE, longer, "slow down", START)]
    await scene.queue.pause(SOURCE, until=None, error="refused", login_fingerprint="print")
    await scene.queue.pause(SOURCE, until=longer, error="slow down")
    assert await scene.queue.paused_registries() == [RegistryState(SOURCE, None, "refused", START, tried_at=START)]
    assert await scene.queue.login_fingerprint_of(SOURCE) == "print"


async def test_pausing_returns_whether_it_changed_anything(scene: Scene) -> None:
    longer = START + timedelta(hours=1)
    assert await scene.queue.pause(SOURCE, until=START + timedelta(minutes=1), error="slow down")
    assert not await scene.queue.pause(SOURCE, until=START + timedelta(minutes=1), error="slow down")
    assert await scene.queue.pause(SOURCE, until=longer, error="slow down")
    assert await scene.queue.pause(SOURCE, until=None, error="refused")
    assert not await scene.queue.pause(SOURCE, until=longer, error="slow down")


async def test_what_waits_for_a_registry_is_counted(scene: Scene) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b"), "v3": digest("c")})
    await scene.claimed()
    assert await scene.queue.count_waiting(SOURCE) == 0
    await scene.queue.pause(SOURCE, until=START + timedelta(minutes=1), error="slow down")
    assert [await scene.queue.count_waiting(registry) for registry in (SOURCE, "docker.io")] == [2, 0]
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.queue.count_waiting(SOURCE) == 0
    await scene.queue.pause(SOURCE, until=None, error="refused")
    assert await scene.queue.count_waiting(SOURCE) == 2


async def test_two_pauses_that_hold_one_tag_back(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    await scene.queue.pause(SOURCE, until=None, error="refused")
    await scene.queue.pause(TARGET, until=None, error="refused too")
    await scene.queue.resume(SOURCE)
    assert await scene.queue.claim() is None
    await scene.queue.resume(TARGET)
    assert await scene.queue.claim() is not None


async def test_resuming_brings_back_those_that_the_login_failed(scene: Scene) -> None:
    await scene.fail(await scene.running("refused"), kind="login")
    await scene.fail(await scene.running("broken"), kind="not-found")
    await scene.walk({"pause": digest("a")}, item=OTHER)
    await scene.queue.pause(SOURCE, until=None, error="refused")
    assert await scene.queue.resume(SOURCE) == 1
    record = await scene.record("refused")
    assert (record.status, record.attempts, record.error, record.error_kind) == ("queued", 0, None, None)
    assert (await scene.record("broken")).status == "failed"


async def test_requeue_ends_only_the_pauses_that_hold_its_tags_back(scene: Scene) -> None:
    await scene.fail(await scene.running("v1"), kind="login")
    await scene.walk({"v2": digest("b")})
    await scene.walk({"v3": digest("c")}, item=ELSEWHERE)
    await scene.queue.pause(SOURCE, until=None, error="refused")
    await scene.queue.pause("docker.io", until=None, error="refused")
    assert await scene.queue.requeue(failed=True, targets=[ITEM.target]) == 2
    assert [state.registry for state in await scene.queue.paused_registries()] == ["docker.io"]
    assert {(await scene.claimed()).tag for _ in range(2)} == {"v1", "v2"}
    assert await scene.queue.requeue(failed=True) == 1
    assert (await scene.claimed()).tag == "v3"


async def test_an_item_that_leaves_a_paused_source_is_held_no_longer(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    await scene.queue.pause(SOURCE, until=None, error="refused")
    await scene.walk({}, item=ItemKey("etcd", "gcr.io/etcd-development/etcd", ITEM.target, None))
    assert (await scene.claimed()).source == "gcr.io/etcd-development/etcd"


async def test_a_tag_that_ran_into_a_pause_that_has_ended_is_due(scene: Scene) -> None:
    await scene.queue.defer(await scene.running(), until=None, reason="login", error="refused", registry=SOURCE)
    assert await scene.queue.claim() is not None


async def test_a_limit_of_neither_registry_holds_back_only_the_tag_that_ran_into_it(scene: Scene) -> None:
    job, until = await scene.running(), START + timedelta(minutes=1)
    await scene.walk({"v2": digest("b")})
    await scene.queue.defer(job, until=until, reason="rate-limited", error="slow down", registry="cdn.example.com")
    await scene.queue.pause("cdn.example.com", until=until, error="slow down")
    assert (await scene.claimed()).tag == "v2"
    assert await scene.queue.claim() is None
    scene.clock.advance(timedelta(minutes=1))
    assert (await scene.claimed()).tag == "v1"


async def test_a_login_is_tried_by_one_process_and_counted_unless_nobody_refused_it(
    scene: Scene, queue_of: Callable[[str], Queue]
) -> None:
    await scene.queue.pause(SOURCE, until=None, error="refused", login_fingerprint="print")
    [state] = await scene.queue.paused_registries()
    scene.clock.advance(timedelta(minutes=1))
    claims = [await queue.claim_login(state) for queue in (scene.queue, queue_of("another"))]
    assert claims == [True, False]
    [after] = await scene.queue.paused_registries()
    assert (after.tried_at, after.tries) == (scene.clock.now(), 1)
    await scene.queue.uncount_login(SOURCE)
    assert [state.tries for state in await scene.queue.paused_registries()] == [0]


@pytest.mark.parametrize(("days", "tries"), [(1, 1), (3, 0)])
async def test_a_registry_resumed_on_trial_keeps_its_number_of_tries(scene: Scene, days: int, tries: int) -> None:
    await scene.walk({"v1": digest("a")})
    await scene.queue.pause(SOURCE, until=None, error="refused", login_fingerprint="print")
    assert await scene.queue.claim() is None
    [state] = await scene.queue.paused_registries()
    assert await scene.queue.claim_login(state)
    assert await scene.queue.resume_on_trial(SOURCE) == 1
    assert await scene.queue.paused_registries() == []
    assert await scene.queue.claim() is not None
    scene.clock.advance(timedelta(days=days))
    await scene.queue.pause(SOURCE, until=None, error="refused", login_fingerprint="print")
    [state] = await scene.queue.paused_registries()
    assert (state.tries, state.tried_at) == (tries, scene.clock.now())
    assert not await scene.queue.claim_login(replace(state, tried_at=START))
