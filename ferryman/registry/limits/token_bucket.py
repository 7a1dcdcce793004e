"""So many units a second, evenly: bytes, or requests."""

from collections.abc import Callable
from datetime import datetime

from ferryman.clock import Clock

BURST = 0.1  # seconds' worth that an idle moment leaves to be made up for at once
_LOOK_AGAIN = 1.0  # seconds after which who waits asks for the rate anew: it changes with the time of day
_SHORTEST = 0.001  # seconds; no loop sleeps more exactly


class TokenBucket:
    """Lets through what `rate` (units a second, by the time; None: all) allows, in the order of asking.

    In any stretch of time that is the rate times its length, and at most one bucket more: BURST seconds' worth, or
    `least`, or the largest single piece.
    """

    def __init__(self, rate: Callable[[datetime], float | None], *, clock: Clock, least: float = 0) -> None:
        self._rate = rate
        self._clock = clock
        self._least = least
        self._asked = 0.0  # units, ever
        self._allowed = 0.0  # units, ever: up to here everybody may pass
        self._last: tuple[datetime, float] | None = None  # when the bucket was filled up last, and the rate then

    async def take(self, count: float) -> None:
        """Wait until `count` more may pass. Does not suspend where they may at once.

        Who is cancelled while waiting leaves a gap behind: what was asked for is counted.
        """
        rate = self._fill()
        self._asked += count
        place = self._asked
        while rate is not None and (missing := place - self._allowed) > 0:
            await self._clock.sleep(max(_SHORTEST, min(missing / rate, _LOOK_AGAIN)))
            rate = self._fill()

    def _fill(self) -> float | None:
        """Allow what the time since the last call is worth; the rate that is in force now."""
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
            passed = max(0.0, (now - filled_at).total_seconds())  # a clock may be set back
            # When in between the rate changed nobody knows: the lower one never gives too much.
            self._allowed = min(full, self._allowed + passed * min(rate, before))
        self._last = now, rate
        return rate
