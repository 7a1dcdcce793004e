"""Why a queued tag does not run yet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.bandwidth import FULL_SPEED, Bandwidth
from ferryman.operations.waiting import Slowed, Supplies, Wait, wait_of
from ferryman.registry.limits.quota import Quota
from ferryman.store.records import ManualPause, Paused, WaitingTag

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=5), NOW + timedelta(hours=1)
TAG = WaitingTag(
    1, "etcd", "quay.io/coreos/etcd", "r.example.com/etcd", "v1",
    rank=0, run_at=NOW, reason="new", attempts=0, error=None, error_kind=None, error_registry=None, pushed_at=None,
)  # fmt: skip
RETRIED = replace(TAG, run_at=SOON, reason="unreachable", error_registry="quay.io")
EVERYTHING = Paused.of([ManualPause("all", "", NOW, "ada")])
REGISTRY = Paused.of([ManualPause("registry", "quay.io", NOW, "ada")])


@pytest.mark.parametrize(
    ("tag", "paused", "wait"),
    [
        (TAG, Paused(), Wait("due", NOW)),
        (RETRIED, Paused(), Wait("retry", SOON, "quay.io")),
        (replace(RETRIED, run_at=LATER, reason="paused"), Paused(), Wait("limited", LATER, "quay.io")),
        (replace(RETRIED, reason="rate-limited"), Paused(), Wait("limited", SOON, "quay.io")),
        (replace(TAG, run_at=None, error_registry="r.example.com"), Paused(), Wait("login", registry="r.example.com")),
        (TAG, EVERYTHING, Wait("paused", actor="ada")),
        (replace(TAG, run_at=None), REGISTRY, Wait("paused", registry="quay.io", actor="ada")),
    ],
)
def test_what_a_tag_waits_for(tag: WaitingTag, paused: Paused, wait: Wait) -> None:
    assert wait_of(tag, NOW, paused=paused, supplies=Supplies()) == wait


def test_what_is_due_waits_for_pulls_once_none_are_left() -> None:
    window = timedelta(hours=6)
    some, none = (Quota(100, left, window, seen_at=NOW, since=NOW) for left in (90, 1))
    again = NOW + window / 50

    assert wait_of(TAG, NOW, paused=Paused(), supplies=Supplies({"quay.io": some})) == Wait("due", NOW)
    assert wait_of(TAG, NOW, paused=Paused(), supplies=Supplies({"quay.io": none})) == Wait("quota", again, "quay.io")
    assert wait_of(TAG, NOW, paused=Paused(), supplies=Supplies({"docker.io": none})).kind == "due"
    assert wait_of(RETRIED, NOW, paused=Paused(), supplies=Supplies({"quay.io": none})).kind == "retry"


def test_what_is_due_is_slowed_by_the_narrowest_limit_that_is_in_force() -> None:
    day = Bandwidth.parse({"08:00-20:00": "5MB/s", "else": "unlimited"})
    supplies = Supplies(bandwidth=Bandwidth(10e6), bandwidths={"quay.io": day, "r.example.com": FULL_SPEED})
    noon = NOW.astimezone().replace(hour=12)
    evening = noon.replace(hour=20)

    def slowed(moment: datetime, tag: WaitingTag = TAG) -> Slowed | None:
        due = replace(tag, run_at=moment if tag.run_at else None)
        return wait_of(due, moment, paused=Paused(), supplies=supplies).slowed

    assert slowed(noon) == Slowed(5e6, "quay.io", evening)
    assert slowed(evening) == Slowed(10e6, None, None)
    assert slowed(NOW, replace(TAG, run_at=None)) is None
    assert wait_of(TAG, NOW, paused=Paused(), supplies=Supplies()).slowed is None
