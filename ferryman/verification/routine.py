"""Verify a few mirrored tags at every look, so that every tag is verified within the time that items.yml says."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from ferryman import log
from ferryman.clock import Clock
from ferryman.items.model import Item, VerifyRules
from ferryman.registry.client import RegistryClient
from ferryman.store.records import MirroredTag
from ferryman.store.target_checks import TargetChecks
from ferryman.verification.examination import Examination
from ferryman.verification.report import report
from ferryman.verification.verifier import Verified, Verifier

_RESTS = 2 / 3  # of the time between two checks of a tag; they are spread over the rest of it
_ROUND = 1 / 10  # of that rest
_MOST_DAMAGED = 50  # damaged tags that are asked for again at a look
_NEVER = timedelta(days=3650)
_LONGEST = 1800.0  # seconds at one look: the next items wait


@dataclass(frozen=True, slots=True)
class Due:
    """Tags that a look has to verify."""

    tags: Sequence[MirroredTag]
    restored: bool = False  # the database is a restored backup, and knows less than the target


class Routine:
    """Decides which tags a look verifies, and logs what is found. One object for the life of a scheduler."""

    def __init__(self, verifier: Verifier, *, targets: TargetChecks, registry: RegistryClient, clock: Clock) -> None:
        self._verifier = verifier
        self._targets = targets
        self._registry = registry
        self._clock = clock

    async def due(self, item: Item, kept: Collection[str], *, elapsed: timedelta | None) -> Due:
        """Those of the `kept` tags, and of those gone upstream, that are to be verified now. Raises StoreError.

        `elapsed`: since the last look; None: there was none. Damaged tags are asked for at every look.
        """
        rules = item.verify
        if rules is None:
            return Due([])
        before = self._clock.now() - rules.every * _RESTS
        found, restored = await self._targets.unchecked(str(item.target), rules.depth, before=before)
        found = [held for held in found if held.gone or held.tag in kept]
        if restored and (unknown := [held for held in found if held.checked_at is None]):
            return Due(unknown, restored)
        damaged = [held for held in found if held.damaged][:_MOST_DAMAGED]
        if elapsed is None or elapsed <= timedelta(0):
            return Due(damaged, restored)
        # Tags that always fail must not displace others.
        others = sorted(
            (held for held in found if not held.damaged), key=lambda held: held.id in self._verifier.unreadable
        )
        share = min(elapsed / (rules.every * (1 - _RESTS)), 1)
        return Due([*damaged, *others[: ceil(len(kept) * share)]], restored)

    async def next_due(self, item: Item, kept: Collection[str]) -> datetime:
        """When a look has to verify tags again, after `verify`. Raises StoreError."""
        now, rules = self._clock.now(), item.verify
        if rules is None:
            return now + _NEVER
        believed = rules.every * _RESTS
        found, _ = await self._targets.unchecked(str(item.target), rules.depth, before=now - believed)
        found = [held for held in found if held.gone or held.tag in kept]
        if found:
            return now if any(held.damaged for held in found) else now + interval(rules)
        first = await self._targets.first_check(str(item.target), rules.depth, after=now - believed)
        return (first or now) + believed

    async def verify(self, item: Item, due: Due) -> int:
        """Verify these tags. Returns the number of tags that are queued again. Raises StoreError."""
        rules, found = item.verify or VerifyRules(), Verified()
        examination = Examination(self._registry, rules.depth)
        try:
            async with asyncio.timeout(_LONGEST):
                await self._verifier.verify(
                    item.target, due.tags, examination, rules.repair, found, restored=due.restored, tell=report
                )
        except TimeoutError:
            log.get().warning(
                "verification_cut", message="verifying took too long: the next look goes on", target=str(item.target)
            )
        if found.error is not None:
            log.get().warning(
                "verification_failed", message="cannot verify the target's tags; trying again at the next look",
                target=str(item.target), tags=found.unreadable, error=str(found.error),
            )  # fmt: skip
        return found.queued


def interval(rules: VerifyRules | None) -> timedelta:
    """Between two looks that verify tags, if there is nothing else to look for."""
    return timedelta() if rules is None else rules.every * (1 - _RESTS) * _ROUND
