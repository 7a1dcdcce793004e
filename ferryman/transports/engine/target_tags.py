"""Local tags for the time of a push: an engine pushes only what bears the target's name.

The name may be the user's: what it stood for before is put back, after a crash too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ferryman import log
from ferryman.errors import FerrymanError
from ferryman.transports.engine.docker_engine import DockerEngine, LocalImage, split_tag
from ferryman.transports.engine.errors import ImageGone
from ferryman.transports.engine.image_cache import ImageStore, PulledImage
from ferryman.transports.locks import KeyedLocks, machine_lock, shielded_with_grace, try_machine_lock

_TIDYING_SECONDS = 5


class TargetTags:
    """The target tags in one engine."""

    def __init__(self, *, engine: DockerEngine, engine_id: str, ledger: ImageStore) -> None:
        self._engine = engine
        self._engine_id = engine_id
        self._ledger = ledger
        self._locks = KeyedLocks()

    @asynccontextmanager
    async def borrowed(self, image: LocalImage, reference: str) -> AsyncIterator[None]:
        """Let `reference` name the image; nobody else on this machine uses it meanwhile. Raises ImageGone."""
        repository, _ = split_tag(reference)
        # The second lock: a push leaves a digest at the image that would look like the user's to another push.
        async with (
            self._locks.holding(reference),
            self._locks.holding(f"{repository} {image.id}"),
            machine_lock(self._engine_id, reference),
        ):
            previous_id = await self._previous(reference)
            kept = await self._digests(image.id, repository)
            await self._ledger.remember(
                self._engine_id, reference, role="target", image_id=image.id, previous_id=previous_id
            )
            try:
                await self._engine.tag(image.id, reference)
                yield
            finally:
                await self._tidy(reference, image.id, previous_id, kept)

    async def recover(self) -> None:
        """Undo what a crash left."""
        for entry in await self._ledger.of_role(self._engine_id, "target"):
            if entry.image_id is None:
                continue
            with try_machine_lock(self._engine_id, entry.reference) as free:
                if free:  # otherwise somebody alive is at it
                    await self._put_back(entry.reference, entry.image_id, entry.previous_id, frozenset())

    async def _previous(self, reference: str) -> str | None:
        """The image that the user has under the name. What another process of ours has there just now is not theirs."""
        current = await self._engine.inspect(reference)
        if current is None:
            return None
        entry = await self._entry(reference)
        return entry.previous_id if entry is not None and entry.image_id == current.id else current.id

    async def _entry(self, reference: str) -> PulledImage | None:
        entries = await self._ledger.of_role(self._engine_id, "target")
        return next((entry for entry in entries if entry.reference == reference), None)

    async def _tidy(self, reference: str, image_id: str, previous_id: str | None, kept: frozenset[str]) -> None:
        work = self._put_back(reference, image_id, previous_id, kept)
        try:
            tidy, why = await shielded_with_grace(work, grace_seconds=_TIDYING_SECONDS), "the engine is too slow"
        except FerrymanError as error:
            tidy, why = False, str(error)
        if not tidy:  # it stays in the ledger: `recover` puts it back
            log.get().warning("a local tag is left behind until the next start", reference=reference, error=why)

    async def _put_back(self, reference: str, image_id: str, previous_id: str | None, kept: frozenset[str]) -> None:
        current = await self._engine.inspect(reference)
        ours = current is not None and current.id == image_id != previous_id
        if ours and (previous_id is None or not await self._restored(previous_id, reference)):
            await self._engine.remove(reference)  # takes the digest that the push left along
        elif image_id != previous_id:  # moving the tag does not, whether we or another process of ours moved it
            repository, _ = split_tag(reference)
            for digest in await self._digests(image_id, repository) - kept:
                await self._engine.remove(f"{repository}@{digest}")
        entry = await self._entry(reference)
        if entry is not None and entry.image_id == image_id:  # otherwise another process of ours has the name now
            await self._ledger.forget(self._engine_id, reference)

    async def _restored(self, image_id: str, reference: str) -> bool:
        try:
            await self._engine.tag(image_id, reference)
        except ImageGone:
            return False
        return True

    async def _digests(self, image_id: str, repository: str) -> frozenset[str]:
        """The digests by which the image is known in the repository. The engine shortens Docker Hub's names."""
        image = await self._engine.inspect(image_id)
        short = repository.removeprefix("docker.io/").removeprefix("library/")
        names = {repository, short}
        pairs = (known.split("@", 1) for known in (image.digests if image else ()))
        return frozenset(digest for name, digest in pairs if name in names)
