"""What is counted of each event."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ferryman.events import CycleEnded, Event, ItemLooked, JobEnded, JobInfo, RequestDone, RequestRetried, TagPruned
from ferryman.items.model import Configuration, PruneRules
from ferryman.metrics.labels import OTHER
from tests.metrics.conftest import ETCD, NGINX, Bench
from tests.test_events import EACH

AT = datetime(2026, 1, 1, tzinfo=UTC)
JOB = JobInfo("token", "etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", "v3.5.0", 1)
PRUNED = TagPruned("etcd", "registry.example.com/mirror/etcd", "v3.5.0", None, "beyond-limit", None)
LOOKED = ItemLooked("etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", "looked", seconds=0.4)


@pytest.mark.parametrize(
    ("event", "outcome", "cause"),
    [
        (JobEnded(JOB, "synced"), "synced", "none"),
        (JobEnded(JOB, "failed", "no", "denied"), "failed", "denied"),
        (JobEnded(JOB, "failed", "no", "defect"), "failed", "defect"),
        (JobEnded(JOB, "skipped", "no", "platform"), "skipped", "platform"),
        (JobEnded(JOB, "again", "no", "unreachable", retry_at=AT), "retry", "unreachable"),
        (JobEnded(JOB, "again", "no", "rate-limited"), "deferred", "rate-limited"),
        (JobEnded(JOB, "stopped"), "stopped", "none"),
        (JobEnded(JOB, "stopped", "no", "lease-lost"), "stopped", "lease-lost"),
    ],
)
async def test_an_attempt_counts_by_its_outcome_and_cause(
    bench: Bench, event: JobEnded, outcome: str, cause: str
) -> None:
    bench.events.emit(event)
    samples = await bench.samples()
    assert samples("ferryman_attempts_total", outcome=outcome, cause=cause) == 1
    counted = [value for (name, _), value in samples.values.items() if name == "ferryman_attempts_total"]
    assert sum(counted) == 1


async def test_bytes_and_the_duration_of_a_copy(bench: Bench) -> None:
    bench.events.emit(JobEnded(JOB, "synced", seconds=7, bytes_moved=2000, bytes_reused=500))
    bench.events.emit(JobEnded(JOB, "synced", seconds=40, bytes_moved=1, bytes_reused=0))
    bench.events.emit(JobEnded(JOB, "stopped"))
    samples = await bench.samples()
    assert samples("ferryman_moved_bytes_total", registry="quay.io") == 2001
    assert samples("ferryman_reused_bytes_total", registry="quay.io") == 500
    assert samples("ferryman_copy_duration_seconds_sum", outcome="synced") == 47
    assert samples("ferryman_copy_duration_seconds_bucket", outcome="synced", le="10.0") == 1
    assert samples("ferryman_copy_duration_seconds_bucket", outcome="synced", le="60.0") == 2


async def test_looks_and_cycles(bench: Bench) -> None:
    for event in (
        LOOKED,
        replace(LOOKED, outcome="failed", error_kind="not-found"),
        replace(LOOKED, outcome="paused", error_kind="login"),
        CycleEnded("done", 3, seconds=100),
        CycleEnded("failed", 3, seconds=2),
    ):
        bench.events.emit(event)
    samples = await bench.samples()
    for outcome in ("looked", "failed", "paused"):
        assert samples("ferryman_look_duration_seconds_count", outcome=outcome) == 1
    assert samples("ferryman_look_duration_seconds_bucket", outcome="looked", le="0.5") == 1
    assert samples.of("ferryman_look_failures_total", "cause") == {"not-found": 1}
    assert samples.of("ferryman_cycle_duration_seconds_count", "outcome") == {"done": 1, "failed": 1, "stopped": 0}


async def test_requests_and_their_retries(bench: Bench) -> None:
    for event in (
        RequestDone("quay.io", "GET", 200, 0.2),
        RequestDone("quay.io", "GET", 200, 0.2),
        RequestDone("quay.io", "HEAD", None, 30),
        RequestRetried("quay.io"),
    ):
        bench.events.emit(event)
    samples = await bench.samples()
    assert samples("ferryman_requests_total", registry="quay.io", method="GET", status="200") == 2
    assert samples("ferryman_requests_total", registry="quay.io", method="HEAD", status="none") == 1
    assert samples("ferryman_request_duration_seconds_bucket", registry="quay.io", le="0.25") == 2
    assert samples("ferryman_request_retries_total", registry="quay.io") == 1


async def test_removed_tags_count_by_item_from_zero(bench: Bench) -> None:
    bench.configuration = Configuration((replace(ETCD, prune=PruneRules()), NGINX), {})
    bench.events.emit(CycleEnded("done", 2))
    assert (await bench.samples()).of("ferryman_pruned_tags_total", "item") == {"etcd": 0}
    for event in (PRUNED, PRUNED, replace(PRUNED, item="nginx"), replace(PRUNED, item="former")):
        bench.events.emit(event)
    counted = (await bench.samples()).of("ferryman_pruned_tags_total", "item")
    assert counted == {"etcd": 2, "nginx": 1, OTHER: 1}


async def test_what_strangers_send_makes_no_series_without_end(bench: Bench) -> None:
    """Hosts, methods, statuses, causes, tags and items that nobody knows."""
    for number in range(1000):
        host = f"{number}.evil.example.com"
        job = JobInfo(f"token{number}", f"item{number}", f"{host}/app", "registry.example.com/app", f"tag{number}", 1)
        for event in (
            RequestDone(host, f"VERB{number}", number, 0.1),
            RequestRetried(host),
            JobEnded(job, "failed", "no", f"kind{number}"),
            JobEnded(job, "synced", bytes_moved=1, bytes_reused=1),
            replace(LOOKED, item=f"item{number}", outcome="failed", error_kind=f"kind{number}"),
            replace(PRUNED, item=f"item{number}"),
        ):
            bench.events.emit(event)
    samples = await bench.samples()
    assert len(samples.values) < 400
    assert samples("ferryman_moved_bytes_total", registry="other") == 1000
    assert samples("ferryman_attempts_total", outcome="failed", cause="other") == 1000


@pytest.mark.parametrize("event", EACH, ids=lambda event: type(event).__name__)
async def test_no_label_holds_a_tag_or_an_error(bench: Bench, event: Event) -> None:
    bench.events.emit(event)
    values = (await bench.samples()).label_values()
    assert not {value for value in values if "v3.5.0" in value or "slow down" in value or "coreos" in value}
