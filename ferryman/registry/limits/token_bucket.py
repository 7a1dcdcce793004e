"""Token bucket: so many units (bytes, requests) a second, evenly."""

from collections.abc import Callable
from datetime import datetime

from ferryman.clock import Clock

BURST = 0.1  # seconds' worth of units that may pass at once after an idle time
_POLL = 1.0  # seconds after which a waiting task reads the rate again: it changes with the time of day
_SHORTEST = 0.001  # seconds; event loops do not sleep more precisely


class TokenBucket:
    """Lets through as many units as `rate` allows (units a second, by time; None: no limit), first come, first served.

    Any stretch of time gets the rate times its length, and at most one bucket more: BURST seconds' worth, or
    `least`, or the largest single acquisition.
    """

    def __init__(self, rate: Callable[[datetime], float | None], *, clock: Clock, least: float = 0) -> None:
        self._rate = rate
        self._clock = clock
        self._least = least
        self._asked = 0.0  # units, ever
        self._allowed = 0.0  # units, ever
        self._last: tuple[datetime, float] | None = None  # when the bucket was last filled, and the rate then

    async def acquire(self, count: float) -> None:
        """Wait until `count` more units may pass. Does not suspend if they may at once.

        A cancelled caller leaves a gap: its units stay counted.
        """
        rate = self._fill()
        self._asked += count
        position = self._asked
        while rate is not None and (missing := position - self._allowed) > 0:
            await self._clock.sleep(max(_SHORTEST, min(missing / rate, _POLL)))
            rate = self._fill()

    def _fill(self) -> float | None:
        """Add the units for the time since the last call; returns the present rate."""
        now = self._clock.now()
        rate = self._rate(now)
        if rate is None:
            self._allowed, self._last = self._asked, None
            return None
        full = self._asked + max(self._least, rate * BURST)
        if self._last is None:
            self._allowed = full
        else:
            filled_at, before = self._last
            passed = max(0.0, (now - filled_at).total_seconds())  # the clock may have been set back
            # The rate may have changed at any moment in between: the lower one never allows too much.
            self._allowed = min(full, self._allowed + passed * min(rate, before))
        self._last = now, rate
        return rate
