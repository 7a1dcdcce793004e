"""When the next cycle is due, however the machine's clock is set meanwhile."""

from datetime import datetime, timedelta

from ferryman.clock import Clock
from ferryman.settings import Schedule

_SOON = 5  # minutes after a cycle that ended early; each further one in a row doubles them
_MOST_DOUBLINGS = 10


class NextCycle:
    """The next moment of a schedule, as seen from when this is made.

    A duration is measured by the monotonic clock. A cron expression means the machine's clock: it is due when that
    shows its moment, once; and a clock that was set back shows an earlier one of its moments first.
    """

    def __init__(self, schedule: Schedule, *, clock: Clock) -> None:
        self._schedule = schedule
        self._clock = clock
        self._at = schedule.next_after(clock.now())
        self._due = clock.monotonic() + (self._at - clock.now()).total_seconds()

    def left(self) -> float:
        """Seconds until it is due; zero or less: it is. Ask again soon: the clock may be set."""
        if not self._schedule.is_cron:
            return self._due - self._clock.monotonic()
        now = self._clock.now()
        if now < self._at:
            self._at = min(self._at, self._schedule.next_after(now))
        return (self._at - now).total_seconds()

    def at(self) -> datetime:
        """The moment, by the machine's clock as it is set now."""
        return self._clock.now() + timedelta(seconds=self.left())


def next_cycle(schedule: Schedule, *, clock: Clock, early_ends: int) -> NextCycle:
    """The next cycle by the schedule, or soon, after `early_ends` cycles in a row that the database cut short."""
    regular = NextCycle(schedule, clock=clock)
    if not early_ends:
        return regular
    minutes = _SOON * 2 ** min(early_ends - 1, _MOST_DOUBLINGS)
    return min(regular, NextCycle(Schedule(f"{minutes}m"), clock=clock), key=NextCycle.left)
