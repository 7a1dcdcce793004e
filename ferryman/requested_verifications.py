"""Verifications of items that persons ask a service for, one item after the other."""

import asyncio
import contextlib

from ferryman import log
from ferryman.application import Application
from ferryman.errors import StoreError
from ferryman.reference import Repository
from ferryman.store.verifications import WantedVerification
from ferryman.verification.report import report
from ferryman.verification.verifier import Verified

_POLL = 3.0  # seconds between two looks for requests of other processes
_POLL_AFTER_ERROR = 15.0  # of the database
_AGAIN = 900.0  # seconds until a target that could not be asked is asked again; a request ends after a day


class RequestedVerifications:
    """Takes up the requests in the database. One that is interrupted goes on with the next process."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._failed: dict[WantedVerification, float] = {}  # monotonic time of the last failure

    async def run(self) -> None:
        """Take up requests until it is cancelled."""
        while True:
            requested = self._app.record.verifications.requested.next()
            wait = _POLL
            try:
                await self.take_up()
            except StoreError as error:
                log.get().error("verifications_unread", message="cannot verify what is requested", error=str(error))
                wait = _POLL_AFTER_ERROR
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await requested.wait()

    async def take_up(self) -> None:
        """Verify what is requested. Raises StoreError."""
        for wanted in await self._app.record.verifications.pending():
            failed = self._failed.get(wanted)
            if failed is None or self._app.clock.monotonic() - failed >= _AGAIN:
                await self._verify(wanted)

    async def _verify(self, wanted: WantedVerification) -> None:
        run = self._app.verification(wanted.depth, wanted.repair, actor=wanted.actor, by_service=True)
        found = Verified()
        await run.item(Repository.parse(wanted.target), found, tell=report)
        self._failed.pop(wanted, None)
        if found.is_over:
            self._failed[wanted] = self._app.clock.monotonic()
        if found.error is not None:
            log.get().warning(
                "verification_failed", message="cannot verify the target's tags", target=wanted.target,
                tags=found.unreadable, error=str(found.error),
            )  # fmt: skip
        log.get().info(
            "verification_ended", message="verified, because a person asks for it", target=wanted.target,
            actor=wanted.actor, checked=found.checked, damaged=found.damaged, queued=found.queued,
        )  # fmt: skip
