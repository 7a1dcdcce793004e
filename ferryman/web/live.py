"""Parts of a page that are kept up to date. However many look at one, it is made once a second at most."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiohttp import web

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import StoreError
from ferryman.i18n.texts import current
from ferryman.web.streams import Message

# Makes the HTML of one element, which has an id, in the current language. It is the same for all readers: no forms.
Part = Callable[[web.Application], Awaitable[str]]

_INTERVAL = 1.0  # seconds between two versions of a part


class _Version:
    """The last version of a part in one language."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made_at: float | None = None  # monotonic
        self.html = ""


class LiveParts:
    """The parts that somebody looks at, or has looked at."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._versions: defaultdict[tuple[Part, str], _Version] = defaultdict(_Version)  # bounded: parts are code

    async def follow(self, site: web.Application, parts: Sequence[Part]) -> AsyncIterator[Message]:
        """A message for every change of one of the parts, the first for what they are now. It never ends."""
        sent: dict[Part, str] = {}
        while True:
            for part in parts:
                html = await self._latest(site, part)
                if html is not None and html != sent.get(part):
                    sent[part] = html
                    yield Message("fragment", html)
            await self._clock.sleep(_INTERVAL)

    async def _latest(self, site: web.Application, part: Part) -> str | None:
        """Its HTML, at most a second old. None: the database fails, which the log tells."""
        version = self._versions[part, current().code]
        async with version.lock:
            now = self._clock.monotonic()
            if version.made_at is None or now - version.made_at >= _INTERVAL:
                try:
                    version.html = await part(site)
                except StoreError as error:
                    log.get().error(
                        "web_store_failed", message="the database failed a request of the page", error=str(error)
                    )
                    return None
                version.made_at = self._clock.monotonic()
        return version.html


LIVE = web.AppKey("live", LiveParts)
