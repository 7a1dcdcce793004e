"""Brings metrics into a state in which every one of them has a sample."""

from datetime import UTC, datetime

from ferryman.events import CycleEnded, Event, ItemLooked, JobEnded, JobInfo, RequestDone, RequestRetried, TagPruned
from tests.metrics.conftest import Bench

_JOB = JobInfo("token", "etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", "v3.5.0", 1)
_EVENTS: tuple[Event, ...] = (
    RequestDone("quay.io", "GET", 200, 0.2),
    RequestRetried("quay.io"),
    JobEnded(_JOB, "synced", seconds=7, bytes_moved=2000, bytes_reused=500),
    JobEnded(_JOB, "failed", "no", "denied"),
    JobEnded(_JOB, "again", "wrong password", "login"),
    JobEnded(_JOB, "again", "slow down", "unreachable", retry_at=datetime(2026, 1, 1, tzinfo=UTC)),
    ItemLooked("etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", "failed", error_kind="not-found"),
    CycleEnded("done", 3, seconds=100),
    TagPruned("etcd", "registry.example.com/mirror/etcd", "v3.5.0", None, "beyond-limit", None),
)


async def meet_everything(bench: Bench) -> None:
    """Emit events of every kind that is counted, and let a registry tell its quota."""
    bench.copies = 8
    for event in _EVENTS:
        bench.events.emit(event)
    async with bench.limits.copy({"docker.io": 4}), bench.limits.request("docker.io", 4) as permit:
        permit.observe(200, {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"})
