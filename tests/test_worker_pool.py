"""Concurrent jobs: heartbeats, lost leases, dead workers, an unavailable engine, and graceful and other stops."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import pytest

from ferryman.errors import Denied, EngineUnavailable, NoSuchPlatform, RateLimited, StoreError, Unreachable
from ferryman.events import Event, JobEnded, JobStarted
from ferryman.reference import Reference
from ferryman.registry.limits.concurrency import ConcurrencyLimit
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Intent, Job, Share
from ferryman.transports.base import Copied, ProgressSink
from ferryman.worker_pool import EngineShare
from tests.conftest import ReadLog
from tests.support.measuring import unmeasured
from tests.support.workplace import LEASE, POLICY, Gate, Workplace, tiny

BEAT = LEASE.total_seconds() / 3
_CLAIM_AND_DIE = """
import asyncio, os, sys
from datetime import timedelta
from typing import Any
from ferryman.clock import SystemClock
from ferryman.store.database.database import open_database
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue

async def main():
    database = await open_database(sys.argv[1])
    owner = Owner.claim(database)
    queue = Queue(database, owner=owner.name, clock=SystemClock(), lease=timedelta(hours=1), max_attempts=3)
    print((await queue.claim()).tag, flush=True)
    os._exit(1)

asyncio.run(main())
"""


async def test_works_on_several_at_once(workplace: Workplace) -> None:
    gates = [workplace.transport.hold(tag) for tag in ("v1", "v2", "v3")]
    await workplace.enqueue("v1", "v2", "v3")
    working = workplace.start(workplace.work(ends=3, size=3))
    for gate in gates:
        await gate.reached.wait()
    for gate in gates:
        gate.open()
    await working
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2", "v3")} == {"synced"}


async def test_a_slow_registry_does_not_hold_every_worker(workplace: Workplace) -> None:
    slow = [workplace.transport.hold(f"v{number}") for number in range(4)]
    await workplace.enqueue("v0", "v1", "v2", "v3")
    pool = workplace.pool(size=4, registries=("quay.io", "ghcr.io"))
    workplace.start(pool.run())
    for gate in slow[:3]:
        await gate.reached.wait()
    other = workplace.transport.hold("other")
    await workplace.enqueue("other", source="ghcr.io/team/tool")
    await other.reached.wait()
    assert not slow[3].reached.is_set()
    other.open()
    slow[0].open()
    await slow[3].reached.wait()


async def test_a_registry_of_its_own_has_all_workers(workplace: Workplace) -> None:
    gates = [workplace.transport.hold(f"v{number}") for number in range(4)]
    await workplace.enqueue("v0", "v1", "v2", "v3")
    workplace.start(workplace.pool(size=4, registries=("quay.io",)).run())
    for gate in gates:
        await gate.reached.wait()


# The window


async def test_copies_that_succeed_make_room_for_more(workplace: Workplace) -> None:
    gates = [workplace.transport.hold(f"v{number}") for number in range(14)]
    await workplace.enqueue(*(f"v{number}" for number in range(14)))
    window = ConcurrencyLimit(12)
    working = workplace.start(workplace.pool(size=12, ends=14, window=window).run())
    first = await reached(gates, 8)
    assert len(first) == 8
    for gate in first[:2]:
        gate.open()
    assert len(await reached(gates, 12)) == 12  # two more, and one more for each that succeeded
    assert window.limit == 10
    for gate in gates:
        gate.open()
    await working


async def test_a_copy_that_is_throttled_halves_the_window(workplace: Workplace) -> None:
    limited = RateLimited("too many requests", registry="quay.io")
    limited.status = 429
    workplace.transport.fail(limited, "v1")
    await workplace.enqueue("v1")
    window = ConcurrencyLimit(8)
    await workplace.pool(size=8, ends=1, window=window).run()
    assert window.limit == 4


async def test_a_quota_that_is_spread_leaves_the_window_as_it_is(workplace: Workplace) -> None:
    workplace.transport.fail(RateLimited("spread over time", registry="quay.io"), "v1")
    await workplace.enqueue("v1")
    window = ConcurrencyLimit(8)
    await workplace.pool(size=8, ends=1, window=window).run()
    assert window.limit == 8


async def test_copies_through_an_engine_keep_their_number(workplace: Workplace) -> None:
    through, direct = workplace.item().target, workplace.item("ghcr.io/team/tool").target
    engine = [workplace.transport.hold(f"e{number}") for number in range(3)]
    others = [workplace.transport.hold(f"d{number}") for number in range(3)]
    await workplace.enqueue("e0", "e1", "e2")
    share = EngineShare(2, targets=lambda: frozenset({through}), others=lambda: frozenset({direct}))
    workplace.start(workplace.pool(size=8, engine=share).run())
    running = await reached(engine, 2)
    await workplace.enqueue("d0", "d1", "d2", source="ghcr.io/team/tool")
    assert len(await reached(others, 3)) == 3
    assert len(await reached(engine, 2)) == 2
    running[0].open()
    assert len(await reached(engine, 3)) == 3


async def test_where_all_goes_through_an_engine_it_sets_the_number(workplace: Workplace) -> None:
    window = ConcurrencyLimit(8)
    target = frozenset({workplace.item().target})
    await workplace.enqueue("v1")
    await workplace.pool(size=8, ends=1, window=window, engine=EngineShare(3, targets=lambda: target)).run()
    assert window.limit == 3


async def reached(gates: Sequence[Gate], count: int) -> list[Gate]:
    """The gates that copies have reached, as soon as they are so many."""
    waits = [asyncio.create_task(gate.reached.wait()) for gate in gates]
    done: set[asyncio.Task[bool]] = set()
    async with asyncio.timeout(60):
        while len(done) < count:
            done |= (await asyncio.wait(set(waits) - done, return_when=asyncio.FIRST_COMPLETED))[0]
    for wait in waits:
        wait.cancel()
    return [gate for gate in gates if gate.reached.is_set()]


async def test_finds_what_is_queued_while_it_idles(workplace: Workplace) -> None:
    working = workplace.start(workplace.work())
    await workplace.clock.asleep()
    await workplace.enqueue("v1")
    await working
    assert (await workplace.record("v1")).status == "synced"


async def test_is_called_by_what_its_own_process_enqueues(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferryman.worker_pool._POLL", 3600.0)
    pool = workplace.pool(ends=1, size=2)
    idles = pool.idles.next()
    working = asyncio.create_task(pool.run())
    await idles.wait()
    await workplace.enqueue("v1")
    await working
    assert (await workplace.record("v1")).status == "synced"


async def test_tells_when_nothing_is_left(workplace: Workplace) -> None:
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1", "v2")
    pool = workplace.pool(size=2)
    idles = pool.idles.next()
    working = asyncio.create_task(pool.run())
    await gate.reached.wait()
    assert not idles.is_set()
    gate.open()
    await idles.wait()
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"synced"}
    pool.drain()
    await working


async def test_works_for_its_targets_only(workplace: Workplace) -> None:
    await workplace.enqueue("v1")
    await workplace.enqueue("3.9", source="registry.k8s.io/pause")
    pool = workplace.pool(ends=1, targets={workplace.item("registry.k8s.io/pause").target})
    await pool.run()
    assert workplace.watcher.outcomes == [("3.9", "synced")]
    assert (await workplace.record("v1")).status == "queued"


async def test_two_crews_on_one_database_copy_nothing_twice(workplace: Workplace) -> None:
    tags = [f"v{number}" for number in range(24)]
    await workplace.enqueue(*tags)
    pools = [workplace.pool(size=4, queue=workplace.queue_of(owner)) for owner in ("one", "two")]

    def drain_at_the_end() -> None:
        if len(workplace.watcher.outcomes) == len(tags):
            for pool in pools:
                pool.drain()

    workplace.watcher.on_end = drain_at_the_end
    await asyncio.gather(*(pool.run() for pool in pools))
    assert sorted(workplace.transport.asked) == sorted(tags)
    assert {(await workplace.record(tag)).status for tag in tags} == {"synced"}


# Leases


async def test_a_heartbeat_keeps_a_slow_copys_lease(workplace: Workplace) -> None:
    gate, working = await workplace.start_copy("v1")
    other = workplace.queue_of("other")
    for _ in range(10):
        await workplace.clock.asleep()
        workplace.clock.advance(BEAT)
        await workplace.clock.asleep()
        assert await other.reclaim() == 0
    gate.open()
    await working
    record = await workplace.record("v1")
    assert (record.status, record.attempts) == ("synced", 1)


async def test_a_copy_whose_lease_is_lost_is_stopped(workplace: Workplace, read_log: ReadLog) -> None:
    _, working = await workplace.start_copy("v1")
    other, job = await workplace.take_over()
    await workplace.clock.asleep()
    workplace.clock.advance(BEAT)
    await working
    assert workplace.transport.cancelled == ["v1"]
    assert workplace.watcher.outcomes == [("v1", "stopped")]
    assert "lease_lost" in [line["event"] for line in read_log()]
    assert (await workplace.record("v1")).status == "running"
    assert await other.succeed(
        job, started_at=workplace.clock.now(), target_digest=tiny("v1").digest, identical=True,
        bytes_moved=0, bytes_reused=0,
    )  # fmt: skip


CANCEL = Intent("cli:me@here", "cancel", "etcd:v1")


async def test_a_copy_that_a_person_cancels_here_is_stopped_at_once(workplace: Workplace, read_log: ReadLog) -> None:
    _, working = await workplace.start_copy("v1")
    assert await workplace.queue.cancel(workplace.item().target, "v1", intent=CANCEL)
    await working  # without a heartbeat: the clock stands still
    assert workplace.transport.cancelled == ["v1"]
    [ended] = workplace.watcher.ends
    assert (ended.outcome, ended.error_kind) == ("stopped", "cancelled")
    assert {line["event"]: line["message"] for line in read_log()}["copy_cancelled"] == (
        "cancelled by cli:me@here; the next look, or `ferryman requeue`, tries it again"
    )
    record = await workplace.record("v1")
    assert (record.status, record.error_kind) == ("failed", "cancelled")
    assert [each.outcome for each in await workplace.attempts("v1")] == ["cancelled"]


async def test_a_copy_that_a_person_cancels_elsewhere_is_stopped_at_the_next_heartbeat(workplace: Workplace) -> None:
    _, working = await workplace.start_copy("v1")
    assert await workplace.queue_of("another process").cancel(workplace.item().target, "v1", intent=CANCEL)
    assert workplace.transport.cancelled == []
    await workplace.clock.asleep()
    workplace.clock.advance(BEAT)
    await working
    assert workplace.transport.cancelled == ["v1"]
    assert [(each.outcome, each.error_kind) for each in workplace.watcher.ends] == [("stopped", "cancelled")]
    assert (await workplace.record("v1")).status == "failed"


async def test_a_worker_takes_the_next_tag_after_a_copy_was_cancelled(workplace: Workplace) -> None:
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1", "v2")
    working = workplace.start(workplace.work(ends=2))
    await gate.reached.wait()
    await workplace.queue.cancel(workplace.item().target, "v1", intent=CANCEL)
    await working
    assert workplace.watcher.outcomes == [("v1", "stopped"), ("v2", "synced")]


async def test_workers_go_on_as_soon_as_their_process_resumes(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferryman.worker_pool._POLL", 3600.0)
    pauses = ManualPauses(workplace.database, clock=workplace.clock, resumed=workplace.queue.filled)
    await pauses.pause("all", "", intent=Intent("me", "pause", "everything"))
    await workplace.enqueue("v1")
    pool = workplace.pool(ends=1)
    idles = pool.idles.next()
    working = workplace.start(pool.run())
    await idles.wait()
    assert workplace.transport.asked == []
    await pauses.resume("all", "", intent=Intent("me", "resume", "everything"))
    await working
    assert (await workplace.record("v1")).status == "synced"


async def test_the_other_copies_go_on_when_one_lease_is_lost(workplace: Workplace) -> None:
    lost, kept = workplace.transport.hold("lost"), workplace.transport.hold("kept")
    ended = asyncio.Event()
    workplace.events.subscribe(lambda event: ended.set() if isinstance(event, JobEnded) else None)
    await workplace.enqueue("lost")
    working = workplace.start(workplace.work(size=2, ends=2))
    await lost.reached.wait()
    await workplace.queue_of("other").reclaim([workplace.owner.name])
    assert await workplace.queue_of("other").claim() is not None
    await workplace.enqueue("kept")
    await kept.reached.wait()
    await workplace.clock.asleep()
    workplace.clock.advance(BEAT)
    await ended.wait()
    kept.open()
    await working
    assert workplace.watcher.outcomes == [("lost", "stopped"), ("kept", "synced")]


async def test_copies_stop_when_the_leases_cannot_be_renewed_in_time(workplace: Workplace, read_log: ReadLog) -> None:
    class Mute(Queue):
        async def heartbeat(self) -> frozenset[str]:
            raise StoreError("the disk is full")

    queue = Mute(workplace.database, owner=workplace.owner.name, clock=workplace.clock, lease=LEASE, max_attempts=3)
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1")
    working = workplace.start(workplace.pool(ends=1, queue=queue).run())
    await gate.reached.wait()
    for _ in range(2):
        await workplace.clock.asleep()
        workplace.clock.advance(BEAT)
        await workplace.clock.asleep()
        assert workplace.transport.cancelled == []
    workplace.clock.advance(BEAT)
    await working
    assert workplace.transport.cancelled == ["v1"]
    assert [line["error"] for line in read_log() if line["level"] == "error"] == ["the disk is full"] * 3


async def test_copies_stop_when_the_database_stays_silent(workplace: Workplace) -> None:
    asked = asyncio.Event()

    class Silent(Queue):
        async def heartbeat(self) -> frozenset[str]:
            asked.set()
            await asyncio.Event().wait()
            return frozenset()

    lease = timedelta(seconds=3)
    queue = Silent(workplace.database, owner=workplace.owner.name, clock=workplace.clock, lease=lease, max_attempts=3)
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1")
    working = workplace.start(workplace.pool(ends=1, queue=queue, lease=lease).run())
    await gate.reached.wait()
    await workplace.clock.asleep()
    workplace.clock.advance(1)
    await asked.wait()
    workplace.clock.advance(2)  # the lease's end; the heartbeat waits for the answer until then, and no longer
    await working
    assert workplace.transport.cancelled == ["v1"]


async def test_claims_that_fail_for_long_are_told_once_and_can_end_a_sync(
    workplace: Workplace, read_log: ReadLog
) -> None:
    failed = asyncio.Semaphore(0)

    class Full(Queue):
        async def claim(self, targets: Collection[str] | None = None, *, share: Share | None = None) -> Job | None:
            failed.release()
            raise StoreError("the disk is full")

    queue = Full(workplace.database, owner=workplace.owner.name, clock=workplace.clock, lease=LEASE, max_attempts=3)
    pool = workplace.pool(ends=1, queue=queue)
    working = workplace.start(pool.run())
    for _ in range(2):
        await failed.acquire()
    pool.raise_if_database_lost(within=timedelta(minutes=2))
    workplace.clock.advance(121)
    with pytest.raises(StoreError, match="the disk is full"):
        pool.raise_if_database_lost(within=timedelta(minutes=2))
    working.cancel()
    await asyncio.wait([working])
    assert [line["event"] for line in read_log() if line["level"] == "error"].count("claim_failed") == 1


# What dead workers held


async def test_takes_over_what_a_dead_process_held(workplace: Workplace, read_log: ReadLog) -> None:
    await workplace.enqueue("v1")
    command = [sys.executable, "-c", _CLAIM_AND_DIE, f"sqlite+aiosqlite:///{workplace.file}"]
    dead = await asyncio.to_thread(
        subprocess.run, command, env=unmeasured(), capture_output=True, text=True, timeout=120, check=False
    )
    assert dead.stdout == "v1\n", dead.stderr
    assert (await workplace.record("v1")).status == "running"
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.attempts) == ("synced", 1)
    assert [each.outcome for each in await workplace.attempts("v1")] == ["lost", "synced"]
    assert {line["event"]: line.get("tags") for line in read_log()}["leases_reclaimed"] == 1


async def test_takes_over_at_a_heartbeat_what_fell_silent(workplace: Workplace) -> None:
    silent = workplace.queue_of("on another machine")
    await workplace.enqueue("v1")
    assert await silent.claim() is not None
    working = workplace.start(workplace.work())
    for _ in range(3):  # a whole lease
        assert workplace.transport.asked == []
        await workplace.clock.asleep()
        workplace.clock.advance(BEAT)
    await working
    record = await workplace.record("v1")
    assert (record.status, record.attempts) == ("synced", 2)  # the tag may be what hangs: that counted


async def test_leaves_alone_what_the_living_hold(workplace: Workplace) -> None:
    await workplace.enqueue("v1", "v2")
    assert await workplace.queue_of("on another machine").claim() is not None
    await workplace.work()
    assert workplace.transport.asked == ["v2"]


async def test_goes_on_when_the_folder_of_owners_is_removed(workplace: Workplace) -> None:
    gate, working = await workplace.start_copy("v1")
    await asyncio.to_thread(shutil.rmtree, workplace.file.with_name(f"{workplace.file.name}.owners"))
    await workplace.clock.asleep()
    workplace.clock.advance(BEAT)
    beaten = asyncio.create_task(workplace.clock.asleep())
    await asyncio.wait([working, beaten], return_when=asyncio.FIRST_COMPLETED)
    beaten.cancel()
    gate.open()
    await working
    assert (await workplace.record("v1")).status == "synced"


# Stopping


async def test_cancelling_hands_everything_back(workplace: Workplace) -> None:
    gates = [workplace.transport.hold(tag) for tag in ("v1", "v2")]
    await workplace.enqueue("v1", "v2", "v3")
    working = workplace.start(workplace.pool(size=2).run())
    for gate in gates:
        await gate.reached.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert sorted(workplace.transport.cancelled) == ["v1", "v2"]
    records = [await workplace.record(tag) for tag in ("v1", "v2", "v3")]
    assert {(record.status, record.attempts, record.run_at) for record in records} == {
        ("queued", 0, workplace.clock.now())
    }
    assert [each.outcome for each in await workplace.attempts("v1")] == ["handed-back"]
    await workplace.work(ends=3)
    assert {(await workplace.record(tag)).attempts for tag in ("v1", "v2", "v3")} == {1}


async def test_cancelling_waits_for_a_copy_to_clean_up(workplace: Workplace) -> None:
    reached, cleaned = asyncio.Event(), asyncio.Event()

    async def leave_nothing_behind(target: Reference, progress: ProgressSink) -> Copied:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert (await workplace.record("v1")).status == "running"  # nobody else may start yet
            cleaned.set()
        raise AssertionError

    workplace.transport.on("v1", leave_nothing_behind)
    await workplace.enqueue("v1")
    working = workplace.start(workplace.pool().run())
    await reached.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert cleaned.is_set()
    assert (await workplace.record("v1")).status == "queued"


async def test_cancelling_in_the_moment_of_the_record_leaves_no_tag_behind(workplace: Workplace) -> None:
    class Cancelling(Queue):
        async def succeed(self, job: Job, **told: Any) -> bool:
            working.cancel()
            return await super().succeed(job, **told)

    await workplace.enqueue("v1")
    working = workplace.start(workplace.pool(queue=workplace.queue_like(Cancelling)).run())
    with pytest.raises(asyncio.CancelledError):
        await working
    await workplace.queue.reclaim([workplace.owner.name])  # as the service does at its end
    record = await workplace.record("v1")
    assert (record.status, record.attempts) in {("synced", 1), ("queued", 0)}


async def test_cancelling_an_idle_crew(workplace: Workplace) -> None:
    working = workplace.start(workplace.pool(size=4).run())
    await workplace.clock.asleep()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_draining_lets_running_copies_end_and_claims_no_more(workplace: Workplace) -> None:
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1", "v2")
    pool = workplace.pool()
    working = workplace.start(pool.run())
    await gate.reached.wait()
    pool.drain()
    gate.open()
    await working
    assert (await workplace.record("v1")).status == "synced"
    assert (await workplace.record("v2")).status == "queued"
    assert workplace.transport.asked == ["v1"]


# The Docker Engine is away


async def test_an_absent_engine_is_no_attempt(workplace: Workplace) -> None:
    workplace.transport.fail(EngineUnavailable("no Docker Engine answers at unix:///…"), "v1")
    await workplace.enqueue("v1")
    pool = await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.attempts, record.error) == ("queued", 0, None)
    assert workplace.watcher.outcomes == [("v1", "again")]
    assert [each.outcome for each in await workplace.attempts("v1")] == ["handed-back"]
    workplace.clock.advance(90)
    assert pool.engine_lost_for == timedelta(seconds=90)


async def test_an_absent_engine_is_waited_for(
    workplace: Workplace, read_log: ReadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = EngineUnavailable("no Docker Engine answers")
    workplace.transport.fail(away, "v1")
    workplace.transport.fail(away, "v1")
    await workplace.enqueue("v1", "v2")
    pool = workplace.pool(ends=4)
    waited: list[list[str]] = []

    async def rest(seconds: float) -> None:
        waited.append(list(workplace.transport.asked))
        workplace.clock.advance(seconds)

    monkeypatch.setattr(pool, "_wait_or_drain", rest)
    await pool.run()
    assert waited == [["v1"], ["v1", "v1"]]
    assert pool.engine_lost_for == timedelta()
    assert {(await workplace.record(tag)).attempts for tag in ("v1", "v2")} == {1}
    told = [line["event"] for line in read_log() if line["level"] == "error"]
    assert told == ["engine_unavailable"]


# The database fails


async def test_a_result_that_cannot_be_recorded_is_told(workplace: Workplace, read_log: ReadLog) -> None:
    _break(workplace, "BEFORE INSERT ON attempts")
    await workplace.enqueue("v1")
    await workplace.work()
    assert (await workplace.record("v1")).status == "running"
    [line] = [line for line in read_log() if line["level"] == "error"]
    assert (line["event"], line["tag"]) == ("result_not_recorded", "v1")
    assert "database or disk is full" in line["error"]


async def test_a_result_that_could_not_be_recorded_is_copied_again_by_the_same_crew(workplace: Workplace) -> None:
    _break(workplace, "BEFORE UPDATE ON tags WHEN NEW.status = 'synced' AND NEW.tag = 'v1'")
    gate = workplace.transport.hold("v2")
    await workplace.enqueue("v1", "v2")
    working = workplace.start(workplace.work(ends=3))
    await gate.reached.wait()  # the only worker is done with v1
    _repair(workplace)
    await _let_a_lease_pass(workplace)
    assert await workplace.attempts("v1") != []
    gate.open()
    await working
    assert (await workplace.record("v1")).status == "synced"


async def test_a_copy_that_was_cancelled_by_nobody_here_is_tried_again_by_the_same_crew(workplace: Workplace) -> None:
    async def cancel_itself(target: Reference, progress: ProgressSink) -> Copied:
        raise asyncio.CancelledError

    workplace.transport.on("v1", cancel_itself)
    gate = workplace.transport.hold("v2")
    await workplace.enqueue("v1", "v2")
    working = workplace.start(workplace.work(ends=3))
    await gate.reached.wait()
    await _let_a_lease_pass(workplace)
    assert await workplace.attempts("v1") != []
    gate.open()
    await working
    assert (await workplace.record("v1")).status == "synced"


async def test_one_unrecorded_result_does_not_stop_the_crew(workplace: Workplace) -> None:
    _break(workplace, "BEFORE UPDATE ON tags WHEN NEW.status = 'synced' AND NEW.tag = 'v1'")
    await workplace.enqueue("v1", "v2")
    await workplace.work(ends=2)
    assert (await workplace.record("v2")).status == "synced"


async def test_a_queue_that_cannot_be_asked_is_asked_again(workplace: Workplace, read_log: ReadLog) -> None:
    class Stumbling(Queue):
        stumbled = False

        async def claim(self, targets: Collection[str] | None = None, *, share: Share | None = None) -> Job | None:
            if not self.stumbled:
                self.stumbled = True
                raise StoreError("another program has held it locked for too long")
            return await super().claim()

    await workplace.enqueue("v1")
    queue = Stumbling(
        workplace.database, owner=workplace.owner.name, clock=workplace.clock, lease=LEASE,
        max_attempts=POLICY.max_attempts,
    )  # fmt: skip
    await workplace.pool(ends=1, queue=queue).run()
    assert (await workplace.record("v1")).status == "synced"
    [line] = [line for line in read_log() if line["level"] == "error"]
    assert (line["event"], line["error"]) == (
        "claim_failed",
        "another program has held it locked for too long",
    )


async def _let_a_lease_pass(workplace: Workplace) -> None:
    """Let two leases pass, heartbeat by heartbeat."""
    for _ in range(6):
        await workplace.clock.asleep()
        workplace.clock.advance(BEAT)
    await workplace.clock.asleep()


def _break(workplace: Workplace, what: str) -> None:
    """Let the database refuse one kind of write."""
    with sqlite3.connect(workplace.file) as direct:
        direct.execute(f"CREATE TRIGGER fault {what} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
    direct.close()


def _repair(workplace: Workplace) -> None:
    with sqlite3.connect(workplace.file) as direct:
        direct.execute("DROP TRIGGER fault")
    direct.close()


# Progress


async def test_a_crew_whose_workers_all_wait_for_a_copy_makes_no_progress(workplace: Workplace) -> None:
    hanging, moving = workplace.transport.hold("v1"), workplace.transport.hold("v2")
    await workplace.enqueue("v1", "v2")
    pool = workplace.pool(size=2)
    workplace.start(pool.run())
    for gate in (hanging, moving):
        await gate.reached.wait()
    await _let_a_lease_pass(workplace)
    assert pool.stalled_for == 2 * LEASE, "the heartbeat is no progress"
    ended = asyncio.Event()
    workplace.watcher.on_end = ended.set
    moving.open()
    await ended.wait()
    assert pool.stalled_for == timedelta()


async def test_bytes_are_progress(workplace: Workplace) -> None:
    reached, further, told, end = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def move_slowly(target: Reference, progress: ProgressSink) -> Copied:
        reached.set()
        await further.wait()
        progress("push:layer", 1, 2000)
        told.set()
        await end.wait()
        return await workplace.transport.push(target, progress)

    workplace.transport.on("v1", move_slowly)
    await workplace.enqueue("v1")
    pool = workplace.pool(ends=1)
    working = workplace.start(pool.run())
    await reached.wait()
    await _let_a_lease_pass(workplace)
    assert pool.stalled_for == 2 * LEASE
    further.set()
    await told.wait()
    assert pool.stalled_for == timedelta()
    end.set()
    await working


async def test_an_idle_crew_makes_progress(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.worker_pool._POLL", 0.01)
    pool = workplace.pool()
    workplace.start(pool.run())
    idles = pool.idles.next()
    await idles.wait()
    workplace.clock.advance(3600)
    for _ in range(2):  # the claim that was under way, and the next one
        idles = pool.idles.next()
        await idles.wait()
    assert pool.stalled_for == timedelta()


# A clock that is set, and work that ends


@pytest.mark.parametrize("hours", [-400, -8, 8, 400])
async def test_setting_the_clock_stops_no_copy(workplace: Workplace, hours: int) -> None:
    gate, working = await workplace.start_copy("v1")
    other = workplace.queue_of("other")
    assert await other.reclaim() == 0
    workplace.clock.set_by(hours * 3600)
    for _ in range(6):
        assert await other.reclaim() == 0
        await workplace.clock.asleep()
        workplace.clock.advance(BEAT)
        await workplace.clock.asleep()
    gate.open()
    await working
    record = await workplace.record("v1")
    assert (record.status, record.attempts) == ("synced", 1)


async def test_a_result_that_breaks_the_record_fails_its_tag_and_no_worker(
    workplace: Workplace, read_log: ReadLog
) -> None:
    class Clumsy(Queue):
        async def succeed(self, job: Job, **told: Any) -> bool:
            if job.tag == "v1":
                raise RuntimeError("a defect")
            return await super().succeed(job, **told)

    await workplace.enqueue("v1", "v2")
    await workplace.pool(ends=2, queue=workplace.queue_like(Clumsy)).run()
    assert (await workplace.record("v1")).error_kind == "defect"
    assert (await workplace.record("v2")).status == "synced"
    assert "recording_defect" in [line["event"] for line in read_log()]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("succeed", None),
        ("skip", NoSuchPlatform("windows only")),
        ("defer", RateLimited("slow down", registry="quay.io")),
        ("fail", Denied("not allowed")),
        ("fail", RuntimeError("another defect")),
        ("return_to_queue", EngineUnavailable("no Docker Engine answers")),
    ],
)
async def test_a_defect_while_recording_ends_that_job_alone(
    workplace: Workplace, read_log: ReadLog, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception | None
) -> None:
    if error is not None:
        workplace.transport.fail(error, "v1")
    await workplace.enqueue("v1", "v2")
    pool = workplace.pool(ends=2, queue=workplace.queue_like(clumsy(step)))
    monkeypatch.setattr(pool, "_wait_or_drain", no_rest)
    await pool.run()
    record = await workplace.record("v1")
    assert (record.status, record.error_kind, record.run_at) == ("failed", "defect", None)
    assert "RuntimeError" in str(record.error)
    assert workplace.watcher.outcomes == [("v1", "failed"), ("v2", "synced")]
    [line] = [line for line in read_log() if "exception" in line]
    assert (line["level"], line["tag"]) == ("error", "v1")


async def test_a_defect_while_a_stop_hands_back_fails_that_job(workplace: Workplace, read_log: ReadLog) -> None:
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1")
    working = workplace.start(workplace.pool(queue=workplace.queue_like(clumsy("return_to_queue"))).run())
    await gate.reached.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    record = await workplace.record("v1")
    assert (record.status, record.error_kind) == ("failed", "defect")
    assert workplace.watcher.outcomes == [("v1", "failed")]
    assert any("exception" in line for line in read_log())


async def test_a_job_that_not_even_fails_is_given_back_at_a_heartbeat(workplace: Workplace, read_log: ReadLog) -> None:
    workplace.transport.fail(Denied("not allowed"), "v1")
    gate = workplace.transport.hold("v2")
    await workplace.enqueue("v1", "v2")
    queue = workplace.queue_like(clumsy("fail", "fail", "return_to_queue"))
    working = workplace.start(workplace.pool(ends=3, queue=queue).run())
    await gate.reached.wait()  # the only worker is done with v1
    assert (await workplace.record("v1")).status == "running"
    await _let_a_lease_pass(workplace)
    gate.open()
    await working
    assert workplace.watcher.outcomes == [("v1", "failed"), ("v2", "synced"), ("v1", "synced")]
    assert len([line for line in read_log() if "exception" in line]) == 3


def clumsy(*steps: str) -> type[Queue]:
    """A queue that has a defect in each of these, once for each time that it is named."""
    left = list(steps)

    def step(name: str) -> Any:
        async def stumble(self: Queue, job: Job, **told: Any) -> bool:
            if job.tag == "v1" and name in left:
                left.remove(name)
                raise RuntimeError("a defect")
            done: bool = await getattr(Queue, name)(self, job, **told)
            return done

        return stumble

    return type("Clumsy", (Queue,), {name: step(name) for name in steps})


async def no_rest(seconds: float) -> None: ...


async def test_an_observer_that_raises_stops_no_worker(workplace: Workplace, read_log: ReadLog) -> None:
    def raising(event: Event) -> None:
        raise RuntimeError("a slip")

    workplace.events.subscribe(raising)
    await workplace.enqueue("v1", "v2")
    await workplace.work(ends=2)
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2")} == {"synced"}
    lines = [line for line in read_log() if "observed" in line]
    assert [line["observed"] for line in lines] == ["JobStarted", "JobProgressed", "JobEnded"]


async def test_every_job_that_has_started_ends_once(workplace: Workplace) -> None:
    workplace.transport.fail(Unreachable("cut"), "v1")
    workplace.transport.fail(NoSuchPlatform("windows only"), "v2")
    await workplace.enqueue("v1", "v2", "v3")
    await workplace.work(ends=3, size=2)
    started = [event.job for event in workplace.watcher.events if isinstance(event, JobStarted)]
    assert sorted(job.tag for job in started) == ["v1", "v2", "v3"]
    assert sorted(job.key for job in started) == sorted(end.job.key for end in workplace.watcher.ends)


async def test_a_jump_forward_while_the_database_fails_ends_no_lease(workplace: Workplace) -> None:
    class Hiccup(Queue):
        failures = 1

        async def heartbeat(self) -> frozenset[str]:
            if self.failures:
                self.failures -= 1
                raise StoreError("busy")
            return await super().heartbeat()

    queue = Hiccup(workplace.database, owner=workplace.owner.name, clock=workplace.clock, lease=LEASE, max_attempts=3)
    gate = workplace.transport.hold("v1")
    await workplace.enqueue("v1")
    working = workplace.start(workplace.pool(ends=1, queue=queue).run())
    await gate.reached.wait()
    await workplace.clock.asleep()
    workplace.clock.set_by(8 * 3600)
    for _ in range(3):
        workplace.clock.advance(BEAT)
        await workplace.clock.asleep()
    gate.open()
    await working
    assert workplace.transport.cancelled == []
    assert (await workplace.record("v1")).status == "synced"
