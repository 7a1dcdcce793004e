"""All timestamp formats of registries, and implausible values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.discovery.timestamps import from_iso, from_mail, from_milliseconds, from_seconds

WAYS = [from_iso, from_mail, from_seconds, from_milliseconds]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # year, month and day are always there


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-23T09:48:42.07709Z", utc(2026, 3, 23, 9, 48, 42, 77090)),
        ("2026-03-23T09:48:42Z", utc(2026, 3, 23, 9, 48, 42)),
        ("2026-03-23T09:48:42.123456789Z", utc(2026, 3, 23, 9, 48, 42, 123456)),
        ("2026-03-23T17:48:42+08:00", utc(2026, 3, 23, 9, 48, 42)),
        ("2026-03-23T09:48:42", utc(2026, 3, 23, 9, 48, 42)),
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("1979-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-23:00", None),
    ],
)
def test_iso(text: str, moment: datetime | None) -> None:
    assert from_iso(text) == moment


def test_mail() -> None:
    assert from_mail("Tue, 06 Feb 2024 09:39:24 -0000") == utc(2024, 2, 6, 9, 39, 24)
    assert from_mail("Tue, 06 Feb 2024 09:39:24 +0800") == utc(2024, 2, 6, 1, 39, 24)
    assert from_mail("Thu, 01 Jan 1970 00:00:00 -0000") is None


def test_numbers() -> None:
    assert from_seconds(1707212364) == utc(2024, 2, 6, 9, 39, 24)
    assert from_milliseconds("1597767277119") == utc(2020, 8, 18, 16, 14, 37, 119000)
    assert from_milliseconds("0") is None
    assert from_seconds(0) is None
    assert from_seconds(10**30) is None


@pytest.mark.parametrize("nonsense", [None, "", "soon", [], {}, "NaN", float("nan"), float("inf")])
@pytest.mark.parametrize("read", WAYS)
def test_nonsense_is_unknown(read: Any, nonsense: Any) -> None:
    assert read(nonsense) is None


@given(st.text() | st.integers() | st.floats() | st.booleans())
def test_whatever_comes_is_a_time_in_utc_or_unknown(whatever: Any) -> None:
    for read in WAYS:
        moment = read(whatever)
        assert moment is None or (moment.tzinfo is UTC and moment.year >= 1980)
