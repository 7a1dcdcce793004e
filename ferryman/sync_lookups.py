"""The lookups of one sync: the first cycle, retries of unreadable tags, and lookups that fill free places."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ferryman.clock import Clock
from ferryman.items.model import UNLIMITED, Configuration, Item
from ferryman.retry import LONGEST_WAIT
from ferryman.scheduler import Cycle, Scheduler
from ferryman.store.ledger import Ledger

_MOST_ROUNDS = 20  # of lookups that fill free places under `limit`; the next sync does the rest


class SyncLookups:
    """Looks up these items. `attempts`, `delay`: as for the retries of copies. `patience`: the longest total wait."""

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
        """Run one cycle, and retry, with backoff, the tags that could not be read because of temporary errors.

        Raises StoreError.
        """
        cycle = await self._scheduler.cycle(self._configuration, self._items)
        for wait in self._waits:
            targets = {each.target for each in cycle.unread if each.temporary}
            items = [item for item in self._items if str(item.target) in targets]
            if not items:
                break
            await self._clock.sleep(wait.total_seconds())
            again = await self._scheduler.cycle(self._configuration, items, again=True, only_unread=True)
            cycle = cycle.followed_by(again, items)
        return cycle

    async def items_below_limit(self) -> list[Item]:
        """The items with free places under `limit`, because a copy found a tag without any of the wanted platforms."""
        limited = [item for item in self._items if item.rules.limit < UNLIMITED]
        if not limited or self._rounds == _MOST_ROUNDS:
            return []
        self._rounds += 1
        found = await self._ledger.targets_lacking_platforms(
            [str(item.target) for item in limited], since=self._began_at
        )
        return [item for item in limited if str(item.target) in found]

    async def again(self, items: Sequence[Item], cycle: Cycle) -> Cycle:
        """Look up these items again. Returns the result merged with that of `cycle`. Raises StoreError."""
        return cycle.followed_by(await self._scheduler.cycle(self._configuration, items, again=True), items)


def _waits(*, attempts: int, delay: timedelta, patience: timedelta) -> Iterator[timedelta]:
    """The backoff, as between the attempts at a copy: doubled each time, half an hour at most; `patience` in total."""
    wait, left = delay, patience
    for _ in range(attempts - 1):
        if wait > left:
            return
        yield wait
        wait, left = min(wait * 2, max(LONGEST_WAIT, delay)), left - wait
