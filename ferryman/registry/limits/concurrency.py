"""Adaptive concurrency limit: how many requests one host gets at once, by its own answers (429, 503).

Additive increase, multiplicative decrease (AIMD), as in TCP: a 429 or 503 halves the limit, a round of successes adds
one.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ConcurrencyLimit:
    """A semaphore of adaptive size, first come, first served: at least one slot, at most `ceiling`."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._allowed = float(ceiling)
        self._round = 0  # counts the decreases
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many slots there are now."""
        return max(1, int(min(self._allowed, self.ceiling)))

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["ConcurrencySlot"]:
        """Wait for a slot. The holder reports success or throttling to it."""
        await self._acquire()
        try:
            yield ConcurrencySlot(self, self._round)
        finally:
            self._release()

    @asynccontextmanager
    async def without_slot(self) -> AsyncIterator["ConcurrencySlot"]:
        """For a request within a slot that its caller holds: acquires none, but adjusts the limit."""
        yield ConcurrencySlot(self, self._round)

    def decrease(self, of_round: int) -> None:
        """Halve the limit. Requests from before the last decrease do not count: they only confirm it."""
        if of_round == self._round:
            self._allowed = max(1.0, self.limit / 2)
            self._round += 1

    def increase(self, of_round: int) -> None:
        """A step up: as many successes as there are slots add one slot."""
        if of_round == self._round:
            self._allowed = min(float(self.ceiling), self._allowed + 1 / self._allowed)

    async def _acquire(self) -> None:
        if not self._waiting and self._in_use < self.limit:
            self._in_use += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # `_release` removed it already
                    self._waiting.remove(turn)
            else:  # it got the slot in the same moment: give it back
                self._release()
            raise

    def _release(self) -> None:
        self._in_use -= 1
        while self._waiting and self._in_use < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._in_use += 1


class ConcurrencySlot:
    """A slot, through which its holder reports how the host answered."""

    def __init__(self, limit: ConcurrencyLimit, of_round: int) -> None:
        self._limit = limit
        self._round = of_round

    def succeeded(self) -> None:
        """The host answered normally."""
        self._limit.increase(self._round)

    def throttled(self) -> None:
        """The host answered 429 or 503: too many requests."""
        self._limit.decrease(self._round)
