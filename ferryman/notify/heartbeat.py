"""Call a URL after every cycle, for services that raise the alarm when nobody calls: healthchecks.io, Uptime Kuma.

They notice what no message can tell: that this machine, or the way from it, is down.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import aiohttp
from yarl import URL

from ferryman import log
from ferryman.clock import Clock
from ferryman.events import CycleEnded, Event

_TIMEOUT = aiohttp.ClientTimeout(total=20)
_TRIES = 4
_FIRST_PAUSE = 5.0  # seconds of backoff, which is doubled: 35 in all


class Heartbeat:
    """Notes how cycles end, and calls the URL."""

    def __init__(self, *, url: Callable[[], str | None], user_agent: str, clock: Clock) -> None:
        self._url = url
        self._user_agent = user_agent
        self._clock = clock
        self._ended = asyncio.Event()
        self._went_well = True

    def observe(self, event: Event) -> None:
        """Take note of a cycle's end."""
        if isinstance(event, CycleEnded) and event.outcome != "stopped" and not event.again:
            self._went_well = event.outcome == "done" and event.items_failed == 0
            self._ended.set()

    async def run(self) -> None:
        """Call the URL after every cycle, until cancelled."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            if (url := self._url()) is not None:
                await self._call(called(URL(url), went_well=self._went_well))

    async def _call(self, url: URL) -> None:
        """Call it, with some retries; the next cycle's end makes them needless."""
        error: str | None = None
        for number in range(_TRIES):
            if number:
                await self._clock.sleep(_FIRST_PAUSE * 2 ** (number - 1))
            if self._ended.is_set() or (error := await self._get(url)) is None:
                return
        log.get().warning("heartbeat_not_called", message="the heartbeat's URL does not answer", error=error)

    async def _get(self, url: URL) -> str | None:
        """The error, without the URL, which is a secret; None: it has answered."""
        headers = {"User-Agent": self._user_agent}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, headers=headers) as session,
                session.get(url) as answer,
            ):
                return None if answer.status < HTTPStatus.BAD_REQUEST else f"it answers {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return f"it cannot be reached: {type(error).__name__}"


def called(url: URL, *, went_well: bool) -> URL:
    """What is called of a heartbeat's URL: it is Uptime Kuma's if its path says so, else like healthchecks.io's."""
    if "/api/push/" in url.path:
        status = ("up", "OK") if went_well else ("down", "the last cycle did not go well")
        return url.update_query(status=status[0], msg=status[1])
    if went_well:
        return url
    return url.with_path(f"{url.raw_path.rstrip('/')}/fail", encoded=True, keep_query=True)
