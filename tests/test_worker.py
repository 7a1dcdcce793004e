"""One job, from its claim to its recorded result, with a real database and a real target."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman import retry
from ferryman.errors import (
    Denied,
    DiskFull,
    LoginRefused,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    StoreError,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.platforms import Platforms
from ferryman.reference import Reference, Repository, referrers_tag
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry_options import RegistryOptions
from ferryman.signature_rules import Missing, SignatureRule, SignatureRules
from ferryman.signatures.verifier import SignatureVerifier
from ferryman.store.records import PlannedTag, SeenTag, Walk
from ferryman.store.signatures import SignatureLog
from ferryman.transports.base import Copied, ProgressSink
from ferryman.worker import ProgressThrottle
from tests.conftest import ReadLog
from tests.signatures.conftest import images, key_rule, notation_rule, recorded
from tests.store.scene import ManualClock
from tests.support.faulty import Faulty, says
from tests.support.images import OCI_INDEX, OCI_MANIFEST
from tests.support.transports import NATIVE, manifest_at
from tests.support.upstreams import made_up_digest
from tests.support.workplace import POLICY, SOURCE, Workplace, tiny

OTHER = "registry.k8s.io/pause"
SIGNED = "signed.example.com/team/app"
FIRST = datetime(2026, 5, 1, 12, tzinfo=UTC)  # the workplace's clock at first


# It went well


async def test_records_what_was_copied(workplace: Workplace) -> None:
    await workplace.enqueue("v1", platforms="linux/amd64,linux/arm64")
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.attempts, record.error, record.error_kind) == ("synced", 1, None, None)
    assert (record.source_digest, record.mirrored_digest) == (made_up_digest("v1"), made_up_digest("v1"))
    assert (record.target_digest, record.identical) == (tiny("v1").digest, False)
    assert record.mirrored_platforms == "linux/amd64,linux/arm64"
    assert record.synced_at == FIRST
    target = record.target.partition("/")[2]
    assert manifest_at(workplace.target.url, target, "v1").digest == record.target_digest
    [attempt] = await workplace.attempts("v1")
    assert (attempt.outcome, attempt.digest) == ("synced", made_up_digest("v1"))
    assert (attempt.bytes_moved, attempt.bytes_reused) == (2000, 100)


@pytest.mark.parametrize("platforms", [None, "native", "linux/amd64,linux/arm64"])
async def test_asks_the_transport_for_the_items_platforms(workplace: Workplace, platforms: str | None) -> None:
    await workplace.enqueue("v1", platforms=platforms)
    await workplace.work()
    assert workplace.transport.platforms == [Platforms.parse(platforms) if platforms else None]


async def test_tells_its_observers(workplace: Workplace) -> None:
    await workplace.enqueue("v1")
    await workplace.work()
    watcher = workplace.watcher
    assert watcher.started_tags == ["v1"]
    assert watcher.progress == [("v1", "push:layer", 0, None), ("v1", "push:layer", 2000, 2000)]
    assert watcher.outcomes == [("v1", "synced")]
    [end] = watcher.ends
    assert (end.digest, end.bytes_moved, end.bytes_reused) == (tiny("v1").digest, 2000, 100)


def test_of_a_part_the_ends_are_told_and_little_in_between() -> None:
    clock = ManualClock()
    throttle = ProgressThrottle(clock)
    assert throttle.passes("copy:a", 0, 100)
    assert not throttle.passes("copy:a", 10, 100)
    assert throttle.passes("copy:b", 10, 100), "another part"
    clock.advance(timedelta(seconds=0.2))
    assert throttle.passes("copy:a", 20, 100)
    assert not throttle.passes("copy:a", 21, 100)
    assert not throttle.passes("copy:a", 22, None)
    assert throttle.passes("copy:a", 100, 100), "its end"
    assert throttle.passes("copy:a", 0, 100), "it begins again"


# The target is asked


async def test_a_transport_that_tells_another_digest_is_not_believed(workplace: Workplace) -> None:
    async def lie(target: Reference, progress: ProgressSink) -> Copied:
        await workplace.transport.push(target, progress)
        return Copied(made_up_digest("a lie"), identical=True, bytes_moved=1, bytes_reused=0)

    workplace.transport.on("v1", lie)
    await workplace.enqueue("v1")
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.error_kind, record.target_digest) == ("queued", WrongContent.kind, None)
    assert tiny("v1").digest in str(record.error)
    workplace.clock.advance(60)
    await workplace.work()
    assert (await workplace.record("v1")).status == "synced"


async def test_a_target_that_has_just_said_what_it_has_is_not_asked_again(workplace: Workplace) -> None:
    async def told(target: Reference, progress: ProgressSink) -> Copied:
        return Copied(made_up_digest("told"), identical=True, bytes_moved=1, bytes_reused=0, confirmed=True)

    workplace.transport.on("v1", told)
    await workplace.enqueue("v1")
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.target_digest, record.degraded) == ("synced", made_up_digest("told"), None)


async def test_what_a_target_refuses_is_recorded_and_logged(workplace: Workplace, read_log: ReadLog) -> None:
    reason = "registry.example.com refuses attestations: the index was rebuilt without them"

    async def leave_out(target: Reference, progress: ProgressSink) -> Copied:
        return replace(await workplace.transport.push(target, progress), degraded=reason)

    workplace.transport.on("v1", leave_out)
    await workplace.enqueue("v1")
    await workplace.work()
    assert (await workplace.record("v1")).degraded == reason
    assert [line["left_out"] for line in read_log() if line["level"] == "warning"] == [reason]


async def test_a_transport_that_brought_nothing_is_tried_again(workplace: Workplace) -> None:
    async def bring_nothing(target: Reference, progress: ProgressSink) -> Copied:
        return Copied(made_up_digest("a lie"), identical=True, bytes_moved=1, bytes_reused=0)

    workplace.transport.on("v1", bring_nothing)
    await workplace.enqueue("v1")
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.error_kind) == ("queued", WrongContent.kind)
    workplace.clock.advance(60)
    await workplace.work()
    assert (await workplace.record("v1")).status == "synced"


# It failed


@pytest.mark.parametrize("error", [Unreachable("cut"), DiskFull("no room"), WrongContent("another digest")])
async def test_what_may_pass_is_tried_again_until_the_attempts_are_used_up(
    workplace: Workplace, error: TransferError
) -> None:
    for _ in range(POLICY.max_attempts):
        workplace.transport.fail(error, "v1")
    await workplace.enqueue("v1")
    for attempt in range(1, POLICY.max_attempts):
        await workplace.work()
        record = await workplace.record("v1")
        assert (record.status, record.attempts, record.error_kind, record.error) == (
            "queued", attempt, error.kind, str(error),
        )  # fmt: skip
        earliest, latest = (
            retry.next_run(
                error, attempt=attempt, now=workplace.clock.now(), max_attempts=POLICY.max_attempts,
                delay=POLICY.delay, jitter=jitter,
            )
            for jitter in (0, 1)
        )  # fmt: skip
        assert earliest is not None
        assert latest is not None
        assert record.run_at is not None
        assert earliest <= record.run_at < latest
        workplace.clock.advance((record.run_at - workplace.clock.now()).total_seconds() - 0.001)
        assert await workplace.queue.claim() is None
        workplace.clock.advance(0.001)
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.attempts, record.run_at) == ("failed", POLICY.max_attempts, None)
    assert [each.outcome for each in await workplace.attempts("v1")] == ["failed"] * POLICY.max_attempts
    assert workplace.watcher.outcomes == [("v1", "again"), ("v1", "again"), ("v1", "failed")]


async def test_a_retry_is_never_before_the_moment_that_the_other_side_named(workplace: Workplace) -> None:
    until = FIRST + timedelta(hours=2)
    workplace.transport.fail(Unreachable("503", retry_at=until), "v1")
    await workplace.enqueue("v1")
    await workplace.work()
    assert (await workplace.record("v1")).run_at == until


@pytest.mark.parametrize("error", [Denied("not allowed"), NotFound("no such thing"), Unsupported("schema 1")])
async def test_what_trying_again_cannot_help_fails_at_once(workplace: Workplace, error: TransferError) -> None:
    workplace.transport.fail(error, "v1")
    await workplace.enqueue("v1", "v2")
    await workplace.work(ends=2)
    record = await workplace.record("v1")
    assert (record.status, record.attempts, record.error_kind, record.error) == ("failed", 1, error.kind, str(error))
    assert (await workplace.record("v2")).status == "synced"


async def test_an_image_for_no_wanted_platform_is_skipped(workplace: Workplace) -> None:
    workplace.transport.fail(NoSuchPlatform("has linux/s390x only"), "v1")
    await workplace.enqueue("v1")
    await workplace.work()
    record = await workplace.record("v1")
    assert (record.status, record.reason, record.error) == ("skipped", "platform", "has linux/s390x only")
    assert [each.outcome for each in await workplace.attempts("v1")] == ["skipped"]
    assert workplace.watcher.outcomes == [("v1", "skipped")]


async def test_a_defect_is_a_failure_with_its_traceback_in_one_line(workplace: Workplace, read_log: ReadLog) -> None:
    workplace.transport.fail(RuntimeError("a slip\nof two lines"), "v1")
    await workplace.enqueue("v1", "v2")
    await workplace.work(ends=2)
    record = await workplace.record("v1")
    assert (record.status, record.attempts, record.error_kind) == ("failed", 1, "defect")
    assert "RuntimeError" in str(record.error)
    assert (await workplace.record("v2")).status == "synced"
    [line] = [line for line in read_log() if line["level"] == "error"]
    assert (line["item"], line["tag"], line["attempt"]) == ("etcd", "v1", 1)
    assert "Traceback (most recent call last)" in line["exception"]
    assert "a slip\nof two lines" in line["exception"]


# A registry's trouble is no tag's


async def test_a_limit_is_no_attempt_and_holds_for_the_whole_registry(workplace: Workplace) -> None:
    until = FIRST + timedelta(minutes=5)
    workplace.transport.fail(RateLimited("slow down", registry="quay.io", retry_at=until), "v1")
    await workplace.enqueue("v1", "v2", "v3")
    await workplace.work()
    records = [await workplace.record(tag) for tag in ("v1", "v2", "v3")]
    assert {(record.status, record.attempts, record.run_at) for record in records} == {("queued", 0, until)}
    await workplace.enqueue("3.9", source=OTHER)
    await workplace.work()
    assert workplace.watcher.outcomes == [("v1", "again"), ("3.9", "synced")]
    assert await workplace.queue.claim() is None
    workplace.clock.advance(300)
    await workplace.work(ends=3)
    assert {(await workplace.record(tag)).status for tag in ("v1", "v2", "v3")} == {"synced"}
    assert (await workplace.record("v1")).attempts == 1


async def test_a_limit_of_the_target_holds_everything_that_goes_there(workplace: Workplace) -> None:
    until = FIRST + timedelta(minutes=5)
    workplace.transport.fail(RateLimited("slow down", registry=workplace.target.host, retry_at=until), "v1")
    await workplace.enqueue("v1")
    await workplace.enqueue("3.9", source=OTHER)
    await workplace.work()
    assert (await workplace.record("3.9", OTHER)).run_at == until


async def test_a_limit_without_a_moment_is_taken_for_a_minute_of_the_source(workplace: Workplace) -> None:
    workplace.transport.fail(RateLimited("slow down"), "v1")
    await workplace.enqueue("v1")
    await workplace.work()
    [state] = await workplace.queue.paused_registries()
    assert (state.registry, state.until) == ("quay.io", FIRST + timedelta(minutes=1))


async def test_what_is_left_of_a_limit_on_pulls_is_spread_newest_first(workplace: Workplace, read_log: ReadLog) -> None:
    nginx = "docker.io/library/nginx"
    tags = ["v4", "v3", "v2", "v1"]  # the newest first
    quota = {"ratelimit_limit": "100;w=21600", "ratelimit_remaining": "9;w=21600"}  # good for three tags
    async with Faulty() as hub:
        hub.on("HEAD /v2/library/nginx/manifests/v4", says(404, **quota))
        workplace.client = RegistryClient(
            hosts={"docker.io": RegistryOptions(endpoint=hub.url)},
            credentials=CredentialStore(explicit={}, clock=workplace.clock, environment={"HOME": "/nonexistent"}),
            clock=workplace.clock,
        )
        with pytest.raises(NotFound):
            await workplace.client.head_manifest(Repository.parse(nginx).tagged("v4"))
        await workplace.enqueue(*tags, source=nginx)
        await workplace.enqueue("3.9", source=OTHER)
        await workplace.work(ends=3, size=1)
        assert sorted(workplace.watcher.outcomes) == [("3.9", "synced"), ("v3", "again"), ("v4", "synced")]
        waiting = [await workplace.record(tag, nginx) for tag in tags[1:]]
        assert {(record.status, record.attempts, record.run_at) for record in waiting} == {
            ("queued", 0, FIRST + timedelta(hours=2))
        }
        assert {record.error for record in waiting} == {
            "docker.io: 9 of 100 pulls are left; the rest of them is spread over time"
        }
        workplace.clock.advance(2 * 3600)
        await workplace.work(ends=2)
        assert workplace.watcher.outcomes[3:] == [("v3", "synced"), ("v2", "again")]
        await workplace.client.aclose()
    assert [line["message"] for line in read_log() if line["message"].endswith("UTC")] == [
        "3 tags wait for Docker Hub's limit; next at 14:00 UTC",
        "2 tags wait for Docker Hub's limit; next at 16:00 UTC",
    ]


async def test_a_limit_that_is_over_at_once_still_leaves_the_registry_a_moment(workplace: Workplace) -> None:
    workplace.transport.fail(RateLimited("slow down", registry="quay.io", retry_at=FIRST), "v1")  # Retry-After: 0
    await workplace.enqueue("v1")
    await workplace.work()
    record = await workplace.record("v1")
    assert record.run_at is not None
    assert record.run_at > workplace.clock.now()  # it counts as no attempt: nothing else would ever slow it down


async def test_a_refused_login_is_one_failed_tag_and_the_others_wait(workplace: Workplace, read_log: ReadLog) -> None:
    tags = [f"v{number}" for number in range(12)]
    workplace.transport.fail(LoginRefused("wrong password", registry="quay.io"), *tags)
    await workplace.enqueue(*tags)
    await workplace.enqueue("3.9", source=OTHER)
    pool = workplace.pool(size=4)
    workplace.watcher.on_end = lambda: pool.drain() if ("3.9", "synced") in workplace.watcher.outcomes else None
    await pool.run()
    records = [await workplace.record(tag) for tag in tags]
    [failed] = [record for record in records if record.status == "failed"]
    assert (failed.error_kind, failed.error, failed.attempts) == ("login", "wrong password", 1)
    held = [record for record in records if record != failed]
    assert {(record.status, record.attempts, record.run_at, record.error) for record in held} == {
        ("queued", 0, None, "wrong password")
    }
    assert len(workplace.transport.asked) <= 1 + 4  # those that ran already when the first was refused
    lines = read_log()
    assert [line["registry"] for line in lines if line["event"] == "registry_paused"] == ["quay.io"]
    assert [line["tag"] for line in lines if line["event"] == "tag_failed"] == [failed.tag]


# The lease


async def test_a_result_that_comes_after_the_lease_was_lost_is_dropped(workplace: Workplace, read_log: ReadLog) -> None:
    gate, working = await workplace.start_copy("v1")
    other, job = await workplace.take_over()
    gate.open()
    await working
    record = await workplace.record("v1")
    assert (record.status, record.target_digest, record.synced_at) == ("running", None, None)
    assert [each.outcome for each in await workplace.attempts("v1")] == ["lost"]
    assert "lease lost: the result is dropped, another worker has this tag" in [line["message"] for line in read_log()]
    assert await other.fail(job, started_at=FIRST, kind="denied", error="the other's", retry_at=None)
    assert (await workplace.record("v1")).error == "the other's"


async def test_every_line_of_a_job_tells_its_item_and_tag(workplace: Workplace, read_log: ReadLog) -> None:
    workplace.transport.fail(Unreachable("cut"), "v1")
    workplace.transport.fail(NoSuchPlatform("windows only"), "v2")
    await workplace.enqueue("v1", "v2", "v3")
    await workplace.work(ends=3)
    lines = [line for line in read_log() if "attempt" in line]
    assert [(line["item"], line["tag"], line["event"]) for line in lines] == [
        ("etcd", "v1", "tag_retry_scheduled"), ("etcd", "v2", "tag_skipped"), ("etcd", "v3", "tag_synced"),
    ]  # fmt: skip
    assert lines[0]["kind"] == "unreachable"
    assert lines[2]["digest"] == tiny("v3").digest


async def test_the_source_is_asked_for_the_digest_that_was_seen(workplace: Workplace) -> None:
    await workplace.enqueue("v1")
    job = await workplace.queue.claim()
    assert job is not None
    assert (job.source, job.digest) == (SOURCE, made_up_digest("v1"))
    await workplace.worker().copy(job, lambda: None)
    assert workplace.transport.sources == [f"{SOURCE}@{made_up_digest('v1')}"]


# Signatures


def signed_by(workplace: Workplace, *rules: SignatureRule, missing: Missing = "refuse") -> None:
    """Let the workplace's item ask for signatures."""
    target = Repository.parse(workplace.item(SIGNED).target)
    workplace.verifier = SignatureVerifier(
        {target: SignatureRules(rules, missing)}, client=workplace.client, clock=workplace.clock, native=lambda: NATIVE
    )


