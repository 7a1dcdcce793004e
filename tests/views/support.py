"""Records, events and remaining work, for the tests of views."""

from datetime import timedelta

from ferryman.discovery.survey import Survey
from ferryman.events import CycleStarted, ItemLooked, JobEnded, JobInfo, JobOutcome, Observer
from ferryman.items.model import Item
from ferryman.planner import Decision
from ferryman.reference import Repository
from ferryman.scheduler import ItemLookup
from ferryman.store.records import Attempt, Outstanding, TagRecord, Walk
from tests.support.upstreams import NOON, made_up_digest

JOB = JobInfo(
    key="token", item="etcd", source="quay.io/coreos/etcd", target="registry.example.com/mirror/etcd", tag="v3.5.0",
    attempt=1,
)  # fmt: skip
NOTHING_LEFT = Outstanding(due=0, waiting=0, held=0, running=0, next_at=None)
LONG = (
    "https://registry.example.com: manifest mirror/kube-apiserver:v1.30.1: denied: " + "a long sentence " * 18 + "end"
)
RECORD = TagRecord(
    id=7, item="etcd", source="quay.io/coreos/etcd", target="registry.example.com/mirror/etcd", tag="v3.5.0",
    status="failed", reason="denied", source_digest=made_up_digest("source"), pushed_at=NOON,
    platform_digests={"linux/amd64": made_up_digest("amd64")}, first_seen_at=NOON, last_seen_at=NOON, gone_at=None,
    mirrored_digest=made_up_digest("before"), mirrored_platforms=None, target_digest=made_up_digest("target"),
    identical=False, degraded=None, referrers=None, synced_at=NOON, attempts=6, run_at=None,
    error=LONG, error_kind="denied",
)  # fmt: skip
DECISION = Decision(
    tag="v3.5.0", action="copy", reason="changed", detail=LONG, rank=0, digest=made_up_digest("source"),
    pushed_at=NOON, pinned=True, since=NOON,
)  # fmt: skip
LOOKED = ItemLookup(
    Item("etcd", Repository.parse(RECORD.source), Repository.parse(RECORD.target)),
    Survey(tags=(), seen=frozenset(), gone=frozenset(), complete=True, problems=()),
    [DECISION],
    Walk(NOON, NOON, "rules"),
)
ATTEMPT = Attempt(
    started_at=NOON, finished_at=NOON + timedelta(seconds=90), outcome="failed", digest=made_up_digest("source"),
    bytes_moved=2_500_000, bytes_reused=0, error=LONG, error_kind="denied",
)  # fmt: skip


def looking(observe: Observer, done: int, items: int) -> None:
    """A cycle in which so many of all items were looked at."""
    observe(CycleStarted(items))
    for number in range(done):
        name = f"item-{number}"
        observe(ItemLooked(name, f"quay.io/team/{name}", f"registry.example.com/mirror/{name}", "looked"))


def end(job: JobInfo, outcome: JobOutcome, moved: int | None = None) -> JobEnded:
    """The job's end, with the bytes that a copy moved."""
    return JobEnded(job, outcome, bytes_moved=moved)
