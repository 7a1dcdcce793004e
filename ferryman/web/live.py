"""Parts of a page that are kept up to date. However many look at one, it is made once in its interval at most.

A part that names a stamp is made anew only when that has changed, or after half a minute: its relative times go on.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from ferryman.clock import Clock
from ferryman.errors import StoreError
from ferryman.i18n.texts import current
from ferryman.store.queries.change_stamp import read_change_stamp
from ferryman.web.context import CONTEXT
from ferryman.web.failure_log import log_store_failure
from ferryman.web.streams import STREAMS, Message

_TICK = 1.0  # seconds between two looks of one reader; no part is made more often
_OLDEST = 30.0  # seconds after which a part is made again though its stamp is the same
_KEPT = 200  # parts, with what they were made for: each page of a long list is one


@dataclass(frozen=True, slots=True)
class Part:
    """Elements that are made together: their HTML in the current language, each with an id.

    They are the same for all readers whose part is equal: a form among them has no token, for that is one reader's.
    """

    make: Callable[..., Awaitable[Sequence[str]]]  # called with the application and the arguments
    arguments: tuple[Hashable, ...] = ()
    interval: float = _TICK  # seconds between two versions
    stamp: Callable[[web.Application], Awaitable[Hashable]] | None = None  # another one: what is shown may have changed


class _Version:
    """The last version of a part in one language."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made_at: float | None = None  # monotonic
        self.checked_at: float | None = None  # likewise: its stamp was read
        self.stamp: Hashable = None
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
                before = sent.get(part, ())
                try:
                    elements = await self.latest(site, part, is_first=part not in sent)
                except StoreError as error:
                    log_store_failure(error)
                    continue  # what was sent stays
                if elements is before:
                    continue
                for number, element in enumerate(elements):
                    if number >= len(before) or before[number] != element:
                        yield element
                sent[part] = elements
            await self._clock.sleep(_TICK)

    async def latest(self, site: web.Application, part: Part, *, is_first: bool = False) -> Sequence[Message]:
        """Its elements, no older than its interval. Raises StoreError.

        `is_first`: the page was just made, perhaps after an action. It must not go back to what was before.
        """
        version = self._version(part)
        async with version.lock:
            now = self._clock.monotonic()
            is_due = version.checked_at is None or now - version.checked_at >= part.interval
            if is_due or (is_first and part.stamp is not None):
                await self._renew(site, part, version, now)
                version.checked_at = self._clock.monotonic()
        return version.elements

    async def _renew(self, site: web.Application, part: Part, version: _Version, now: float) -> None:
        """Make it, unless it has a stamp that is the same as before. Raises StoreError."""
        stamp = await part.stamp(site) if part.stamp else None
        is_same = part.stamp is not None and stamp == version.stamp
        if is_same and version.made_at is not None and now - version.made_at < _OLDEST:
            return
        made = [Message("fragment", html) for html in await part.make(site, *part.arguments)]
        if made != version.elements:  # otherwise those that readers have stay the same object
            version.elements = made
        version.made_at, version.stamp = self._clock.monotonic(), stamp

    def _version(self, part: Part) -> _Version:
        key = (part, current().code)
        version = self._versions.setdefault(key, _Version())
        self._versions.move_to_end(key)
        if len(self._versions) > _KEPT:
            self._versions.popitem(last=False)
        return version


LIVE = web.AppKey("live", LiveParts)


def parse_query(text: str) -> Mapping[str, str]:
    """The query of a part's page, which is an argument of the part, as it came."""
    return URL.build(query_string=text, encoded=True).query


async def record_stamp(site: web.Application) -> Hashable:
    """A stamp of whatever is recorded. Raises StoreError."""
    async with site[CONTEXT].record.database.read() as connection:
        return await read_change_stamp(connection)


async def follow(request: web.Request, parts: Sequence[Part]) -> web.StreamResponse:
    """Answer with the stream of these parts."""
    return await request.app[STREAMS].send(request, request.app[LIVE].follow(request.app, parts))
