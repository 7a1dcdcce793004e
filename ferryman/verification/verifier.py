"""Verify mirrored tags at their targets: side by side, recorded batch by batch.

Somebody may have deleted or overwritten a tag, a garbage collection may have removed too much, and a restored database
does not know later copies.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ferryman.errors import LoginRefused, RateLimited, TransferError
from ferryman.kinds import Depth
from ferryman.kinds import Repair as RepairRule
from ferryman.reference import Repository
from ferryman.store.records import Checked, Damage, MirroredTag
from ferryman.store.target_checks import TargetChecks
from ferryman.tasks import for_each
from ferryman.verification.examination import Examination
from ferryman.verification.repair import Repair

_AT_ONCE = 8  # tags that are checked at the same moment; the registry's own limit applies as well
# Results that are recorded together: a verification that is interrupted continues from there.
_TOGETHER: dict[Depth, int] = {"tags": 200, "contents": 40, "bytes": 8}
_FAILURES = 10  # errors in a row after which a verification ends


@dataclass(slots=True)
class Verified:
    """What a verification of a target has found so far, in tags."""

    checked: int = 0
    damaged: int = 0
    queued: int = 0
    restored: int = 0
    lost: int = 0
    unreadable: int = 0  # could not be checked
    error: TransferError | None = None  # of the last one of these
    refusal: TransferError | None = None  # the target refuses the login, or limits the rate
    _failures: int = 0  # in a row

    @property
    def is_over(self) -> bool:
        """Whether to stop: the target, or a source, refuses to go on, or there were too many errors."""
        return self.refusal is not None or self._failures >= _FAILURES

    def count(self, result: Checked) -> None:
        """Add the result of a tag."""
        self.checked += 1
        self.damaged += result.damage is not None
        self.restored += result.repair == "restored"
        self.lost += result.repair == "lost"

    def add(self, other: "Verified") -> None:
        """Add what another one has counted."""
        for name in ("checked", "damaged", "queued", "restored", "lost", "unreadable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def read(self) -> None:
        """A tag could be checked."""
        self._failures = 0

    def fail(self, error: TransferError) -> None:
        """A tag could not be checked, or not be repaired."""
        self._failures += 1
        self.error = error
        if isinstance(error, LoginRefused | RateLimited):
            self.refusal = error


Tell = Callable[[Repository, Checked], object]


class Verifier:
    """Compares the record with the targets. One object for the life of a process."""

    def __init__(self, *, targets: TargetChecks, repair: Repair) -> None:
        self._targets = targets
        self._repair = repair
        self._slots = asyncio.Semaphore(_AT_ONCE)  # of all targets together
        self.unreadable: set[int] = set()  # ids of tags that could not be read the last time

    async def verify(
        self, target: Repository, tags: Sequence[MirroredTag], examination: Examination, rule: RepairRule,
        found: Verified, *, restored: bool = False, tell: Tell,
    ) -> None:  # fmt: skip
        """Verify these tags, and repair what the rule says. Tags that cannot be read stay unchanged. Raises StoreError.

        What is found is counted in `found`, and `tell` is called with each result.
        """
        size = _TOGETHER[examination.depth]
        for start in range(0, len(tags), size):
            results: list[Checked] = []

            async def check(held: MirroredTag, results: list[Checked] = results) -> None:
                async with self._slots:
                    if found.is_over:
                        return
                    result = await self._check(target, held, examination, _rule(held, rule, restored), found)
                if result is not None:
                    results.append(result)

            try:
                await for_each(tags[start : start + size], check, at_once=_AT_ONCE)
            finally:
                found.queued += await self._targets.record(results, examination.depth)
            for result in results:
                found.count(result)
                tell(target, result)
            if found.is_over:
                break

    async def _check(
        self, target: Repository, held: MirroredTag, examination: Examination, rule: RepairRule, found: Verified
    ) -> Checked | None:
        """The result for one tag; None: it could not be read."""
        try:
            damage = await examination.damage(target, held)
        except TransferError as error:
            found.unreadable += 1
            found.fail(error)
            self.unreadable.add(held.id)
            return None
        found.read()
        self.unreadable.discard(held.id)
        if damage is None or not _is_repaired(damage, rule):
            return Checked(held, damage)
        try:
            return await self._repair.repair(target, held, damage)
        except TransferError as error:  # tried again at the next check
            found.fail(error)
            return Checked(held, damage)


def _rule(held: MirroredTag, rule: RepairRule, restored: bool) -> RepairRule:
    """A restored database knows less than the target: what differs there may be a later copy, and is no stranger's."""
    return "all" if restored and None in {held.checked_at, held.intact_at} and rule == "missing" else rule


def _is_repaired(damage: Damage, rule: RepairRule) -> bool:
    return rule == "all" or (rule == "missing" and damage.finding != "changed")
