"""Parts of a page that are kept up to date. However many look at one, it is made once in its interval at most."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass

from aiohttp import web

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import StoreError
from ferryman.i18n.texts import current
from ferryman.web.streams import Message

_TICK = 1.0  # seconds between two looks of one reader; no part is made more often
_KEPT = 200  # parts, with what they were made for: each page of a long list is one


@dataclass(frozen=True, slots=True)
class Part:
    """Elements that are made together: their HTML in the current language, each with an id.

    They are the same for all readers whose part is equal: no form may be among them, for its token is one reader's.
    """

    make: Callable[..., Awaitable[Sequence[str]]]  # called with the application and the arguments
    arguments: tuple[Hashable, ...] = ()
    interval: float = _TICK  # seconds between two versions


class _Version:
    """The last version of a part in one language."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made_at: float | None = None  # monotonic
        self.elements: Sequence[Message] = ()


class LiveParts:
    """The parts that somebody looks at, or has looked at."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._versions: OrderedDict[tuple[Part, str], _Version] = OrderedDict()

    async def follow(self, site: web.Application, parts: Sequence[Part]) -> AsyncIterator[Message]:
        """A message for every change of an element, the first for what they are now. It never ends."""
        sent: dict[Part, Sequence[Message]] = {}
        while True:
            for part in parts:
                before, elements = sent.get(part, ()), await self._latest(site, part)
                if elements is before:
                    continue
                for number, element in enumerate(elements):
                    if number >= len(before) or before[number] != element:
                        yield element
                sent[part] = elements
            await self._clock.sleep(_TICK)

    async def _latest(self, site: web.Application, part: Part) -> Sequence[Message]:
        """Its elements, no older than its interval; older ones while the database fails, which the log tells."""
        version = self._version(part)
        async with version.lock:
            now = self._clock.monotonic()
            if version.made_at is None or now - version.made_at >= part.interval:
                try:
                    made = [Message("fragment", html) for html in await part.make(site, *part.arguments)]
                except StoreError as error:
                    log.get().error(
                        "web_store_failed", message="the database failed a request of the page", error=str(error)
                    )
                    return version.elements
                if made != version.elements:  # otherwise those that readers have stay the same object
                    version.elements = made
                version.made_at = self._clock.monotonic()
        return version.elements

    def _version(self, part: Part) -> _Version:
        key = (part, current().code)
        version = self._versions.setdefault(key, _Version())
        self._versions.move_to_end(key)
        if len(self._versions) > _KEPT:
            self._versions.popitem(last=False)
        return version


LIVE = web.AppKey("live", LiveParts)