@pytest.fixture
async def signed(workplace: Workplace) -> AsyncIterator[Faulty]:
    """A source with what cosign has signed, as SIGNED."""
    case, (whole, *_) = recorded("cosign-tag-p256"), images()
    async with Faulty() as server:
        path = "/v2/team/app"
        [(digest, body)] = case.manifests.items()
        server.on(f"GET {path}/manifests/{next(iter(case.tags))}", says(200, body.encode(), Content_Type=OCI_MANIFEST))
        for digest, blob in case.blobs.items():
            server.on(f"GET {path}/blobs/{digest}", says(200, base64.b64decode(blob)))
        server.on(f"GET {path}/manifests/{whole.digest}", says(200, whole.manifest, Content_Type=OCI_INDEX))
        workplace.client.configure(
            hosts={"signed.example.com": RegistryOptions(endpoint=server.url)},
            credentials=CredentialStore(explicit={}, clock=workplace.clock, environment={"HOME": "/nonexistent"}),
        )
        yield server


async def enqueue_signed(workplace: Workplace, tag: str = "v1") -> None:
    now, digest = workplace.clock.now(), images()[0].digest
    await workplace.queue.apply(
        workplace.item(SIGNED), [SeenTag(tag, digest, now)], gone=(),
        planned=[PlannedTag(tag, "copy", "new")], walk=Walk(now, now, "rules"),
    )  # fmt: skip


