"""When the next cycle is due, also if the clock is set."""

from datetime import UTC, datetime, timedelta

import pytest

from ferryman.settings import Schedule
from ferryman.timetable import NextCycle, next_cycle
from tests.support.clock import ManualClock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = 3600.0


@pytest.mark.parametrize("hours", [-2000, -8, -1, 1, 8, 2000])
def test_a_duration_lasts_as_long_as_it_says(hours: int) -> None:
    clock = ManualClock(NOON)
    due = NextCycle(Schedule("6h"), clock=clock)
    clock.advance(HOUR)
    clock.set_by(hours * HOUR)
    assert due.left() == 5 * HOUR
    assert due.at() == clock.now() + timedelta(hours=5)
    clock.advance(5 * HOUR)
    assert due.left() == 0


def test_a_cron_expression_means_the_machines_clock() -> None:
    clock = ManualClock(NOON)
    due = NextCycle(Schedule("0 18 * * *"), clock=clock)
    assert due.left() == 6 * HOUR
    clock.set_by(2 * HOUR)
    assert due.left() == 4 * HOUR
    clock.set_by(10 * HOUR)  # past it: once, and at once
    assert due.left() <= 0
    assert NextCycle(Schedule("0 18 * * *"), clock=clock).left() == 18 * HOUR


def test_a_clock_that_was_set_back_does_not_put_a_cron_expression_off_for_days() -> None:
    clock = ManualClock(NOON)
    due = NextCycle(Schedule("0 18 * * *"), clock=clock)
    clock.set_by(-72 * HOUR)
    assert due.left() == 6 * HOUR
    assert due.at() == clock.now() + timedelta(hours=6)


def test_an_overdue_cycle_is_shown_in_the_past() -> None:
    clock = ManualClock(NOON)
    due = NextCycle(Schedule("1h"), clock=clock)
    clock.advance(3 * HOUR)
    assert due.at() == NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("interval", "early_ends", "minutes"),
    [
        ("6h", 0, 360), ("6h", 1, 5), ("6h", 2, 10), ("6h", 4, 40), ("6h", 99, 360),
        ("1m", 1, 1), ("0 */6 * * *", 1, 5), ("3 12 * * *", 1, 3),
    ],
)  # fmt: skip
def test_a_cycle_that_ended_early_is_soon_tried_again(interval: str, early_ends: int, minutes: int) -> None:
    due = next_cycle(Schedule(interval), clock=ManualClock(NOON), early_ends=early_ends)
    assert due.left() == minutes * 60
