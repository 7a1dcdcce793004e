"""When a failed copy is tried again, if ever: pure, so that the answer can be stored."""

from datetime import datetime, timedelta

from ferryman.errors import TransferError

LONGEST_WAIT = timedelta(minutes=30)
_MOST_DOUBLINGS = 32  # beyond any cap; keeps the arithmetic within a timedelta
_JITTER = 0.5  # a wait grows by up to this share of itself


def next_run(
    error: TransferError, *, attempt: int, now: datetime, max_attempts: int, delay: timedelta, jitter: float
) -> datetime | None:
    """The moment from which to try again after `attempt` (1-based) ended in `error`; None: never.

    The wait starts at `delay` and doubles with every attempt, up to 30 minutes (or `delay`, if that is longer).
    `jitter`, in [0, 1), only lengthens it, and no answer undercuts the error's `retry_at`.
    """
    if not error.temporary or attempt >= max_attempts:
        return None
    seconds = delay.total_seconds() * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
    wait = timedelta(seconds=min(seconds, max(LONGEST_WAIT, delay).total_seconds()))
    due = now + wait * (1 + _JITTER * jitter)
    return max(due, error.retry_at) if error.retry_at else due


def longest_wait(delay: timedelta) -> timedelta:
    """The longest wait that `next_run` gives where the error names no moment itself."""
    return max(LONGEST_WAIT, delay) * (1 + _JITTER)
