"""Temporary local tags for a push: an engine pushes an image only under the target's own name.

The user may have a tag of that name: it is restored afterwards, also after a crash.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ferryman import log
from ferryman.errors import FerrymanError
from ferryman.transports.engine.docker_engine import DockerEngine, LocalImage, split_tag
from ferryman.transports.engine.errors import ImageGone
from ferryman.transports.engine.image_cache import ImageStore, PulledImage
from ferryman.transports.locks import KeyedLocks, machine_lock, shielded_with_grace, try_machine_lock

_CLEANUP_SECONDS = 5


class TargetTags:
    """The temporary target tags in one engine."""

    def __init__(self, *, engine: DockerEngine, engine_id: str, images: ImageStore) -> None:
        self._engine = engine
        self._engine_id = engine_id
        self._images = images
        self._locks = KeyedLocks()

    @asynccontextmanager
    async def set_temporarily(self, image: LocalImage, reference: str) -> AsyncIterator[None]:
        """Let `reference` name the image; no other process on this machine uses it meanwhile. Raises ImageGone."""
        repository, _ = split_tag(reference)
        # Why the second lock: a push adds a digest to the image, which a concurrent push would take for the user's.
        async with (
            self._locks.holding(reference),
            self._locks.holding(f"{repository} {image.id}"),
            machine_lock(self._engine_id, reference),
        ):
            previous_id = await self._users_image_id(reference)
            known = await self._digests(image.id, repository)
            await self._images.remember(
                self._engine_id, reference, role="target", image_id=image.id, previous_id=previous_id
            )
            try:
                await self._engine.tag(image.id, reference)
                yield
            finally:
                await self._clean_up(reference, image.id, previous_id, known)

    async def recover(self) -> None:
        """Clean up the tags that a crash left behind."""
        for entry in await self._images.of_role(self._engine_id, "target"):
            if entry.image_id is None:
                continue
            with try_machine_lock(self._engine_id, entry.reference) as free:
                if free:  # otherwise a running process uses it
                    await self._restore(entry.reference, entry.image_id, entry.previous_id, frozenset())

    async def _users_image_id(self, reference: str) -> str | None:
        """The user's own image under this name; None: there is none, or it is another Ferryman process's."""
        current = await self._engine.inspect(reference)
        if current is None:
            return None
        entry = await self._entry(reference)
        return entry.previous_id if entry is not None and entry.image_id == current.id else current.id

    async def _entry(self, reference: str) -> PulledImage | None:
        entries = await self._images.of_role(self._engine_id, "target")
        return next((entry for entry in entries if entry.reference == reference), None)

    async def _clean_up(self, reference: str, image_id: str, previous_id: str | None, known: frozenset[str]) -> None:
        work = self._restore(reference, image_id, previous_id, known)
        try:
            is_restored, why = await shielded_with_grace(work, grace_seconds=_CLEANUP_SECONDS), "the engine is too slow"
        except FerrymanError as error:
            is_restored, why = False, str(error)
        if not is_restored:  # it stays in the record: `recover` restores it
            log.get().warning(
                "local_tag_left",
                message="a local tag is left behind until the next start",
                reference=reference,
                error=why,
            )

    async def _restore(self, reference: str, image_id: str, previous_id: str | None, known: frozenset[str]) -> None:
        current = await self._engine.inspect(reference)
        ours = current is not None and current.id == image_id != previous_id
        if ours and (previous_id is None or not await self._tag_if_present(previous_id, reference)):
            await self._engine.remove(reference)  # also removes the digest that the push added
        elif image_id != previous_id:  # moving a tag does not remove it, whichever of our processes moved it
            repository, _ = split_tag(reference)
            for digest in await self._digests(image_id, repository) - known:
                await self._engine.remove(f"{repository}@{digest}")
        entry = await self._entry(reference)
        if entry is not None and entry.image_id == image_id:  # otherwise another Ferryman process has the name now
            await self._images.forget(self._engine_id, reference)

    async def _tag_if_present(self, image_id: str, reference: str) -> bool:
        try:
            await self._engine.tag(image_id, reference)
        except ImageGone:
            return False
        return True

    async def _digests(self, image_id: str, repository: str) -> frozenset[str]:
        """The digests of the image in this repository. The engine shortens the names of Docker Hub's repositories."""
        image = await self._engine.inspect(image_id)
        short = repository.removeprefix("docker.io/").removeprefix("library/")
        names = {repository, short}
        pairs = (known.split("@", 1) for known in (image.digests if image else ()))
        return frozenset(digest for name, digest in pairs if name in names)
