"""Repair a damaged tag: from upstream by the queue, or from what the target's own registry still has."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

from ferryman.errors import Denied, LoginRefused, NotFound, Permanent, RateLimited, TransferError
from ferryman.reference import Reference, Repository
from ferryman.registry.client import ManifestRefused, RegistryClient
from ferryman.store.records import Checked, Damage, MirroredTag
from ferryman.store.target_blobs import TargetBlobs
from ferryman.transports.base import Copied, Overwriting
from ferryman.transports.tagging import put_tag
from ferryman.verification.contents import Contents

_MOST_HOLDERS = 5  # other repositories that are tried

CopyWithin = Callable[[Reference, Reference], Awaitable[Copied]]


class Repair:
    """Repairs tags. One object for the life of a process."""

    def __init__(
        self,
        *,
        blobs: TargetBlobs,
        registry: RegistryClient,
        copy: CopyWithin,
        keeping: Callable[[Reference], Overwriting],
    ) -> None:
        """`copy`: from one reference of a registry to another one there, without upstream. `keeping`: see Worker."""
        self._blobs = blobs
        self._registry = registry
        self._copy = copy
        self._keeping = keeping

    async def repair(self, target: Repository, held: MirroredTag, damage: Damage) -> Checked:
        """What came of it, to be recorded by the caller. Raises StoreError, and TransferError."""
        await self._correct_record(target, damage)
        if held.held:  # upstream's tag names something else, which nobody has released; it may have this digest, too
            restored = await self._restore(target, held, also=Repository.parse(held.source))
            return Checked(held, damage, "restored" if restored else "lost")
        upstream = await self._upstream(held)
        if not isinstance(upstream, Permanent):
            return Checked(held, damage, "queued", moved=upstream == "moved")
        if await self._restore(target, held):
            return Checked(held, damage, "restored")
        # A source that denies access may grant it again; a tag that is gone from its list is another matter.
        is_lost = held.gone or held.source_digest is None or isinstance(upstream, NotFound)
        return Checked(held, damage, "lost" if is_lost else "queued")

    async def _correct_record(self, target: Repository, damage: Damage) -> None:
        """Forget what the target was believed to hold: the copy must not rely on it.

        Where the manifest is gone, too, nobody knows what else was removed with it: nothing is believed any more.
        """
        if damage.finding == "missing":
            await self._blobs.forget_repository(target.registry, target.name)
        elif damage.lacking:
            await self._blobs.forget(target.registry, target.name, damage.lacking)

    async def _upstream(self, held: MirroredTag) -> Permanent | Literal["unmoved", "moved", "unknown"]:
        """Whether upstream has what a repair would copy, and whether its tag names that; an error: it has it not."""
        source = Repository.parse(held.source)
        if held.source_digest is None:
            return NotFound(f"{source}:{held.tag}: its digest is not known", registry=source.registry)
        try:
            with suppress(NotFound):
                named = (await self._registry.head_manifest(source.tagged(held.tag))).digest
                return "unmoved" if named == held.source_digest else "moved"
            await self._registry.head_manifest(source.pinned(held.source_digest))
        except (NotFound, Denied) as error:
            return error
        except TransferError:
            if held.gone:  # a look would take it out of the queue before it is copied
                raise
        return "unknown"

    async def _restore(self, target: Repository, held: MirroredTag, *, also: Repository | None = None) -> bool:
        """Put the tag back from this repository, or from another one of its registry that has the image, or `also`.

        False: none has it. Raises TransferError if that cannot be told of all.
        """
        if held.digest is None:
            return False
        holders = (await self._blobs.holders(target.registry, [held.digest], kind="manifest")).get(held.digest, set())
        others = sorted(holders - {target.name})[:_MOST_HOLDERS]
        repositories = [Repository(target.registry, name) for name in (target.name, *others)]
        failure: TransferError | None = None
        for repository in [*repositories, also] if also else repositories:
            try:
                if await self._take_from(repository, target, held.tag, held.digest):
                    return True
            except (RateLimited, LoginRefused):
                raise
            except TransferError as error:
                failure = failure if _is_lacking(error) else error
        if failure is not None:
            raise failure
        return False

    async def _take_from(self, holder: Repository, target: Repository, tag: str, digest: str) -> bool:
        """Copy by digest, for another form of the image would be another image; then the tag may name it."""
        await self._copy(holder.pinned(digest), target.pinned(digest))
        if not await self._is_whole(target, digest):
            return False
        manifest, named = await self._registry.get_manifest(target.pinned(digest)), target.tagged(tag)
        await put_tag(self._registry, named, manifest, self._keeping(named))
        return True

    async def _is_whole(self, target: Repository, digest: str) -> bool:
        """Whether all of it is there: some registries accept manifests of which they lack blobs."""
        return not await Contents(self._registry, reads=False).lacking(target, digest)


def _is_lacking(error: TransferError) -> bool:
    """Whether the registry says that it lacks the image, or a part of it."""
    return isinstance(error, NotFound) or (isinstance(error, ManifestRefused) and error.lacks_content)
