"""How much one host is asked at once: as much as it bears, by its own answers.

Additive increase, multiplicative decrease, as TCP has it: a refusal halves the number, a round of answers adds one.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ConcurrencyLimit:
    """Places that are given in the order of asking: at least one, at most `ceiling`."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._bearable = float(ceiling)
        self._round = 0  # goes on with each decrease
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be taken at once, now."""
        return max(1, int(min(self._bearable, self.ceiling)))

    @asynccontextmanager
    async def take(self) -> AsyncIterator["ConcurrencySlot"]:
        """One place; its holder may tell how it went."""
        await self._acquire()
        try:
            yield ConcurrencySlot(self, self._round)
        finally:
            self._release()

    @asynccontextmanager
    async def stand(self) -> AsyncIterator["ConcurrencySlot"]:
        """For who goes in another's place: none is taken."""
        yield ConcurrencySlot(self, self._round)

    def decrease(self, of_round: int) -> None:
        """Halve the limit. What began before the last decrease says nothing new."""
        if of_round == self._round:
            self._bearable = max(1.0, self.limit / 2)
            self._round += 1

    def increase(self, of_round: int) -> None:
        """A step on the way up: as many steps as there are places make one more."""
        if of_round == self._round:
            self._bearable = min(float(self.ceiling), self._bearable + 1 / self._bearable)

    async def _acquire(self) -> None:
        if not self._waiting and self._taken < self.limit:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # it was passed over already
                    self._waiting.remove(turn)
            else:  # it was this one's turn in that very moment
                self._release()
            raise

    def _release(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._taken += 1


class ConcurrencySlot:
    """One place that is taken, and what its holder learns of the host."""

    def __init__(self, places: ConcurrencyLimit, of_round: int) -> None:
        self._places = places
        self._round = of_round

    def succeeded(self) -> None:
        """The host did what was asked."""
        self._places.increase(self._round)

    def throttled(self) -> None:
        """The host says that it is asked too much."""
        self._places.decrease(self._round)
