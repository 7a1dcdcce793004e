"""Liveness of processes by their heartbeats, and overdue cycles."""

from datetime import UTC, datetime, timedelta

import pytest

from ferryman.liveness import check_liveness
from ferryman.store.services import Service

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def service(
    *,
    beat: timedelta = timedelta(),
    due: timedelta | None = None,
    began: timedelta | None = None,
    role: str = "run",
) -> Service:
    """All times are relative to now."""
    return Service(
        "me", role, NOW - HOUR, NOW + beat,
        next_cycle_at=None if due is None else NOW + due,
        cycle_began_at=None if began is None else NOW + began,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("beat", "lives"),
    [(-59 * SECOND, True), (-61 * SECOND, False), (30 * SECOND, True), (2 * MINUTE, False), (8 * HOUR, False)],
)
def test_only_a_fresh_heartbeat_counts(beat: timedelta, lives: bool) -> None:
    assert bool(check_liveness([service(beat=beat)], now=NOW)) == lives


def test_a_process_known_to_be_dead_is_not_alive() -> None:
    assert check_liveness([service()], now=NOW, dead={"me"}) == []
    assert len(check_liveness([service()], now=NOW, dead={"another"})) == 1


@pytest.mark.parametrize("beat", [-61 * SECOND, -12 * HOUR, 8 * HOUR])
def test_a_process_that_exists_without_a_fresh_heartbeat_hangs(beat: timedelta) -> None:
    silent = service(beat=beat)
    assert check_liveness([silent], now=NOW, existing={"another"}) == []
    [verdict] = check_liveness([silent], now=NOW, existing={"me"})
    assert not verdict.alive
    assert verdict.problem == (
        f"its last heartbeat was at {silent.beat_at:%Y-%m-%d %H:%M} UTC, but its process still exists"
    )


def test_a_process_that_exists_and_sends_heartbeats_is_well() -> None:
    [verdict] = check_liveness([service()], now=NOW, existing={"me"})
    assert (verdict.alive, verdict.problem) == (True, None)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (service(due=HOUR), None),
        (service(due=-4 * MINUTE), None),
        (service(due=-6 * MINUTE), "its next cycle was due at 2026-05-01 11:54 UTC, and has not begun"),
        (service(began=-20 * HOUR), None),
        (service(began=-25 * HOUR), "its cycle has not come to an end since 2026-04-30 11:00 UTC"),
        (service(began=8 * HOUR), None),
        (service(role="worker"), None),
    ],
)
def test_a_cycle_that_does_not_come_is_a_problem(told: Service, problem: str | None) -> None:
    (verdict,) = check_liveness([told], now=NOW)
    assert verdict.problem == problem
