"""When the next cycle is due, also if the machine's clock is set in the meantime."""

from datetime import datetime, timedelta

from ferryman.clock import Clock
from ferryman.settings import Schedule

_SOON = 5  # minutes after a cycle that ended early; doubled for each further one in a row (backoff)
_MOST_DOUBLINGS = 10


class NextCycle:
    """The first time of a schedule after the creation of this object.

    A duration is measured by the monotonic clock. A cron expression is due once, when the machine's clock shows its
    time. If the clock is set back, an earlier time of the expression may come first.
    """

    def __init__(self, schedule: Schedule, *, clock: Clock) -> None:
        self._schedule = schedule
        self._clock = clock
        self._at = schedule.next_after(clock.now())
        self._due = clock.monotonic() + (self._at - clock.now()).total_seconds()

    def left(self) -> float:
        """Seconds until it is due; zero or less: it is due. Call it often, because the clock may be set."""
        if not self._schedule.is_cron:
            return self._due - self._clock.monotonic()
        now = self._clock.now()
        if now < self._at:
            self._at = min(self._at, self._schedule.next_after(now))
        return (self._at - now).total_seconds()

    def at(self) -> datetime:
        """The time at which it is due, by the machine's clock as it is set now."""
        return self._clock.now() + timedelta(seconds=self.left())


def next_cycle(schedule: Schedule, *, clock: Clock, early_ends: int) -> NextCycle:
    """The next cycle: by the schedule, or earlier, with backoff, after `early_ends` failed cycles in a row."""
    regular = NextCycle(schedule, clock=clock)
    if not early_ends:
        return regular
    minutes = _SOON * 2 ** min(early_ends - 1, _MOST_DOUBLINGS)
    return min(regular, NextCycle(Schedule(f"{minutes}m"), clock=clock), key=NextCycle.left)