async def checks(workplace: Workplace, tag: str = "v1") -> list[tuple[str, str]]:
    found = await SignatureLog(workplace.database, clock=workplace.clock).of_tag(
        (await workplace.record(tag, SIGNED)).id
    )
    return [(each.finding.verdict, each.finding.digest) for each in found]


async def test_what_is_signed_is_copied_and_who_signed_it_is_recorded(workplace: Workplace, signed: Faulty) -> None:
    signed_by(workplace, key_rule())
    await enqueue_signed(workplace)
    await workplace.work()
    assert (await workplace.record("v1", SIGNED)).status == "synced"
    assert await checks(workplace) == [("verified", images()[0].digest)]


async def test_what_is_not_signed_is_refused_before_the_transport_is_asked(
    workplace: Workplace, signed: Faulty
) -> None:
    signed_by(workplace, key_rule("rsa"))
    await enqueue_signed(workplace)
    await workplace.work()
    record = await workplace.record("v1", SIGNED)
    assert (record.status, record.reason, record.error_kind) == ("failed", "signature-refused", "signature-refused")
    assert "no signature fits: it was not made with this key" in str(record.error)
    assert record.error_registry == "signed.example.com"
    assert workplace.transport.asked == []
    assert await checks(workplace) == [("refused", images()[0].digest)]
    assert workplace.watcher.outcomes == [("v1", "failed")]


