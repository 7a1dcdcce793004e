"""Why a queued tag does not run yet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.operations.waiting import Wait, wait_of
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
    assert wait_of(tag, NOW, paused=paused) == wait
