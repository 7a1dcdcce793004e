"""Every look of one sync: the first, and those that follow from what it, or the copies, could not know."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ferryman.clock import Clock
from ferryman.items.model import UNLIMITED, Configuration, Item
from ferryman.retry import LONGEST_WAIT
from ferryman.scheduler import Cycle, Scheduler
from ferryman.store.ledger import Ledger

_MOST_ROUNDS = 20  # in which free places are filled; what is left then is the next sync's


class SyncLookups:
    """The looks at these items. `attempts` and `delay` are those of a copy's retries."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        ledger: Ledger,
        clock: Clock,
        configuration: Configuration,
        items: Sequence[Item],
        attempts: int,
        delay: timedelta,
        patience: timedelta,
    ) -> None:
        self._scheduler = scheduler
        self._ledger = ledger
        self._clock = clock
        self._configuration = configuration
        self._items = items
        self._waits = list(_waits(attempts=attempts, delay=delay, patience=patience))
        self._began_at = clock.now()
        self._rounds = 0

    async def first(self) -> Cycle:
        """One cycle; tags that could not be read for what may pass are read again, later each time.

        Raises StoreError.
        """
        cycle = await self._scheduler.cycle(self._configuration, self._items)
        for wait in self._waits:
            passing = {each.target for each in cycle.unread if each.passing}
            items = [item for item in self._items if str(item.target) in passing]
            if not items:
                break
            await self._clock.sleep(wait.total_seconds())
            again = await self._scheduler.cycle(self._configuration, items, again=True, only_unread=True)
            cycle = cycle.followed_by(again, items)
        return cycle

    async def with_free_places(self) -> list[Item]:
        """The items whose limit has room again: a copy found that a tag has none of the wanted platforms."""
        limited = [item for item in self._items if item.rules.limit < UNLIMITED]
        if not limited or self._rounds == _MOST_ROUNDS:
            return []
        self._rounds += 1
        found = await self._ledger.targets_lacking_platforms(
            [str(item.target) for item in limited], since=self._began_at
        )
        return [item for item in limited if str(item.target) in found]

    async def again(self, items: Sequence[Item], cycle: Cycle) -> Cycle:
        """Look at these once more; what came of it, together with what came before. Raises StoreError."""
        return cycle.followed_by(await self._scheduler.cycle(self._configuration, items, again=True), items)


def _waits(*, attempts: int, delay: timedelta, patience: timedelta) -> Iterator[timedelta]:
    """As between the attempts at a copy: doubling, half an hour at most; `patience` in all."""
    wait, left = delay, patience
    for _ in range(attempts - 1):
        if wait > left:
            return
        yield wait
        wait, left = min(wait * 2, max(LONGEST_WAIT, delay)), left - wait
