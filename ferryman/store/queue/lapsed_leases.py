"""Tell which leases have expired, without comparing two clocks, or one clock before and after it was set."""

from collections.abc import Mapping
from datetime import datetime, timedelta

_LONGEST = timedelta(minutes=10)  # at most this long a lease is believed; or our own length, if that is longer


class LapsedLeases:
    """Watches leases. Every renewal writes a new end; a lease that is not renewed until its end has lapsed.

    The end is a time of the owner's clock, which may be wrong, and so may ours. So the remaining time is measured by
    this process's monotonic clock, from when it first saw that end. It is at least `lease`, because the owner may just
    have renewed it, and is capped.
    """

    def __init__(self, *, lease: timedelta) -> None:
        self._lease = lease
        self._seen: dict[str, tuple[datetime, float]] = {}  # token: its end as written, and when it lapses (monotonic)

    def among(self, ends: Mapping[str, datetime], *, now: datetime, monotonic: float) -> set[str]:
        """The tokens of the lapsed leases. `ends`: all leases that exist, by token."""
        seen: dict[str, tuple[datetime, float]] = {}
        for token, end in ends.items():
            before = self._seen.get(token)
            seen[token] = before if before and before[0] == end else (end, monotonic + self._remaining(end - now))
        self._seen = seen
        return {token for token, (_, lapses_at) in seen.items() if lapses_at <= monotonic}

    def _remaining(self, claimed: timedelta) -> float:
        return max(self._lease, min(claimed, max(_LONGEST, self._lease))).total_seconds()
