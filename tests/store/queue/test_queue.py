"""Every transition of the state machine at the head of queue.py, legal and illegal, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ferryman.errors import Unstorable
from ferryman.store.database.database import Database
from ferryman.store.queue.queue import Queue
from ferryman.store.records import ItemKey, Job, Outstanding, Share, Status
from tests.store.scene import ITEM, LEASE, MAX_ATTEMPTS, START, ManualClock, Scene, digest

Move = Callable[[Scene, Job], Awaitable[bool]]
MOVES: dict[str, tuple[Move, Status, int]] = {  # the call, the status after it, counted attempts
    "succeed": (lambda scene, job: scene.succeed(job), "synced", 1),
    "fail": (lambda scene, job: scene.fail(job), "failed", 1),
    "retry": (lambda scene, job: scene.fail(job, retry_at=scene.clock.now()), "queued", 1),
    "skip": (lambda scene, job: scene.skip(job), "skipped", 1),
    "return_to_queue": (lambda scene, job: scene.queue.return_to_queue(job), "queued", 0),
    "defer": (
        lambda scene, job: scene.queue.defer(job, until=scene.clock.now(), reason="rate-limited", error="slow down"),
        "queued",
        0,
    ),
}
each_move = pytest.mark.parametrize("move", MOVES)


@each_move
async def test_every_end_of_a_running_tag(scene: Scene, move: str) -> None:
    end, status, counted = MOVES[move]
    job = await scene.running()
    assert await end(scene, job)
    record = await scene.record()
    assert (record.status, record.attempts) == (status, counted)


@each_move
@pytest.mark.parametrize("before", MOVES)
async def test_nothing_ends_twice(scene: Scene, before: str, move: str) -> None:
    job = await scene.running()
    assert await MOVES[before][0](scene, job)
    record = await scene.record()
    assert not await MOVES[move][0](scene, job)
    assert await scene.record() == record
    assert len(await scene.ledger.attempts(job.id)) == 1


@each_move
async def test_a_lost_lease_ends_nothing(scene: Scene, move: str) -> None:
    old = await scene.running()
    assert await scene.lapse() == 1
    new = await scene.claimed()
    assert not await MOVES[move][0](scene, old)
    assert (await scene.record()).status == "running"
    assert await scene.succeed(new)


@each_move
async def test_another_digest_during_the_run_starts_a_new_round(scene: Scene, move: str) -> None:
    job = await scene.running()
    scene.clock.advance(timedelta(seconds=1))
    await scene.walk({"v1": digest("b")})
    assert (await scene.record()).status == "running"
    assert await MOVES[move][0](scene, job)
    record = await scene.record()
    assert (record.status, record.attempts, record.run_at, record.error) == ("queued", 0, scene.clock.now(), None)
    assert (await scene.claimed()).digest == digest("b")


async def test_other_platforms_during_the_run_start_a_new_round(scene: Scene) -> None:
    job = await scene.running()
    await scene.walk({"v1": digest("a")}, item=replace(ITEM, platforms="linux/amd64,linux/arm64"))
    assert await scene.succeed(job)
    assert (await scene.record()).status == "queued"
    again = await scene.claimed()
    assert again.platforms == "linux/amd64,linux/arm64"
    assert await scene.succeed(again)
    assert (await scene.record()).mirrored_platforms == "linux/amd64,linux/arm64"


@pytest.mark.parametrize(
    ("move", "status"),
    [
        ("succeed", "synced"),
        ("fail", "skipped"),
        ("retry", "skipped"),
        ("skip", "skipped"),
        ("return_to_queue", "skipped"),
        ("defer", "skipped"),
    ],
)
async def test_a_tag_withdrawn_during_its_run_is_not_queued_again(scene: Scene, move: str, status: Status) -> None:
    job = await scene.running()
    await scene.walk({"v1": digest("b")}, planned={"v1": "skip"})
    assert (await scene.record()).status == "running"
    assert await MOVES[move][0](scene, job)
    assert (await scene.record()).status == status
    assert await scene.queue.claim() is None


async def test_wanted_again_during_the_run(scene: Scene) -> None:
    job = await scene.running()
    await scene.walk({"v1": digest("b")}, planned={"v1": "skip"})
    await scene.walk({"v1": digest("b")})
    assert await scene.succeed(job)
    assert (await scene.record()).status == "queued"


async def test_what_a_success_records(scene: Scene) -> None:
    job = await scene.running()
    assert (job.item, job.source, job.target, job.tag) == ("etcd", ITEM.source, ITEM.target, "v1")
    assert (job.digest, job.attempt, job.platforms) == (digest("a"), 1, None)
    scene.clock.advance(timedelta(seconds=3))
    assert await scene.succeed(job)
    record = await scene.record()
    assert (record.mirrored_digest, record.target_digest, record.identical) == (digest("a"), digest("f"), False)
    assert (record.synced_at, record.run_at, record.error, record.reason) == (scene.clock.now(), None, None, None)
    (attempt,) = await scene.ledger.attempts(job.id)
    assert (attempt.outcome, attempt.digest, attempt.bytes_moved, attempt.bytes_reused) == ("synced", digest("a"), 7, 5)


async def test_what_a_failure_records(scene: Scene) -> None:
    job = await scene.running()
    later = START + timedelta(minutes=1)
    assert await scene.fail(job, retry_at=later)
    record = await scene.record()
    assert (record.error, record.error_kind, record.reason, record.run_at) == (
        "it broke",
        "unreachable",
        "unreachable",
        later,
    )
    assert await scene.queue.claim() is None
    scene.clock.advance(timedelta(minutes=1))
    assert (await scene.claimed()).attempt == 2
    (attempt,) = await scene.ledger.attempts(job.id)
    assert (attempt.outcome, attempt.error, attempt.error_kind) == ("failed", "it broke", "unreachable")


@pytest.mark.parametrize("status", ["queued", "running", "synced", "failed", "skipped"])
@pytest.mark.parametrize("action", ["copy", "keep", "adopt", "skip", "fail"])
async def test_every_planned_action_in_every_status(scene: Scene, status: Status, action: str) -> None:
    await _bring_to(scene, status)
    before = await scene.record()
    scene.clock.advance(timedelta(seconds=1))
    await scene.walk({"v1": digest("a")}, planned={"v1": action})
    record = await scene.record()
    assert record.status == _AFTER[action].get(status, status)
    if status == "queued" and action == "copy":
        assert replace(record, last_seen_at=before.last_seen_at) == before
    if action == "adopt" and status != "running":
        assert record.mirrored_digest == digest("a")


_AFTER: dict[str, dict[Status, Status]] = {
    "copy": {"synced": "queued", "failed": "queued", "skipped": "queued"},
    "keep": {"queued": "synced", "failed": "synced", "skipped": "synced"},
    "adopt": {"queued": "synced", "failed": "synced", "skipped": "synced"},
    "skip": {"queued": "skipped", "failed": "skipped"},
    "fail": {"skipped": "failed"},
}


async def _bring_to(scene: Scene, status: Status) -> None:
    if status == "queued":
        await scene.walk({"v1": digest("a")})
        return
    job = await scene.running()
    ends: dict[Status, Move] = {"synced": Scene.succeed, "failed": Scene.fail, "skipped": Scene.skip}
    if status in ends:
        assert await ends[status](scene, job)


@pytest.mark.parametrize("status", ["failed", "skipped"])
async def test_wanted_again_it_starts_a_new_round(scene: Scene, status: Status) -> None:
    await _bring_to(scene, status)
    assert (await scene.walk({"v1": digest("a")})).enqueued == 1
    record = await scene.record()
    assert (record.attempts, record.error, record.error_kind, record.run_at) == (0, None, None, scene.clock.now())


async def test_a_waiting_tag_keeps_its_attempts_but_for_another_digest(scene: Scene) -> None:
    later = START + timedelta(hours=1)
    assert await scene.fail(await scene.running(), retry_at=later)
    assert (await scene.walk({"v1": digest("a")})).enqueued == 0
    record = await scene.record()
    assert (record.attempts, record.run_at, record.error) == (1, later, "it broke")
    await scene.walk({"v1": digest("b")})
    record = await scene.record()
    assert (record.attempts, record.run_at, record.error) == (0, START, None)


async def test_not_wanted_any_more(scene: Scene) -> None:
    await scene.succeed(await scene.running("old"))
    await scene.walk({"old": digest("b"), "new": digest("c")})
    assert (await scene.walk(planned={"old": "skip", "new": "skip"})).withdrawn == 2
    assert (await scene.record("old")).status == "synced"
    record = await scene.record("new")
    assert (record.status, record.reason) == ("skipped", "a rule")


async def test_gone_and_back(scene: Scene) -> None:
    await scene.succeed(await scene.running("synced"))
    await scene.fail(await scene.running("failed"))
    await scene.walk({"queued": digest("a")})
    assert (await scene.walk(gone=["synced", "failed", "queued"])).withdrawn == 1
    for tag, status in {"synced": "synced", "failed": "skipped", "queued": "skipped"}.items():
        record = await scene.record(tag)
        assert (record.status, record.gone_at) == (status, START)
    assert (await scene.record("queued")).reason == "gone"
    scene.clock.advance(timedelta(days=1))
    await scene.walk(gone=["synced"])
    assert (await scene.record("synced")).gone_at == START
    await scene.walk({"queued": digest("a")})
    record = await scene.record("queued")
    assert (record.status, record.gone_at) == ("queued", None)


async def test_gone_during_the_run(scene: Scene) -> None:
    job = await scene.running()
    await scene.walk(gone=["v1"])
    assert await scene.succeed(job)
    record = await scene.record()
    assert (record.status, record.gone_at) == ("synced", START)


async def test_fields_that_a_list_omits_keep_their_values(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")}, pushed_at=START, platforms={"linux/amd64": digest("c")})
    await scene.walk({"v1": digest("a")})
    record = await scene.record()
    assert (record.pushed_at, record.platform_digests) == (START, {"linux/amd64": digest("c")})
    await scene.walk({"v1": digest("b")})
    record = await scene.record()
    assert (record.pushed_at, record.platform_digests) == (None, None)


async def test_without_a_digest_there_is_nothing_to_copy(scene: Scene) -> None:
    await scene.walk({"v1": None})
    record = await scene.record()
    assert (record.status, record.reason) == ("skipped", "no-digest")


async def test_first_and_last_seen_and_the_walk(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    later = scene.clock.advance(timedelta(hours=6))
    await scene.walk({"v1": digest("a")})
    record = await scene.record()
    assert (record.first_seen_at, record.last_seen_at) == (START, later)
    walk = (await scene.ledger.recorded(ITEM.target)).walk
    assert walk is not None
    assert (walk.walked_at, walk.completed_at, walk.rules) == (later, later, "rules")
    assert (await scene.ledger.recorded("registry.example.com/none")).walk is None


async def test_the_order_of_claims(scene: Scene) -> None:
    other = ItemKey("pause", "registry.k8s.io/pause", "registry.example.com/mirror/pause", None)
    await scene.walk({"newest": digest("a"), "older": digest("b")})
    await scene.walk({"3.9": digest("c")}, item=other)
    claimed = [(await scene.claimed()).tag for _ in range(3)]
    assert claimed == ["newest", "3.9", "older"]
    assert await scene.queue.claim() is None


async def test_a_claim_tells_whether_the_target_has_the_tag(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    job = await scene.claimed()
    assert not job.overwrites
    await scene.succeed(job)
    await scene.walk({"v1": digest("b")})
    assert (await scene.claimed()).overwrites


async def test_claims_for_some_items_only(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    assert await scene.queue.claim({"registry.example.com/other"}) is None
    assert await scene.queue.claim({ITEM.target, "registry.example.com/other"}) is not None


async def test_claims_at_the_same_time_take_the_first_of_all(scene: Scene) -> None:
    other = ItemKey("pause", "registry.k8s.io/pause", "registry.example.com/mirror/pause", None)
    await scene.walk({f"v{number}": digest("a") for number in range(6)})
    await scene.walk({"3.9": digest("c")}, item=other)
    nothing = {"registry.example.com/none"}
    wishes = [{other.target}, None, {ITEM.target}, nothing, None, {other.target}, None]
    first, *taken = [job and job.tag for job in await asyncio.gather(*map(scene.queue.claim, wishes))]
    assert first == "3.9"
    assert {taken[0], taken[3], taken[5]} == {"v0", "v1", "v2"}
    assert (taken[1], taken[2], taken[4]) == ("v3", None, None)
    assert len(await scene.queue.heartbeat()) == 5  # a token of its own for each


SHARE = Share(most=3, registries=frozenset({"quay.io", "registry.k8s.io", "ghcr.io"}))
PAUSE = ItemKey("pause", "registry.k8s.io/pause", "registry.example.com/mirror/pause", None)


@pytest.mark.parametrize("targets", [None, {ITEM.target, PAUSE.target}])
async def test_a_registry_gets_no_more_than_its_share(scene: Scene, targets: set[str] | None) -> None:
    await scene.walk({f"v{number}": digest("a") for number in range(9)})
    await scene.walk({"3.8": digest("b"), "3.9": digest("c")}, item=PAUSE, planned={"3.8": "copy", "3.9": "copy"})
    jobs = await asyncio.gather(*(scene.queue.claim(targets, share=SHARE) for _ in range(9)))
    taken = [job for job in jobs if job]
    assert sorted(job.item for job in taken) == ["etcd"] * 3 + ["pause"] * 2
    await scene.succeed(next(job for job in taken if job.item == "etcd"))
    more = await asyncio.gather(*(scene.queue.claim(targets, share=SHARE) for _ in range(2)))
    assert sorted(job.item for job in more if job) == ["etcd"]


async def test_a_share_counts_only_one_process(scene: Scene, database: Database) -> None:
    await scene.walk({f"v{number}": digest("a") for number in range(9)})
    other = Queue(database, owner="other", clock=scene.clock, lease=LEASE, max_attempts=3)
    for queue in (scene.queue, other):
        jobs = await asyncio.gather(*(queue.claim(share=SHARE) for _ in range(4)))
        assert len([job for job in jobs if job]) == 3


async def test_a_single_registry_may_use_all_workers(scene: Scene) -> None:
    await scene.walk({f"v{number}": digest("a") for number in range(4)})
    alone = Share(most=1, registries=frozenset({"quay.io"}))
    jobs = await asyncio.gather(*(scene.queue.claim(share=alone) for _ in range(4)))
    assert all(jobs)


async def test_claims_at_the_same_time_share_what_is_left(scene: Scene) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("a")})
    jobs = await asyncio.gather(*(scene.queue.claim() for _ in range(8)))
    assert sorted(job.tag for job in jobs if job) == ["v1", "v2"]


async def test_a_claim_that_was_cancelled_is_reclaimed_at_the_stop(scene: Scene) -> None:
    await scene.walk({f"v{number}": digest("a") for number in range(20)})
    claims = [asyncio.create_task(scene.queue.claim()) for _ in range(20)]
    await asyncio.wait(claims, return_when=asyncio.FIRST_COMPLETED)
    for claim in claims:
        claim.cancel()
    await asyncio.wait(claims)
    held = [job for claim in claims if not claim.cancelled() and (job := claim.result())]
    assert await scene.queue.reclaim(["me"]) >= len(held) > 0
    outstanding = await scene.queue.outstanding()
    assert (outstanding.due, outstanding.running) == (20, 0)


async def test_results_at_the_same_time(scene: Scene) -> None:
    await scene.walk({name: digest("a") for name in MOVES} | {"lost": digest("a")})
    jobs = {job.tag: job for job in [await scene.claimed() for _ in range(len(MOVES) + 1)]}
    lost = replace(jobs.pop("lost"), token="another's")
    ends = [MOVES[name][0](scene, job) for name, job in jobs.items()]
    kept = await asyncio.gather(*ends, scene.succeed(lost), scene.succeed(jobs["succeed"]))
    assert kept == [True] * len(MOVES) + [False, False]
    for name, (_, status, counted) in MOVES.items():
        record = await scene.record(name)
        assert (record.status, record.attempts) == (status, counted)
        assert len(await scene.ledger.attempts(record.id)) == 1
    assert (await scene.record("lost")).status == "running"
    assert [line.tag for _, line in await scene.history()] == ["succeed"]


async def test_an_unstorable_result_does_not_fail_the_others(scene: Scene) -> None:
    await scene.walk({f"v{number}": digest("a") for number in range(4)})
    jobs = [await scene.claimed() for _ in range(4)]
    impossible = scene.queue.succeed(
        jobs[0], started_at=START, target_digest=digest("f"), identical=True, bytes_moved=2**63, bytes_reused=0
    )
    ends = [scene.succeed(jobs[1]), impossible, scene.succeed(jobs[2]), scene.succeed(jobs[3])]
    kept = await asyncio.gather(*ends, return_exceptions=True)
    assert isinstance(kept.pop(1), Unstorable)
    assert kept == [True, True, True]
    assert (await scene.record(jobs[0].tag)).status == "running"


async def test_eight_workers_never_get_the_same_tag(scene: Scene, queue_of: Callable[[str], Queue]) -> None:
    await scene.walk({f"v{number}": digest("a") for number in range(200)})

    async def work(queue: Queue) -> list[int]:
        mine = []
        while job := await queue.claim():
            mine.append(job.id)
            assert await Scene(queue, scene.ledger, scene.clock).succeed(job)
        return mine

    shares = await asyncio.gather(*(work(queue_of(f"worker-{number}")) for number in range(8)))
    claimed = [tag for share in shares for tag in share]
    assert len(claimed) == len(set(claimed)) == 200


async def test_a_heartbeat_renews_the_leases_of_this_owner_only(scene: Scene, queue_of: Callable[[str], Queue]) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    mine = await scene.claimed()
    other = await queue_of("other").claim()
    assert other is not None
    assert await scene.queue.reclaim() == 0
    scene.clock.advance(LEASE / 2)
    assert await scene.queue.heartbeat() == {mine.token}
    scene.clock.advance(LEASE / 2)
    assert await scene.queue.reclaim() == 1
    assert (await scene.record("v1")).status == "running"
    assert (await scene.record("v2")).status == "queued"
    scene.clock.advance(LEASE)
    assert await scene.queue.reclaim() == 1
    assert await scene.queue.heartbeat() == frozenset()


async def test_a_lapsed_lease_counts_and_ends_in_failure(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    for attempt in range(1, MAX_ATTEMPTS + 1):
        job = await scene.claimed()
        assert job.attempt == attempt
        assert await scene.lapse() == 1
    record = await scene.record()
    assert (record.status, record.attempts, record.error_kind) == ("failed", MAX_ATTEMPTS, "lost")
    assert [attempt.outcome for attempt in await scene.ledger.attempts(record.id)] == ["lost"] * MAX_ATTEMPTS


async def test_a_dead_owners_leases_are_not_waited_for_and_do_not_count(scene: Scene, clock: ManualClock) -> None:
    await scene.walk({"v1": digest("a")})
    for _ in range(MAX_ATTEMPTS + 1):
        assert (await scene.claimed()).attempt == 1
        assert await scene.queue.reclaim(["somebody else"]) == 0
        assert await scene.queue.reclaim({"me", "somebody else"}) == 1
    assert (await scene.record()).run_at == clock.now()


async def test_reclaim_does_not_queue_withdrawn_tags(scene: Scene) -> None:
    await scene.running()
    await scene.walk(planned={"v1": "skip"})
    assert await scene.queue.reclaim(["me"]) == 1
    assert (await scene.record()).status == "skipped"


async def test_a_tag_that_was_copied_during_a_lookup_is_not_copied_again(scene: Scene) -> None:
    job = await scene.running()
    known = await scene.ledger.known(ITEM.target)
    await scene.succeed(job)
    applied = await scene.walk({"v1": digest("a")}, known=known)
    assert (applied.enqueued, (await scene.record()).status) == (0, "synced")


async def test_a_tag_that_changed_and_was_copied_during_a_lookup_is_copied_again(scene: Scene) -> None:
    job = await scene.running()
    known = await scene.ledger.known(ITEM.target)
    await scene.succeed(job)
    applied = await scene.walk({"v1": digest("b")}, known=known)
    assert (applied.enqueued, (await scene.record()).status) == (1, "queued")


async def test_a_requeue_during_a_lookup_is_kept(scene: Scene) -> None:
    await scene.succeed(await scene.running())
    known = await scene.ledger.known(ITEM.target)
    await scene.queue.requeue(targets=[ITEM.target])
    await scene.walk({"v1": digest("a")}, planned={"v1": "keep"}, known=known)
    assert (await scene.record()).status == "queued"


async def test_a_look_that_began_before_the_last_one_changes_nothing(scene: Scene) -> None:
    began_at = scene.clock.now()
    scene.clock.advance(timedelta(seconds=1))
    await scene.walk({"v1": digest("b")})
    assert (await scene.walk({"v1": digest("a"), "v2": digest("a")}, began_at=began_at)).enqueued == 0
    assert (await scene.record()).source_digest == digest("b")
    assert await scene.ledger.tag(ITEM.target, "v2") is None


async def test_former_items_are_withdrawn(scene: Scene) -> None:
    await scene.succeed(await scene.running("synced"))
    await scene.fail(await scene.running("failed"))
    job = await scene.running("running")
    await scene.walk({"queued": digest("a")})
    assert await scene.queue.withdraw_items({ITEM.target}) == 0
    assert await scene.queue.withdraw_items({"registry.example.com/other"}) == 2
    expected = {"synced": "synced", "failed": "skipped", "queued": "skipped", "running": "running"}
    assert {tag: record.status for tag, record in (await scene.ledger.known(ITEM.target)).items()} == expected
    assert await scene.fail(job, retry_at=START)
    assert await scene.queue.claim() is None


async def test_lookup_failures_of_former_items_are_forgotten(scene: Scene) -> None:
    await scene.ledger.note_lookup_failure(ITEM, "no such host", now=START)
    await scene.queue.withdraw_items({ITEM.target})
    assert [trouble.error for trouble in await scene.ledger.lookup_failures()] == ["no such host"]
    await scene.queue.withdraw_items({"registry.example.com/other"})
    assert await scene.ledger.lookup_failures() == []


async def test_an_item_with_another_name_source_and_platforms(scene: Scene) -> None:
    await scene.walk({"v1": digest("a")})
    moved = ItemKey("etcd3", "gcr.io/etcd-development/etcd", ITEM.target, "linux")
    await scene.walk({}, item=moved)
    job = await scene.claimed()
    assert (job.item, job.source, job.platforms) == ("etcd3", "gcr.io/etcd-development/etcd", "linux")


@pytest.mark.parametrize("status", ["synced", "failed", "skipped"])
async def test_requeue_starts_a_new_round(scene: Scene, status: Status) -> None:
    await _bring_to(scene, status)
    assert await scene.queue.requeue(targets=[ITEM.target]) == 1
    record = await scene.record()
    assert (record.status, record.attempts, record.error, record.reason) == ("queued", 0, None, "requeued")


async def test_requeue_failed_leaves_the_others(scene: Scene) -> None:
    await scene.succeed(await scene.running("synced"))
    await scene.fail(await scene.running("failed"))
    assert await scene.queue.requeue(failed=True, targets=["registry.example.com/other"]) == 0
    assert await scene.queue.requeue(failed=True) == 1
    assert (await scene.claimed()).tag == "failed"
    assert await scene.queue.claim() is None


async def test_requeue_of_an_item_leaves_out_tags_that_rules_exclude_or_upstream_no_longer_has(scene: Scene) -> None:
    await scene.walk({"left-out": digest("a"), "gone": digest("b")}, planned={"left-out": "skip", "gone": "keep"})
    await scene.walk(gone=["gone"])
    assert await scene.queue.requeue(targets=[ITEM.target]) == 0
    assert await scene.queue.requeue(targets=[ITEM.target], tag="left-out") == 1
    assert (await scene.claimed()).tag == "left-out"


async def test_requeue_leaves_a_running_tag_alone(scene: Scene) -> None:
    job = await scene.running()
    assert await scene.queue.requeue(targets=[ITEM.target], tag="v1") == 0
    assert await scene.succeed(job)


async def test_requeue_makes_a_waiting_tag_due(scene: Scene) -> None:
    await scene.fail(await scene.running(), retry_at=START + timedelta(hours=1))
    assert await scene.queue.requeue(targets=[ITEM.target]) == 1
    assert (await scene.claimed()).attempt == 1


async def test_outstanding(scene: Scene) -> None:
    assert await scene.queue.outstanding() == Outstanding(0, 0, 0, 0, None)
    await scene.walk({tag: digest("a") for tag in ("v1", "v2", "v3", "v4")})
    later = START + timedelta(minutes=5)
    await scene.fail(await scene.claimed(), retry_at=later)
    await scene.claimed()
    expected = Outstanding(due=2, waiting=1, held=0, running=1, next_at=later)
    assert await scene.queue.outstanding() == expected
    assert await scene.queue.outstanding({ITEM.target}) == expected
    assert await scene.queue.outstanding({"registry.example.com/other"}) == Outstanding(0, 0, 0, 0, None)


@pytest.mark.slow
async def test_a_walk_of_thousands_of_tags(scene: Scene) -> None:
    seen = {f"v{number}": digest("a") for number in range(3000)}
    assert (await scene.walk(seen)).enqueued == 3000
    assert (await scene.walk(seen)).enqueued == 0
    assert (await scene.walk(gone=seen)).withdrawn == 3000
    assert len(await scene.ledger.known(ITEM.target)) == 3000
