"""Looks that find everything as it was, told by the list alone: no row is read as a record, planned or written.

What a look changes depends on the list, the rules and the item's rows, and on nothing else, unless it asks for single
tags or time is up for something. So after a look that left all rows as they were, one with the same list, rules and
rows would do so, too. They are compared by fingerprints. What a look has to say each time, such as a missing pin, keeps
it from being a quiet one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from ferryman import __version__
from ferryman.clock import Clock
from ferryman.discovery.list_reader import ListReader, ListState
from ferryman.items.model import Item
from ferryman.platforms import Platform
from ferryman.store.item_state import ItemState
from ferryman.store.quiet_looks import QuietLook, QuietLookLog, SettledItem
from ferryman.store.records import Look, Settled


@dataclass(frozen=True, slots=True)
class Candidate:
    """A look that asked for the list only. If it leaves the rows in this state, the next one may be a quiet one."""

    fingerprint: str
    pages: int
    complete: bool
    state: ItemState


class QuietLooks:
    """Recognizes and records them. `is_due`: whether a complete walk is, by the time of the last one."""

    def __init__(
        self, log: QuietLookLog, *, clock: Clock, native: Platform, is_due: Callable[[datetime, datetime], bool]
    ) -> None:
        self._log = log
        self._clock = clock
        self._native = native
        self._is_due = is_due

    async def find(self, item: Item, listing: ListReader, *, rules: str) -> Look | None:
        """Record a quiet look; None: it is none. Raises TransferError, StoreError."""
        now = self._clock.now()
        known = await self._log.find(str(item.target))
        if known is None or not self._may_be_quiet(item, known, now):
            return None
        settled, walk = known.settled, known.walk
        found = await listing.read(settled.pages, complete=settled.complete)
        if self._fingerprint(item, rules, found, known.state) != settled.fingerprint:
            return None
        look = Look(tags=known.state.listed, complete=settled.complete)
        completed_at = now if self._is_due(walk.completed_at, now) else walk.completed_at
        await self._log.record(QuietLook(str(item.target), now, completed_at, look))
        return look

    def _may_be_quiet(self, item: Item, known: SettledItem, now: datetime) -> bool:
        """Whether neither copies at the target are to be checked, nor more of the list to be read than the last time.

        A complete walk asks for the referrers of all images.
        """
        if not known.walk.walked_at <= now < known.settled.until:
            return False
        suffices = known.settled.complete and not item.rules.referrers
        return suffices or not self._is_due(known.walk.completed_at, now)

    def candidate(self, item: Item, walked: ListState, state: ItemState, *, rules: str) -> Candidate:
        """A look at rows in this state, with what it has read of the list."""
        return Candidate(self._fingerprint(item, rules, walked, state), walked.pages, walked.complete, state)

    async def settle(self, item: Item, candidate: Candidate, *, walked_at: datetime, until: datetime) -> None:
        """Record that this look has ended, unless it has changed rows. Raises StoreError."""
        settled = Settled(candidate.fingerprint, candidate.pages, candidate.complete, until)
        await self._log.settle(str(item.target), settled, walked_at=walked_at, state=candidate.state)

    def _fingerprint(self, item: Item, rules: str, found: ListState, state: ItemState) -> str:
        """Of all that a look depends on. Another version may plan otherwise."""
        of_item = (
            item.name,
            str(item.source),
            str(item.platforms),
            rules,
            str(self._native),
            repr(item.verify),
            repr((item.rules.min_age, item.rules.pin_min_age)),
            repr((item.rules.on_change, item.rules.versions)),
            __version__,
        )
        return blake2b(repr((of_item, found, state.fingerprint)).encode(), digest_size=16).hexdigest()
