"""LRU cache of the images that Ferryman pulled into the engine, with a size limit.

The engine records neither who pulled an image nor when it was last used, so the record does. A reference enters it
before the pull, and only if the engine did not have it: all other images are the user's, and are never removed.
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

_RECORD_SECONDS = 5
_CLOSE_SECONDS = 30  # for a trim in progress at the end


class PulledImage(Protocol):
    """One reference in an engine that Ferryman created."""

    @property
    def reference(self) -> str: ...
    @property
    def image_id(self) -> str | None: ...  # None: the pull has not ended
    @property
    def previous_id(self) -> str | None: ...  # the user's own image under the same reference


class ImageStore(Protocol):
    """Persistent record of the references that Ferryman created, by engine."""

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
        """Record a use now, and the image. A reference that is not in the record is not added."""
        ...

    async def of_role(self, engine: str, role: ImageRole) -> Sequence[PulledImage]:
        """The engine's entries of this role, least recently used first."""
        ...

    async def forget(self, engine: str, reference: str) -> None: ...


class ImageCache:
    """The pulled images of one engine, kept within `limit` bytes."""

    def __init__(self, *, engine: DockerEngine, engine_id: str, images: ImageStore, limit: int) -> None:
        self._engine = engine
        self._engine_id = engine_id
        self._images = images
        self._limit = limit
        self._in_use: Counter[str] = Counter()
        self._used_since_measure: set[str] = set()  # in use at any time since the last `disk_usage`
        self._removing = asyncio.Lock()  # covers the check whether an image is in use, and its removal
        self._trimming: asyncio.Task[None] | None = None
        self._trim_due = False
        self._measured: int | None = None
        self._added = 0  # bytes since it was measured; an upper bound, for shared layers are counted twice

    @asynccontextmanager
    async def protected(self, reference: str) -> AsyncIterator[None]:
        """Protect `reference` from being removed."""
        async with self._removing:
            self._in_use[reference] += 1
            self._used_since_measure.add(reference)
        try:
            yield
        finally:
            self._in_use -= Counter([reference])  # this also drops keys at zero

    @asynccontextmanager
    async def recording_pull(self, reference: str) -> AsyncIterator[None]:
        """Record the pull of `reference` that runs meanwhile, however it ends."""
        with try_machine_lock(self._engine_id, reference):
            await self._images.remember(self._engine_id, reference, role="source")
            try:
                yield
            finally:
                await shielded_with_grace(self._record_pull_quietly(reference), grace_seconds=_RECORD_SECONDS)

    async def touch(self, reference: str, image_id: str) -> None:
        """Record a use. The user's own images are not in the record, and are not added."""
        await self._images.touch(self._engine_id, reference, image_id)

    async def recover(self) -> None:
        """Complete the records of pulls that a crash interrupted, or forget them."""
        for entry in await self._images.of_role(self._engine_id, "source"):
            if entry.image_id is None:
                with try_machine_lock(self._engine_id, entry.reference) as free:
                    if free:  # otherwise a running process pulls it, and will record it
                        await self._record_pull(entry.reference)

    def trim(self) -> None:
        """Start removing the least recently used images until the size is below the limit.

        One background task for all copies: measuring is slow, and no copy has to wait for it.
        """
        self._trim_due = True
        if self._trimming is None or self._trimming.done():
            self._trimming = asyncio.create_task(self._trim_while_due(), name="trim")

    async def wait_for_trim(self) -> None:
        """Wait until no trim is in progress."""
        if self._trimming is not None:
            await self._trimming

    async def aclose(self) -> None:
        """Wait for a trim in progress; cancel it after a time limit."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await shielded_with_grace(self.wait_for_trim(), grace_seconds=_RECORD_SECONDS)

    async def _trim_while_due(self) -> None:
        while self._trim_due:
            self._trim_due = False
            try:
                await self._trim()
            except FerrymanError as error:  # no reason to fail a copy
                log.get().warning(
                    "engine_cache_trim_failed", message="the engine's cache could not be trimmed", error=str(error)
                )
            except Exception as error:  # noqa: BLE001 - a defect, which need not affect the next trim
                log.get().error(
                    "engine_cache_trim_defect",
                    message="the engine's cache could not be trimmed: a defect in Ferryman",
                    exc_info=error,
                )

    async def _record_pull_quietly(self, reference: str) -> None:
        try:
            await self._record_pull(reference)
        except FerrymanError as error:  # it stays in the record without an ID: `recover` completes it
            log.get().debug(
                "pull_unsettled",
                message="cannot look for the images of an aborted pull",
                reference=reference,
                error=str(error),
            )

    async def _record_pull(self, reference: str) -> None:
        image = await self._engine.inspect(reference)
        if image is None:
            await self._images.forget(self._engine_id, reference)
        else:
            # Add it again: a process in another container cannot see our lock, and may have forgotten the entry.
            await self._images.remember(self._engine_id, reference, role="source", image_id=image.id)
            self._added += image.size  # only now: a trim in between measures only what is in the record

    async def _trim(self) -> None:
        if self._measured is not None and self._measured + self._added <= self._limit:
            return
        self._measured, self._added = None, 0  # if measuring fails, the next trim measures again
        entries = await self._images.of_role(self._engine_id, "source")
        self._measured = await self._measure(entries)
        for entry in entries:
            if self._measured <= self._limit:
                break
            if await self._evict(entry):
                self._measured = await self._measure(entries)

    async def _measure(self, entries: Sequence[PulledImage]) -> int:
        """Bytes that our images use: the larger of two lower bounds, since layers are shared with the user's images.

        The first subtracts the full size of the user's images from the total; the second adds up the layers that only
        one of our images has. A tagged image counts as the user's, since removing our reference would free nothing,
        except while the tag is the target tag of a running copy. Copies that end during the measurement count as
        running.
        """
        self._used_since_measure = set(self._in_use)
        usage = await self._engine.disk_usage()
        pulled = {entry.image_id for entry in entries}
        running = {entry.image_id for entry in entries if entry.reference in self._used_since_measure}
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
                log.get().debug(
                    "engine_image_removed", message="removed from the engine's cache", reference=entry.reference
                )
            await self._images.forget(self._engine_id, entry.reference)
            return True
