"""Parts of the day, in local time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ferryman.daytime import PartOfDay


@pytest.fixture(autouse=True)
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("22:00-08:00", PartOfDay(22 * 60, 8 * 60)),
        ("1:30 - 24:00", PartOfDay(90, 24 * 60)),
        ("08:00-08:00", None),
        ("24:00-08:00", None),
        ("08:00-24:01", None),
        ("08:60-09:00", None),
        ("9-17", None),
        ("", None),
    ],
)
def test_a_part_of_the_day_is_two_times(text: str, part: PartOfDay | None) -> None:
    assert PartOfDay.parse(text) == part


@pytest.mark.parametrize(
    ("utc", "left"),
    [
        ((13, 59), 0),  # 21:59 in Shanghai
        ((14, 0), 600),
        ((16, 0), 480),  # midnight
        ((23, 59), 1),
        ((0, 0), 0),  # 08:00
    ],
)
def test_it_lasts_over_midnight_in_local_time(utc: tuple[int, int], left: int) -> None:
    assert PartOfDay(22 * 60, 8 * 60).minutes_left(datetime(2026, 1, 1, *utc, tzinfo=UTC)) == left
