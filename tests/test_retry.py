"""Retry with backoff: the policy for every error class, delay and jitter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.errors import (
    Denied,
    DiskFull,
    EngineUnavailable,
    LoginRefused,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.retry import LONGEST_WAIT, next_run

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TEMPORARY = [Unreachable, RateLimited, EngineUnavailable, DiskFull, WrongContent]
PERMANENT = [LoginRefused, Denied, NotFound, NoSuchPlatform, Unsupported]

attempts = st.integers(1, 10_000)
delays = st.timedeltas(timedelta(seconds=1), timedelta(days=2))
jitters = st.floats(0, 1, exclude_max=True)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by hypothesis' contract


def after(
    error: TransferError, attempt: int, *, delay: timedelta = timedelta(seconds=10), jitter: float = 0.0, most: int = 6
) -> datetime | None:
    return next_run(error, attempt=attempt, now=NOW, max_attempts=most, delay=delay, jitter=jitter)


def test_the_backoff_doubles_from_the_delay_and_ends_with_the_sixth_attempt() -> None:
    runs = [after(Unreachable("cut"), attempt) for attempt in range(1, 7)]
    assert [run and (run - NOW).total_seconds() for run in runs] == [10, 20, 40, 80, 160, None]


@pytest.mark.parametrize("kind", PERMANENT)
def test_a_permanent_error_is_never_retried(kind: type[TransferError]) -> None:
    assert after(kind("no", retry_at=NOW + timedelta(hours=1)), 1) is None


@pytest.mark.parametrize("kind", TEMPORARY)
def test_a_temporary_error_is_retried(kind: type[TransferError]) -> None:
    assert after(kind("not now"), 1) == NOW + timedelta(seconds=10)


def test_retry_after_is_respected_even_at_the_latest_date() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    assert after(RateLimited("go away", retry_at=end), 1, jitter=0.99) == end


@given(attempts, delays, jitters)
def test_the_backoff_is_at_least_the_delay_and_at_most_the_maximum(
    attempt: int, delay: timedelta, jitter: float
) -> None:
    due = after(Unreachable("cut"), attempt, delay=delay, jitter=jitter, most=attempt + 1)
    assert due is not None
    assert delay <= due - NOW <= max(LONGEST_WAIT, delay) * 1.5


@given(attempts, delays, jitters)
def test_jitter_only_lengthens_the_backoff(attempt: int, delay: timedelta, jitter: float) -> None:
    plain = after(Unreachable("cut"), attempt, delay=delay, most=attempt + 1)
    jittered = after(Unreachable("cut"), attempt, delay=delay, jitter=jitter, most=attempt + 1)
    assert plain is not None
    assert jittered is not None
    assert jittered >= plain


@given(attempts, delays, jitters, moments)
def test_no_retry_before_the_moment_that_the_server_named(
    attempt: int, delay: timedelta, jitter: float, retry_at: datetime
) -> None:
    due = after(RateLimited("slower", retry_at=retry_at), attempt, delay=delay, jitter=jitter, most=attempt + 1)
    assert due is not None
    assert due >= retry_at
    assert due >= NOW + delay


@given(st.integers(1, 20), st.integers(1, 20))
def test_there_are_never_more_attempts_than_allowed(attempt: int, most: int) -> None:
    assert (after(Unreachable("cut"), attempt, most=most) is None) == (attempt >= most)
