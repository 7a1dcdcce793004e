"""What moves now in a process."""

from dataclasses import replace

from ferryman.events import CycleEnded, ItemLooked, JobProgressed, JobStarted, LookStarted
from ferryman.views.running_jobs import RunningJobs, RunningLook
from tests.views.support import JOB, end


def test_a_running_job_has_its_bytes_its_rate_and_what_is_left() -> None:
    seconds = 100.0
    jobs = RunningJobs(clock=lambda: seconds)
    jobs.observe(JobStarted(JOB))
    [begun] = jobs.now()
    assert (begun.tag, begun.doing, begun.fraction, begun.moved, begun.rate, begun.left) == (JOB.tag, "", 0, 0, 0, None)
    seconds = 104.0
    jobs.observe(JobProgressed(JOB, "copy:a", 200, 800))
    [moving] = jobs.now()
    assert (moving.doing, moving.fraction, moving.moved, moving.rate) == ("copy", 0.25, 200, 50)
    assert (moving.seconds, moving.left) == (4, 12)
    assert jobs.details()["jobs"][0]["tag"] == JOB.tag


def test_what_has_ended_is_gone_whatever_is_reported_late() -> None:
    jobs = RunningJobs(clock=lambda: 0.0)
    other = replace(JOB, key="another")
    for job in (JOB, other):
        jobs.observe(JobStarted(job))
    jobs.observe(end(JOB, "synced"))
    jobs.observe(JobProgressed(JOB, "copy:a", 1, 2))
    assert [each.key for each in jobs.now()] == ["another"]


def test_a_look_is_told_apart_from_a_copy_and_ends_with_its_item_or_its_cycle() -> None:
    seconds = 100.0
    jobs = RunningJobs(clock=lambda: seconds)
    for name in ("etcd", "redis", "nginx"):
        jobs.observe(LookStarted(name, f"quay.io/{name}", f"r/{name}"))
    seconds = 103.0
    jobs.observe(ItemLooked("redis", "quay.io/redis", "r/redis", "failed"))
    jobs.observe(CycleEnded("done", 3))
    assert jobs.now() == []
    assert jobs.looks() == [RunningLook(name, f"quay.io/{name}", f"r/{name}", 3) for name in ("etcd", "nginx")]
    assert [each["item"] for each in jobs.details()["looks"]] == ["etcd", "nginx"]
    jobs.observe(CycleEnded("failed", 3))
    assert jobs.looks() == []
