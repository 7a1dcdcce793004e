"""A record in which everything that a stranger may have written is hostile."""

from datetime import timedelta

from ferryman.application import Application
from ferryman.clock import SystemClock
from ferryman.events import JobInfo, JobStarted, LookStarted
from ferryman.signature_findings import Finding, Signer, Verdict
from ferryman.store.notices import Delivery, Notice
from ferryman.store.records import Intent, ItemKey, Job, Look, PlannedTag, SeenTag, Walk
from tests.support.upstreams import made_up_digest

_BIDI, _ANSI, _BREAK = (
    "\u202ekcolb\u2066",
    "\x1b[31m\x1b]0;harm\x07\x9b31m",
    "\r\nSet-Cookie: harm=1\n\ndata: harm\u2028",
)
HOSTILE = (
    "</style></script><script>window.harmed=1</script><img src=x onerror=window.harmed=1>"
    "\"'onmouseover=window.harmed=1 style=position:fixed;background:url(//harm.example) "
    "}*{display:none} javascript:harmed(1) {{7*7}} %(n)s %s ${7*7} <!channel> `"
    f"{_BIDI}{_ANSI}{_BREAK}\x00"
)
ODD = [each for each in HOSTILE if not each.isprintable() and each != "\n"]
ITEMS = """\
defaults: {target: 127.0.0.1:9/m/}
items:
- {source: 127.0.0.1:9/coreos/etcd, target: 127.0.0.1:9/m/etcd}
"""
TARGET = "127.0.0.1:9/m/etcd"
# Names that end up in the record as they came; PostgreSQL stores no NUL, and neither does a tag's name come with one.
NAME = HOSTILE.replace("\x00", "")


async def fill(app: Application) -> None:
    """Tags in every state, with names and errors of a stranger; and whatever else the pages show."""
    now, record = SystemClock().now(), app.record
    item = ItemKey(NAME, "127.0.0.1:9/coreos/etcd", TARGET, None)
    tags = [f"{NAME}{number}" for number in range(6)]
    await record.queue.apply(
        item,
        [SeenTag(tag, made_up_digest(tag), now, {NAME: made_up_digest("p")}) for tag in tags],
        gone=(),
        planned=[*(PlannedTag(tag, "copy", NAME, rank) for rank, tag in enumerate(tags[:-1])),
                 PlannedTag(tags[-1], "skip", NAME, 9, error=NAME, error_kind=NAME)],
        walk=Walk(now, now, "rules"),
        look=Look(6, True),
    )  # fmt: skip
    jobs: list[Job] = [job for _ in range(4) if (job := await record.queue.claim())]
    await record.queue.succeed(
        jobs[0], started_at=now, target_digest=made_up_digest("t"), identical=False, bytes_moved=1, bytes_reused=1,
        degraded=NAME,
    )  # fmt: skip
    verdicts: list[Verdict] = ["verified", "refused"]
    for job, verdict in zip(jobs, verdicts, strict=False):
        signers = (Signer(NAME, NAME, "cosign", now),) if verdict == "verified" else ()
        await record.signatures.record(job.id, Finding(verdict, job.digest, signers, NAME))
    later = now + timedelta(hours=1)
    await record.queue.fail(jobs[1], started_at=now, kind=NAME, error=NAME, retry_at=None, registry=NAME)
    await record.queue.fail(jobs[2], started_at=now, kind="denied", error=NAME, retry_at=later, registry=NAME)
    await record.ledger.note_lookup_failure(item, NAME, now=now, kind="unreachable", registry=NAME)
    await record.queue.pause("127.0.0.1:9", until=later, error=NAME)
    await record.manual_pauses.pause("item", TARGET, intent=Intent(NAME, "pause", NAME, NAME))
    await record.actions.note(Intent(NAME, "resume", NAME, NAME), number=1)
    facts = {"item": NAME, "names": [NAME], "error": NAME}
    notice = Notice(NAME, "incomplete", TARGET, NAME, now, facts, now)
    await record.notices.record(
        [notice], forgotten=(), telling=[Delivery("hash", NAME, NAME, "incomplete", "began", now, facts, now)]
    )
    claimed = await record.notices.claim("hash", lease=timedelta(minutes=1))
    assert claimed is not None
    await record.notices.failed(claimed, NAME, retry_at=None)
    running = {
        "key": NAME, "item": NAME, "target": TARGET, "tag": NAME, "attempt": 1, "doing": NAME,
        "fraction": 0.5, "moved": 1, "rate": 1.0, "seconds": 1.0, "left": 1.0,
    }  # fmt: skip
    await record.services.heartbeat(f"{NAME}@{NAME}", "run", details={"jobs": [running], "limits": [{"host": NAME}]})
    cycle = await record.cycles.begin(NAME, items=1, now=now)
    await record.cycles.end(cycle, outcome="failed", now=now, items_failed=1, enqueued=1, error=NAME)
    await record.samples.take(now)
    app.events.emit(JobStarted(JobInfo(NAME, NAME, item.source, TARGET, NAME, 1)))
    app.events.emit(LookStarted(NAME, item.source, TARGET))
