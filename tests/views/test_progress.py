"""The progress of one tag, and the totals of a sync."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.events import JobProgressed, JobStarted
from ferryman.store.records import Outstanding
from ferryman.views.progress import SyncProgress, TagProgress
from tests.views.support import JOB, NOTHING_LEFT, end


def fractions(*told: tuple[str, int, int | None]) -> list[float]:
    tag = TagProgress("etcd:v3.5.0")
    found = []
    for part, done, total in told:
        tag.update(part, done, total)
        found.append(round(tag.fraction, 3))
    return found


def test_a_direct_copy_is_measured_by_all_its_blobs() -> None:
    assert fractions(
        ("copy:a", 0, 300), ("copy:b", 0, 100), ("copy:a", 150, 300), ("reuse:b", 100, 100), ("copy:a", 300, 300)
    ) == [0, 0, 0.375, 0.625, 1]  # fmt: skip


def test_a_pull_is_the_first_half_and_its_push_the_second() -> None:
    assert fractions(
        ("pull:a", 0, None), ("pull:a", 50, 100), ("pull:a", 100, 100), ("push:a", 0, None), ("push:a", 150, 300),
        ("push:a", 300, 300),
    ) == [0, 0.25, 0.5, 0.5, 0.75, 1]  # fmt: skip


def test_layers_of_unknown_size_count_like_the_others() -> None:
    listed: list[tuple[str, int, int | None]] = [(f"pull:{name}", 0, None) for name in "abcd"]
    assert fractions(*listed, ("pull:a", 100, 100))[-1] == 0.125
    assert fractions(*listed, ("pull:a", 100, 100), ("pull:b", 0, 0), ("pull:c", 0, 0))[-1] == 0.25


def test_reused_layers_are_no_progress_until_the_rest_is_known() -> None:
    assert fractions(("pull:base", 0, 0), ("pull:top", 0, None), ("pull:top", 10, 10)) == [0, 0, 0.5]


def test_several_images_share_the_bar() -> None:
    assert fractions(
        ("1/2 pull:a", 10, 10), ("1/2 push:a", 10, 10), ("2/2 pull:a", 10, 10), ("2/2 push:a", 10, 10)
    ) == [0.25, 0.5, 0.75, 1]


def test_a_retried_part_does_not_decrease_the_progress() -> None:
    assert fractions(("copy:a", 80, 100), ("copy:a", 0, 100), ("copy:a", 90, 100)) == [0.8, 0.8, 0.9]


def test_bytes_are_those_that_went_over_a_network() -> None:
    tag = TagProgress("etcd:v3.5.0")
    for part in ("copy:a", "reuse:b", "1/2 pull:c", "1/2 push:c", "2/2 pull:c"):
        tag.update(part, 0, 10)
        tag.update(part, 10, 10)
    assert (tag.moved, tag.doing) == (40, "pull")


@pytest.mark.parametrize("part", ["", ":", "a", "0/0 pull:a", "9/1 push:a", "999999999/1 pull:a", "x\n:y"])
def test_an_unknown_form_of_a_parts_name_is_accepted(part: str) -> None:
    assert 0 <= fractions((part, 5, 10))[0] <= 1


amounts = st.one_of(st.integers(-1, 3), st.integers(0, 2**62))
parts = st.sampled_from(["pull:a", "pull:b", "push:a", "2/3 pull:a", "copy:a", "reuse:a"])


@given(st.lists(st.tuples(parts, amounts, st.one_of(st.none(), amounts)), max_size=8))
def test_a_fraction_never_falls(told: list[tuple[str, int, int | None]]) -> None:
    found = fractions(*told)
    assert found == sorted(found)
    assert all(0 <= each <= 1 for each in found)


def test_the_tags_of_a_sync_are_counted_right_between_two_looks_at_the_queue() -> None:
    progress = SyncProgress()
    progress.queue(Outstanding(due=4, waiting=1, held=9, running=0, next_at=None))
    jobs = [replace(JOB, key=str(number)) for number in range(3)]
    for job in jobs:
        progress.observe(JobStarted(job))
    assert (progress.done, progress.tags, progress.queued) == (0, 5, 1)
    progress.observe(end(jobs[0], "synced", 1500))
    progress.observe(end(jobs[1], "failed"))
    assert (progress.done, progress.tags, progress.queued, progress.moved) == (2, 5, 1, 1500)
    progress.queue(Outstanding(due=2, waiting=1, held=9, running=1, next_at=None))  # one is new
    assert (progress.done, progress.tags, progress.queued) == (2, 6, 2)


def test_a_job_that_starts_before_the_first_look_at_the_queue_counts() -> None:
    progress = SyncProgress()
    progress.observe(JobStarted(JOB))
    assert (progress.done, progress.tags, progress.queued) == (0, 1, 0)


def test_a_rate_is_that_of_the_last_seconds() -> None:
    progress = SyncProgress()
    progress.queue(NOTHING_LEFT)
    progress.observe(JobStarted(JOB))
    assert progress.rate(100) == 0
    for second in range(1, 30):
        progress.observe(JobProgressed(JOB, "copy:a", second * 1000, 100_000))
        assert progress.rate(100 + second) == 1000
    for second in range(30, 45):
        rate = progress.rate(100 + second)
    assert rate == 0
    progress.observe(end(JOB, "again"))
    assert (progress.moved, progress.rate(200)) == (29_000, 0)
