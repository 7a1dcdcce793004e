"""The engine's images as a cache: what Ferryman pulled stays, up to a budget, least recently used out first.

The engine knows neither who pulled an image nor when it was last used, so a ledger does. A reference enters it
before the pull, and only if the engine did not have it: whatever else is in the engine is the user's, and stays.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from ferryman import log
from ferryman.errors import FerrymanError
from ferryman.kinds import ImageRole
from ferryman.transports.engine.docker_engine import DockerEngine
from ferryman.transports.locks import shielded_with_grace, try_machine_lock

_SETTLING_SECONDS = 5
_LAST_SECONDS = 30  # for the trim that is under way when all is done


class PulledImage(Protocol):
    """One reference in an engine that Ferryman made."""

    @property
    def reference(self) -> str: ...
    @property
    def image_id(self) -> str | None: ...  # None: the pull had not ended
    @property
    def previous_id(self) -> str | None: ...  # the image that the user had under this very reference


class ImageStore(Protocol):
    """Remembers across crashes which references Ferryman made, by engine."""

    async def remember(
        self,
        engine: str,
        reference: str,
        *,
        role: ImageRole,
        image_id: str | None = None,
        previous_id: str | None = None,
    ) -> None:
        """Add or replace an entry; it counts as used now."""
        ...

    async def touch(self, engine: str, reference: str, image_id: str) -> None:
        """It was used now, and names this image. A reference that is not in the ledger stays out of it."""
        ...

    async def of_role(self, engine: str, role: ImageRole) -> Sequence[PulledImage]:
        """Its entries of this role, the one that was not used for the longest time first."""
        ...

    async def forget(self, engine: str, reference: str) -> None: ...


class ImageCache:
    """The pulled images of one engine, kept within `limit` bytes."""

    def __init__(self, *, engine: DockerEngine, engine_id: str, ledger: ImageStore, limit: int) -> None:
        self._engine = engine
        self._engine_id = engine_id
        self._ledger = ledger
        self._limit = limit
        self._in_use: Counter[str] = Counter()
        self._held: set[str] = set()  # in use at any moment since the engine was last asked what it has
        self._removing = asyncio.Lock()  # between looking whether an image is in use and removing it
        self._trimming: asyncio.Task[None] | None = None
        self._trim_due = False
        self._measured: int | None = None
        self._added = 0  # since it was measured; at most, for shared layers are counted twice

    @asynccontextmanager
    async def holding(self, reference: str) -> AsyncIterator[None]:
        """Keep `reference` from being removed."""
        async with self._removing:
            self._in_use[reference] += 1
            self._held.add(reference)
        try:
            yield
        finally:
            self._in_use -= Counter([reference])  # which drops what has come to nothing

    @asynccontextmanager
    async def pulling(self, reference: str) -> AsyncIterator[None]:
        """Own what is pulled meanwhile, however that ends."""
        with try_machine_lock(self._engine_id, reference):
            await self._ledger.remember(self._engine_id, reference, role="source")
            try:
                yield
            finally:
                await shielded_with_grace(self._settle_quietly(reference), grace_seconds=_SETTLING_SECONDS)

    async def used(self, reference: str, image_id: str) -> None:
        """Note the use. The user's own images are not in the ledger, and stay out of it."""
        await self._ledger.touch(self._engine_id, reference, image_id)

    async def recover(self) -> None:
        """Own, or forget, the pulls that a crash cut short."""
        for entry in await self._ledger.of_role(self._engine_id, "source"):
            if entry.image_id is None:
                with try_machine_lock(self._engine_id, entry.reference) as free:
                    if free:  # otherwise somebody alive pulls it, and owns what comes
                        await self._settle(entry.reference)

    def trim(self) -> None:
        """See to it that the least recently used images go, until the budget is kept.

        In the background, for measuring is slow, and one for all: no copy waits for what others have pulled.
        """
        self._trim_due = True
        if self._trimming is None or self._trimming.done():
            self._trimming = asyncio.create_task(self._trim_while_due(), name="trim")

    async def trimmed(self) -> None:
        """Until no trim is under way."""
        if self._trimming is not None:
            await self._trimming

    async def aclose(self) -> None:
        """Let the trim that is under way end; stop it when it takes long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await shielded_with_grace(self.trimmed(), grace_seconds=_SETTLING_SECONDS)

    async def _trim_while_due(self) -> None:
        while self._trim_due:
            self._trim_due = False
            try:
                await self._trim()
            except FerrymanError as error:  # the copies are done all the same
                log.get().warning("the engine's cache could not be trimmed", error=str(error))
            except Exception as error:  # noqa: BLE001 - a mistake of ours, which the next trim may not meet
                log.get().error("the engine's cache could not be trimmed: a defect in Ferryman", exc_info=error)

    async def _settle_quietly(self, reference: str) -> None:
        try:
            await self._settle(reference)
        except FerrymanError as error:  # it stays in the ledger without an ID: `recover` settles it
            log.get().debug("a pull is left unsettled", reference=reference, error=str(error))

    async def _settle(self, reference: str) -> None:
        image = await self._engine.inspect(reference)
        if image is None:
            await self._ledger.forget(self._engine_id, reference)
        else:
            # Anew: a process in another container cannot see our lock, and may have forgotten it.
            await self._ledger.remember(self._engine_id, reference, role="source", image_id=image.id)
            self._added += image.size  # not before: a trim in between counts only what the ledger knows

    async def _trim(self) -> None:
        if self._measured is not None and self._measured + self._added <= self._limit:
            return
        self._measured, self._added = None, 0  # should measuring fail, nothing is known
        entries = await self._ledger.of_role(self._engine_id, "source")
        self._measured = await self._measure(entries)
        for entry in entries:
            if self._measured <= self._limit:
                break
            if await self._evict(entry):
                self._measured = await self._measure(entries)

    async def _measure(self, entries: Sequence[PulledImage]) -> int:
        """Bytes that our images take: the larger of two lower bounds, since layers are shared with the user's images.

        The one takes all that the user's images could fill off the whole, the other counts what only one image of
        ours has. An image that somebody tagged is no longer ours alone, unless that is a running copy's target tag:
        removing our reference would free nothing. Copies end while the engine counts, and so count as running.
        """
        self._held = set(self._in_use)
        usage = await self._engine.disk_usage()
        pulled = {entry.image_id for entry in entries}
        running = {entry.image_id for entry in entries if entry.reference in self._held}
        ours = {image for image in usage.images if image.id in pulled and (image.id in running or not image.tagged)}
        kept = sum(image.size for image in usage.images if image not in ours)
        return max(usage.layers - kept, sum(image.size - image.shared for image in ours))

    async def _evict(self, entry: PulledImage) -> bool:
        async with self._removing:
            if self._in_use[entry.reference]:
                return False
            image = await self._engine.inspect(entry.reference)
            if image is not None and entry.image_id in {None, image.id}:
                if image.tags or not await self._engine.remove(entry.reference):
                    return False
                log.get().debug("removed from the engine's cache", reference=entry.reference)
            await self._ledger.forget(self._engine_id, entry.reference)
            return True
