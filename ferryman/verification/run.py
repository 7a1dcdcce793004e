"""Verify all mirrored tags of an item, page by page, and go on where an earlier run was interrupted."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from ferryman.clock import Clock
from ferryman.errors import LoginRefused
from ferryman.kinds import Repair
from ferryman.reference import Repository
from ferryman.store.target_checks import TargetChecks
from ferryman.store.verifications import Verifications, WantedVerification
from ferryman.verification.examination import Examination
from ferryman.verification.verifier import Tell, Verified, Verifier

_PAGE = 2000  # tags that are in memory


class Run:
    """Verifies items, at one depth and with one rule for repairs. What registries have is asked for once for all."""

    def __init__(
        self, verifier: Verifier, examination: Examination, repair: Repair, *,
        checks: TargetChecks, runs: Verifications, check_pause: Callable[[str], Awaitable[object]], clock: Clock,
        actor: str, by_service: bool = False,
    ) -> None:  # fmt: skip
        """`check_pause`: raises LoginRefused for a registry that is known to refuse the login.

        `by_service`: at somebody's request.
        """
        self._verifier = verifier
        self._examination = examination
        self._repair = repair
        self._checks = checks
        self._runs = runs
        self._check_pause = check_pause
        self._clock = clock
        self._actor = actor
        self._by_service = by_service

    async def item(self, target: Repository, found: Verified, *, tell: Tell) -> datetime:
        """Verify an item, or go on with it. Returns since when its findings are of this run. Raises StoreError."""
        wanted = WantedVerification(str(target), self._examination.depth, self._repair, self._actor)
        since = await self._runs.begin(wanted, by_service=self._by_service)
        await self._tags(target, None, since, found, tell)
        if not found.is_over:
            await self._runs.end(wanted, by_service=self._by_service)
        return since

    async def tag(self, target: Repository, tag: str, found: Verified, *, tell: Tell) -> datetime:
        """Verify one tag, as above."""
        since = self._clock.now()
        await self._tags(target, tag, since, found, tell)
        return since

    async def _tags(self, target: Repository, tag: str | None, since: datetime, found: Verified, tell: Tell) -> None:
        try:
            await self._check_pause(target.registry)
        except LoginRefused as error:
            found.fail(error)
            return
        depth, last, restored = self._examination.depth, 0, await self._checks.is_restored()
        while page := await self._checks.page(str(target), depth, since=since, after=last, tag=tag, most=_PAGE):
            await self._verifier.verify(
                target, page, self._examination, self._repair, found, restored=restored, tell=tell
            )
            if found.is_over:
                return
            last = page[-1].id
