"""Adaptive concurrency limit: how many requests one host gets at once, by its own answers and their latency.

As TCP's congestion window: a limit that is used grows by one with each success (slow start). The first 429 or 503
halves it and ends that; from then on, a round of successes adds one (AIMD). It does not grow while latency shows a
queue on the way or at the host (`latency.py`): more requests would only wait there.
"""

import asyncio
import contextlib
from collections import deque
from http import HTTPStatus
from typing import Self

from ferryman.registry.limits.latency import Latency

THROTTLED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})  # 429, 503: halve the limit
START = 8  # slots of a host that nothing is known of; latency alone allows no fewer
_QUEUED = 16  # requests in a queue at which the limit stops growing
_TOO_MANY_QUEUED = 24  # at which it shrinks


class ConcurrencyLimit:
    """A semaphore of adaptive size, first come, first served: at least one slot, at most `ceiling`."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._allowed = float(min(START, ceiling))
        self._slow_start = True
        self._latency = Latency()
        self.round = 0  # counts the decreases
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many slots there are now."""
        return max(1, int(min(self._allowed, self.ceiling)))

    @property
    def in_use(self) -> int:
        """How many slots are held."""
        return self._in_use

    @property
    def has_room(self) -> bool:
        """Whether nobody waits for a slot."""
        return not self._waiting

    def observe_latency(self, method: str, seconds: float) -> None:
        """Note how long a small request took."""
        self._latency.observe(method, seconds)

    def restart(self) -> None:
        """Grow from the start again: what was learned before a pause may be wrong after it."""
        self._allowed = min(self._allowed, float(START))

    def acquire(self) -> "ConcurrencySlot":
        """A slot, which is waited for when the context is entered. The holder reports success or throttling to it."""
        return ConcurrencySlot(self)

    def without_slot(self) -> "ConcurrencySlot":
        """For a request within a slot that its caller holds: acquires none, but adjusts the limit."""
        return ConcurrencySlot(self, counts=False)

    def decrease(self, of_round: int) -> None:
        """Halve the limit. Requests from before the last decrease do not count: they only confirm it."""
        if of_round == self.round:
            self._allowed = max(1.0, self.limit / 2)
            self._slow_start = False
            self.round += 1

    def increase(self, of_round: int) -> None:
        """A success: a step up, if the limit is used and latency stays.

        In slow start a step is one slot; afterwards, as many successes as there are slots add one slot.
        """
        if of_round != self.round:
            return
        step = 1.0 if self._slow_start else 1 / self._allowed
        queued = self._latency.queued(self._allowed)
        if self._allowed >= START and queued > _QUEUED:
            step = max(START - self._allowed, -1 / self._allowed) if queued > _TOO_MANY_QUEUED else 0.0
        elif self._allowed >= START and self._in_use < self._allowed / 2:
            step = 0.0  # nothing shows that the host bears more than what is used
        self._allowed = min(float(self.ceiling), self._allowed + step)

    async def take(self) -> None:
        """Wait for a slot. Its holder gives it back by `release`: see `acquire`."""
        if not self._waiting and self._in_use < self.limit:
            self._in_use += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # `release` removed it already
                    self._waiting.remove(turn)
            else:  # it got the slot in the same moment: give it back
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back."""
        self._in_use -= 1
        while self._waiting and self._in_use < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._in_use += 1


class ConcurrencySlot:
    """A slot that is held within this context, and through which its holder reports how the host answered.

    A class, because every request enters one: as a generator (`asynccontextmanager`) it takes several times as long.
    """

    def __init__(self, limit: ConcurrencyLimit, *, counts: bool = True) -> None:
        """`counts` False: the caller holds a slot already."""
        self._limit = limit
        self._counts = counts
        self._round = limit.round

    async def __aenter__(self) -> Self:
        if self._counts:
            await self._limit.take()
        self._round = self._limit.round
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._counts:
            self._limit.release()

    def took(self, method: str, seconds: float) -> None:
        """A small request took so long."""
        self._limit.observe_latency(method, seconds)

    def succeeded(self) -> None:
        """The host answered normally."""
        self._limit.increase(self._round)

    def throttled(self) -> None:
        """The host answered 429 or 503: too many requests."""
        self._limit.decrease(self._round)
