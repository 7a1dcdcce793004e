"""Why a queued tag does not run yet, and when the queue will be empty."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.operations.forecast import Forecast, forecast
from ferryman.operations.waiting import Wait, wait_of
from ferryman.store.queries.waiting import WaitingTag
from ferryman.store.records import ManualPause, Paused, RegistryState
from ferryman.store.samples import Sample

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=5), NOW + timedelta(hours=1)
TAG = WaitingTag(
    1, "etcd", "quay.io/coreos/etcd", "r.example.com/etcd", "v1",
    rank=0, run_at=NOW, reason="new", attempts=0, error=None, error_kind=None, error_registry=None, pushed_at=None,
)  # fmt: skip
RETRIED = replace(TAG, run_at=SOON, reason="unreachable", error_registry="quay.io")
LIMITED = RegistryState("quay.io", LATER, "slow down", NOW)
REFUSED = RegistryState("r.example.com", None, "refused", NOW)
EVERYTHING = Paused.of([ManualPause("all", "", NOW, "ada")])
REGISTRY = Paused.of([ManualPause("registry", "quay.io", NOW, "ada")])


@pytest.mark.parametrize(
    ("tag", "paused", "registries", "wait"),
    [
        (TAG, Paused(), [], Wait("due", NOW)),
        (RETRIED, Paused(), [], Wait("retry", SOON, "quay.io")),
        (replace(RETRIED, run_at=LATER, reason="paused"), Paused(), [LIMITED], Wait("limited", LATER, "quay.io")),
        (RETRIED, Paused(), [LIMITED], Wait("retry", SOON, "quay.io")),
        (replace(RETRIED, reason="rate-limited"), Paused(), [], Wait("limited", SOON, "quay.io")),
        (replace(TAG, run_at=None), Paused(), [REFUSED], Wait("login", registry="r.example.com")),
        (TAG, EVERYTHING, [], Wait("paused", actor="ada")),
        (replace(TAG, run_at=None), REGISTRY, [REFUSED], Wait("paused", registry="quay.io", actor="ada")),
    ],
)
def test_what_a_tag_waits_for(tag: WaitingTag, paused: Paused, registries: list[RegistryState], wait: Wait) -> None:
    assert wait_of(tag, NOW, paused=paused, registries=registries) == wait


def sample(minutes: int, *, copies: int = 0, due: int = 0) -> Sample:
    return Sample(
        NOW - timedelta(minutes=minutes), queued=due, due=due, running=0, failed=0, latency=0.0,
        copies=copies, failures=0, bytes_moved=0, bytes_reused=0,
    )  # fmt: skip


def test_only_time_with_work_counts() -> None:
    rests = [sample(minutes) for minutes in range(20, 300, 5)]
    made = forecast([sample(5, copies=300, due=10), sample(10, due=10), *rests], NOW)
    assert made == Forecast(0.5)
    assert made.when(NOW, 59) == NOW + timedelta(minutes=2)


@pytest.mark.parametrize("samples", [[], [sample(5, copies=2)], [sample(5, due=9)], [sample(600, copies=300)]])
def test_too_little_is_no_forecast(samples: list[Sample]) -> None:
    assert forecast(samples, NOW) is None
