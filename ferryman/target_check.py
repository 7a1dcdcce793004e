"""Verify mirrored tags at the target from time to time: the record may be outdated.

Somebody may have deleted or overwritten a tag, and a restored database does not know later copies. Every tag that is up
to date is verified by HEAD within 30 days, a few in each cycle, and after a restore all at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import LoginRefused, NotFound, RateLimited, TransferError
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.store.target_checks import MirroredTag, TargetChecks
from ferryman.tasks import for_each

_BELIEVED = timedelta(days=20)  # after a check, a tag is not checked again for this long,
_SPREAD = timedelta(days=10)  # and then within this time
_AT_ONCE = 4  # concurrent requests; the registry's own limit applies as well
_NOTED = 200  # results that are recorded together: a check that is interrupted continues from there
_FAILURES = 10  # errors after which this round of checks ends


@dataclass(slots=True)
class _Round:
    """The results of one batch of checks at a target."""

    matching: list[MirroredTag] = field(default_factory=list)
    differing: list[MirroredTag] = field(default_factory=list)
    errors: list[TransferError] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether to stop: the registry refuses the login or limits the rate, or there were too many errors."""
        refused = any(isinstance(error, LoginRefused | RateLimited) for error in self.errors)
        return refused or len(self.errors) >= _FAILURES


class TargetCheck:
    """Compares the digests of tags at the targets with the recorded ones. One object for the life of a scheduler."""

    def __init__(self, *, targets: TargetChecks, registry: RegistryClient, clock: Clock) -> None:
        self._targets = targets
        self._registry = registry
        self._clock = clock
        self._unreadable: set[int] = set()  # ids of tags, checked last: tags that always fail must not displace others

    async def due(
        self, target: Repository, kept: Collection[str], *, elapsed: timedelta | None
    ) -> Sequence[MirroredTag]:
        """Those of the `kept` tags that are to be verified now. Raises StoreError.

        `elapsed`: since the last lookup; None: there was none.
        """
        if not kept:
            return []
        unchecked, restored = await self._targets.unchecked(str(target), before=self._clock.now() - _BELIEVED)
        due = [held for held in unchecked if held.tag in kept]
        if restored and any(held.checked_at is None for held in due):
            return [held for held in due if held.checked_at is None]
        if elapsed is None or elapsed <= timedelta(0):
            return []
        due.sort(key=lambda held: held.id in self._unreadable)
        return due[: ceil(len(kept) * min(elapsed / _SPREAD, 1))]

    async def check(self, target: Repository, due: Sequence[MirroredTag]) -> int:
        """Verify these tags, which are `due`. Returns the number of tags that are queued again.

        Tags that cannot be read stay unchanged. Raises StoreError.
        """
        queued = 0
        for start in range(0, len(due), _NOTED):
            found = _Round()

            async def ask(held: MirroredTag, found: _Round = found) -> None:
                if not found.is_over:
                    await self._ask(target, held, found)

            await for_each(due[start : start + _NOTED], ask, at_once=_AT_ONCE)
            queued += await self._targets.record(matching=found.matching, differing=found.differing)
            if found.errors:
                log.get().warning(
                    "target_check_failed", message="cannot check the target's tags; trying again at the next look",
                    target=str(target), tags=len(found.errors), error=str(found.errors[0]),
                )  # fmt: skip
            if found.is_over:
                break
        return queued

    async def _ask(self, target: Repository, held: MirroredTag, found: _Round) -> None:
        try:
            named = (await self._registry.head_manifest(target.tagged(held.tag))).digest
        except NotFound:
            named = None
        except TransferError as error:
            found.errors.append(error)
            self._unreadable.add(held.id)
            return
        self._unreadable.discard(held.id)
        if named is not None and held.digest in {None, named}:
            found.matching.append(held)
            return
        found.differing.append(held)
        log.get().warning(
            "target_changed", message="the target's tag is missing or has another digest: queued again",
            tag=held.tag, target=str(target), names=named or "nothing", expected=held.digest,
        )  # fmt: skip
