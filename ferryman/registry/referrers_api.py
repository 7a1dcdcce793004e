"""Which registries support the referrers API.

Source: OCI distribution specification 1.1, "Listing Referrers".
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from ferryman.clock import Clock

_ASKED_AGAIN = timedelta(days=1)  # for a registry without the API


class ReferrersApis:
    """Remembers which registries support the referrers API; one without it is asked again once a day."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._have: set[str] = set()
        self._lack: dict[str, datetime] = {}  # since when
        self._first: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def asking(self, registry: str) -> AsyncIterator[bool]:
        """Whether to send the request. While nothing is known, one caller asks and the others wait for its result."""
        if self.has(registry):
            yield True
        elif self._lacks(registry):
            yield False
        else:
            async with self._first[registry]:
                yield not self._lacks(registry)

    def has(self, registry: str) -> bool:
        """Whether the API has answered before: a refusal is then about one image."""
        return registry in self._have

    def note(self, registry: str, *, has: bool) -> None:
        """Note what an answer showed."""
        if has:
            self._have.add(registry)
            self._lack.pop(registry, None)
        elif registry not in self._have:
            self._lack[registry] = self._clock.now()

    def _lacks(self, registry: str) -> bool:
        since = self._lack.get(registry)
        return since is not None and abs(self._clock.now() - since) < _ASKED_AGAIN
