"""Retry with exponential backoff and jitter: when a failed copy runs again, if at all.

A pure function, so that the answer can be stored with the job. Retries of single requests are in `registry/sender.py`.
"""

from datetime import datetime, timedelta

from ferryman.errors import TransferError

LONGEST_WAIT = timedelta(minutes=30)
_MOST_DOUBLINGS = 32  # beyond any maximum; keeps the backoff within the range of a timedelta
_JITTER = 0.5  # a wait grows by up to this share of itself


def next_run(
    error: TransferError, *, attempt: int, now: datetime, max_attempts: int, delay: timedelta, jitter: float
) -> datetime | None:
    """When to retry after `attempt` (1-based) ended in `error`; None: never, it is permanent or was the last attempt.

    The backoff starts at `delay` and doubles with each attempt, up to 30 minutes (or `delay`, if that is longer).
    `jitter`, in [0, 1), only lengthens it. The result is never before the error's `retry_at` (`Retry-After`).
    """
    if not error.temporary or attempt >= max_attempts:
        return None
    seconds = delay.total_seconds() * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
    backoff = timedelta(seconds=min(seconds, max(LONGEST_WAIT, delay).total_seconds()))
    due = now + backoff * (1 + _JITTER * jitter)
    return max(due, error.retry_at) if error.retry_at else due


def longest_wait(delay: timedelta) -> timedelta:
    """The longest backoff of `next_run` for an error without `retry_at`."""
    return max(LONGEST_WAIT, delay) * (1 + _JITTER)
