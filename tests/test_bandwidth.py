"""Parsing bandwidth limits, and the limit at a time of day."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.bandwidth import FULL_SPEED, Bandwidth, Span

NIGHTS = Bandwidth.parse({"01:00-07:00": "unlimited", "22:30-01:00": "20MB/s", "else": "5MB/s"})


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Put the machine elsewhere by TZ; `time.tzset()` makes it known."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield patch
    time.tzset()


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, 1, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("20MB/s", 20_000_000), ("1.5 GB/s", 1_500_000_000), ("800kB/s", 800_000), ("800KB/s", 800_000),
        ("1KiB/s", 1024), ("2MiB/s", 2 * 2**20), ("1GiB/s", 2**30), ("64B/s", 64), ("unlimited", None),
    ],
)  # fmt: skip
def test_a_rate(written: str, rate: float | None) -> None:
    assert Bandwidth.parse(written) == Bandwidth(rate)
    assert Bandwidth.parse(written).is_unlimited == (rate is None)


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        (at(0, 59), 20_000_000), (at(1), None), (at(6, 59), None), (at(7), 5_000_000), (at(22, 29), 5_000_000),
        (at(22, 30), 20_000_000), (at(23, 59), 20_000_000),
    ],
)  # fmt: skip
def test_a_table_by_the_time_of_day(zone: pytest.MonkeyPatch, moment: datetime, rate: float | None) -> None:
    assert NIGHTS.at(moment) == rate


def test_hours_are_local_time(zone: pytest.MonkeyPatch) -> None:
    zone.setenv("TZ", "CST-8")  # POSIX: eight hours east
    time.tzset()
    assert NIGHTS.at(at(17)) is None  # 01:00 there
    assert NIGHTS.at(at(1)) == 5_000_000


def test_outside_of_a_table_without_else_there_is_no_limit(zone: pytest.MonkeyPatch) -> None:
    working = Bandwidth.parse({"9:00-17:00": "1MB/s"})
    assert (working.at(at(12)), working.at(at(17))) == (1_000_000, None)
    assert not working.is_unlimited
    assert FULL_SPEED.is_unlimited


def test_a_span_may_end_at_midnight() -> None:
    assert Bandwidth.parse({"20:00-24:00": "1B/s"}) == Bandwidth.parse({"20:00-00:00": "1B/s"})
    assert Bandwidth.parse({"20:00-24:00": "1B/s"}).spans == (Span(20 * 60, 24 * 60, 1),)


@given(st.text())
def test_any_text_is_parsed_or_refused_with_a_sentence(written: str) -> None:
    for form in (written, {written: "1MB/s"}, {"else": written}):
        try:
            assert isinstance(Bandwidth.parse(form), Bandwidth)
        except ValueError as error:
            assert "expected" in str(error)  # noqa: PT017  (or it is read)


@pytest.mark.parametrize(
    ("written", "hour", "changes"),
    [
        ("5MB/s", 3, None),
        ({"01:00-07:00": "unlimited", "else": "5MB/s"}, 3, 7),
        ({"01:00-07:00": "unlimited", "else": "5MB/s"}, 7, 25),
        ({"01:00-07:00": "5MB/s", "07:00-09:00": "5MB/s"}, 3, 9),
        ({"22:00-06:00": "5MB/s"}, 23, 30),
        ({"00:00-24:00": "5MB/s"}, 23, None),
    ],
)
def test_when_a_limit_changes(
    zone: pytest.MonkeyPatch, written: str | dict[str, str], hour: int, changes: int | None
) -> None:
    expected = None if changes is None else at(0) + timedelta(hours=changes)
    assert Bandwidth.parse(written).changes_at(at(hour, 0)) == expected
