"""Who has signed what, on both databases."""

from datetime import timedelta

from sqlalchemy import delete, func, select

from ferryman.signature_findings import Finding, Signer
from ferryman.store.database import tables
from ferryman.store.database.database import Database
from ferryman.store.queries.tag_life import read_tag_life
from ferryman.store.queue.queue import Queue
from ferryman.store.records import ItemKey, Job, PlannedTag, SeenTag, Walk
from ferryman.store.signatures import SignatureCheck, SignatureLog
from tests.store.scene import ManualClock
from tests.support.upstreams import made_up_digest

ITEM = ItemKey("app", "r.io/app", "r.io/mirror/app", None)
DIGEST = made_up_digest("v1")


async def enqueue(queue: Queue, clock: ManualClock, digest: str = DIGEST) -> Job:
    now = clock.now()
    seen, planned = [SeenTag("v1", digest, now)], [PlannedTag("v1", "copy", "new")]
    await queue.apply(ITEM, seen, gone=(), planned=planned, walk=Walk(now, now, "rules"))
    job = await queue.claim()
    assert job is not None
    return job


async def refuse(queue: Queue, job: Job, clock: ManualClock, kind: str = "signature-refused") -> None:
    await queue.fail(job, started_at=clock.now(), kind=kind, error="nobody has signed it", retry_at=None)


async def life(database: Database, clock: ManualClock) -> tuple[SignatureCheck, ...]:
    async with database.read() as connection:
        found = await read_tag_life(connection, ITEM.target, "v1", clock.now())
    assert found is not None
    return found.signatures


async def test_findings_are_read_as_they_were_recorded(database: Database, queue: Queue, clock: ManualClock) -> None:
    signers = (Signer("CN=me", "store", "notation", clock.now()), Signer("SHA256:ab", "cosign.pub", "cosign"))
    job, signatures = await enqueue(queue, clock), SignatureLog(database, clock=clock)
    first = SignatureCheck(Finding("verified", DIGEST, signers), clock.now())
    await signatures.record(job.id, first.finding)
    assert await life(database, clock) == (first,)
    clock.advance(timedelta(hours=1))
    other = SignatureCheck(Finding("refused", made_up_digest("v2"), detail="not signed"), clock.now())
    await signatures.record(job.id, other.finding)
    assert await life(database, clock) == (first, other)


async def test_a_later_finding_replaces_an_earlier_one(database: Database, queue: Queue, clock: ManualClock) -> None:
    job, signatures = await enqueue(queue, clock), SignatureLog(database, clock=clock)
    await signatures.record(job.id, Finding("refused", DIGEST, detail="not signed"))
    clock.advance(timedelta(hours=1))
    later = Finding("verified", DIGEST, (Signer("SHA256:ab", "cosign.pub", "bundle"),))
    await signatures.record(job.id, later)
    assert await life(database, clock) == (SignatureCheck(later, clock.now()),)


async def test_only_tags_that_failed_for_it_are_refused(database: Database, queue: Queue, clock: ManualClock) -> None:
    job, signatures = await enqueue(queue, clock), SignatureLog(database, clock=clock)
    finding = Finding("refused", DIGEST, detail="not signed")
    await signatures.record(job.id, finding)
    assert await signatures.refused(ITEM.target) == {}  # it still runs
    await refuse(queue, job, clock)
    assert await signatures.refused(ITEM.target) == {"v1": SignatureCheck(finding, clock.now())}
    assert await signatures.refused("r.io/mirror/other") == {}
    await refuse(queue, await enqueue(queue, clock), clock, kind="denied")
    assert await signatures.refused(ITEM.target) == {}
    await refuse(queue, await enqueue(queue, clock, made_up_digest("v2")), clock)
    assert await signatures.refused(ITEM.target) == {}  # that digest was not verified


async def test_they_go_with_their_tag(database: Database, queue: Queue, clock: ManualClock) -> None:
    job, signatures = await enqueue(queue, clock), SignatureLog(database, clock=clock)
    await signatures.record(job.id, Finding("missing", DIGEST, detail="not signed"))
    async with database.write() as connection:
        await connection.execute(delete(tables.tags))
        assert await connection.scalar(select(func.count()).select_from(tables.signatures)) == 0


async def test_what_the_target_has_is_told_apart_from_what_was_refused_since(
    database: Database, queue: Queue, clock: ManualClock
) -> None:
    job, signatures = await enqueue(queue, clock), SignatureLog(database, clock=clock)
    finding = Finding("verified", DIGEST, (Signer("SHA256:ab", "cosign.pub", "cosign"),))
    await signatures.record(job.id, finding)
    assert await signatures.of_copies([ITEM.target]) == {}
    await queue.succeed(
        job, started_at=clock.now(), target_digest=DIGEST, identical=True, bytes_moved=1, bytes_reused=0
    )
    await signatures.record(job.id, Finding("refused", made_up_digest("v2"), detail="not signed"))
    assert await signatures.of_copies([ITEM.target]) == {job.id: finding}
    assert await signatures.of_copies([]) == {}
