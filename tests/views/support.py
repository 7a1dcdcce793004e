"""Events and remaining work, for the tests of views."""

from ferryman.events import CycleStarted, ItemLooked, JobEnded, JobInfo, JobOutcome, Observer
from ferryman.store.records import Outstanding

JOB = JobInfo(
    key="token", item="etcd", source="quay.io/coreos/etcd", target="registry.example.com/mirror/etcd", tag="v3.5.0",
    attempt=1,
)  # fmt: skip
NOTHING_LEFT = Outstanding(due=0, waiting=0, held=0, running=0, next_at=None)


def looking(observe: Observer, done: int, items: int) -> None:
    """A cycle in which so many of all items were looked at."""
    observe(CycleStarted(items))
    for number in range(done):
        name = f"item-{number}"
        observe(ItemLooked(name, f"quay.io/team/{name}", f"registry.example.com/mirror/{name}", "looked"))


def end(job: JobInfo, outcome: JobOutcome, moved: int | None = None) -> JobEnded:
    """The job's end, with the bytes that a copy moved."""
    return JobEnded(job, outcome, bytes_moved=moved)
