"""Which leases have lapsed: told without comparing two clocks, or one before and after it was set."""

from collections.abc import Mapping
from datetime import datetime, timedelta

_LONGEST = timedelta(minutes=10)  # that a lease may still run which says that it ends later; or our own, if longer


class LapsedLeases:
    """Watches leases. Each renewal writes another end; one that is not renewed until then has lapsed.

    The end is a moment of its owner's clock, which may be wrong, as ours may be. So the time that is left is measured
    from when this process first saw that end, by its monotonic clock: at least `lease`, for the owner may just have
    renewed it, and never for long.
    """

    def __init__(self, *, lease: timedelta) -> None:
        self._lease = lease
        self._seen: dict[str, tuple[datetime, float]] = {}  # token: its end as written, and when we call it lapsed

    def among(self, ends: Mapping[str, datetime], *, now: datetime, monotonic: float) -> set[str]:
        """The tokens of those that have lapsed. `ends`: all leases that there are, by token."""
        seen: dict[str, tuple[datetime, float]] = {}
        for token, end in ends.items():
            before = self._seen.get(token)
            seen[token] = before if before and before[0] == end else (end, monotonic + self._left(end - now))
        self._seen = seen
        return {token for token, (_, lapses_at) in seen.items() if lapses_at <= monotonic}

    def _left(self, told: timedelta) -> float:
        return max(self._lease, min(told, max(_LONGEST, self._lease))).total_seconds()