async def test_an_earlier_copy_stays_as_it_is(workplace: Workplace, signed: Faulty) -> None:
    signed_by(workplace, key_rule())
    await enqueue_signed(workplace)
    await workplace.work()
    before = await workplace.record("v1", SIGNED)
    signed_by(workplace, key_rule("rsa"))
    await workplace.queue.requeue(targets=[before.target])
    await workplace.work()
    record = await workplace.record("v1", SIGNED)
    assert (record.status, record.mirrored_digest, record.target_digest) == (
        "failed", before.mirrored_digest, before.target_digest,
    )  # fmt: skip


async def test_what_nobody_signed_is_copied_where_that_is_allowed_with_a_warning(
    workplace: Workplace, signed: Faulty, read_log: ReadLog
) -> None:
    signed_by(workplace, notation_rule(), missing="warn")
    await enqueue_signed(workplace)
    await workplace.work()
    assert (await workplace.record("v1", SIGNED)).status == "synced"
    assert await checks(workplace) == [("missing", images()[0].digest)]
    assert "image_unsigned" in [line["event"] for line in read_log()]


async def test_a_signature_needs_no_signature(workplace: Workplace, signed: Faulty) -> None:
    signed_by(workplace, key_rule("rsa"))
    tag = f"{referrers_tag(images()[0].digest)}.sig"
    await enqueue_signed(workplace, tag)
    await workplace.work()
    assert workplace.transport.asked == [tag]
    assert await checks(workplace, tag) == []


async def test_a_source_that_fails_is_asked_again(workplace: Workplace, signed: Faulty) -> None:
    signed_by(workplace, notation_rule())
    signed.on(f"GET /v2/team/app/referrers/{images()[0].digest}", says(503))
    await enqueue_signed(workplace)
    await workplace.work()
    record = await workplace.record("v1", SIGNED)
    assert (record.status, record.error_kind, await checks(workplace)) == ("queued", "unreachable", [])
    assert workplace.transport.asked == []


async def test_a_finding_that_cannot_be_recorded_holds_up_no_copy(
    workplace: Workplace, signed: Faulty, read_log: ReadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: SignatureLog, tag_id: int, finding: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(SignatureLog, "record", fail)
    signed_by(workplace, key_rule())
    await enqueue_signed(workplace)
    await workplace.work()
    assert (await workplace.record("v1", SIGNED)).status == "synced"
    assert "signature_not_recorded" in [line["event"] for line in read_log()]
