"""Remove one tag from its target: what it names is kept before, and never deleted itself.

The removal is recorded before the target is asked for anything, and ended after it has no such tag any more. So
whatever ends the process in between, the next cycle finds it: `go_on` asks the target what the tag names, and ends the
removal or takes it back.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from ferryman.errors import Denied, NotFound, TransferError, Unsupported, WrongContent
from ferryman.reference import Reference, Repository, subject_of
from ferryman.registry.client import RegistryClient
from ferryman.store.prunes import Prunes
from ferryman.store.records import PruneMark, TagRecord
from ferryman.store.target_blobs import TargetBlobs
from ferryman.transports.base import Overwriting
from ferryman.transports.tagging import own_index, remove_tag

Removed = Literal[
    "removed",
    "changed",  # somebody else has overwritten it
    "refused",  # the registry deletes nothing
    "denied",  # the account may not delete in this repository
    "immutable",  # the registry does not let this tag go
]


class Removal:
    """Removes tags whose removal is on record. One object for the life of a process."""

    def __init__(
        self, *, prunes: Prunes, blobs: TargetBlobs, registry: RegistryClient,
        keeping: Callable[[Reference], Overwriting],
    ) -> None:  # fmt: skip
        """`keeping`: returns what keeps that which a tag names."""
        self._prunes = prunes
        self._blobs = blobs
        self._registry = registry
        self._keeping = keeping

    async def remove(self, mark: PruneMark, record: TagRecord) -> Removed:
        """Remove it. Raises StoreError, and TransferError: the tag is as before, or the next cycle goes on."""
        tag = _tag(mark)
        try:
            named = await self._names(tag)
            if named is None:
                await self._end(mark, record.target_digest)
                return "removed"
            if named != self._own(tag):
                if record.target_digest not in {None, named}:
                    await self._prunes.undo(mark, changed=named, is_foreign=record.is_foreign)
                    return "changed"
                await self._keep(tag)
        except TransferError:
            await self._prunes.undo(mark)
            raise
        return await self._take_off(mark, named if named != self._own(tag) else record.target_digest)

    async def go_on(self, mark: PruneMark, record: TagRecord) -> Removed | None:
        """End a removal whose process is dead, if the tag is not whole any more; else take it back: None. Raises so."""
        tag = _tag(mark)
        named = await self._names(tag)
        if named in {None, self._own(tag)}:
            return await self.remove(mark, record)
        await self._prunes.undo(mark)
        return None

    async def _keep(self, tag: Reference) -> None:
        """Signatures go after what they belong to: what is kept has kept them, too."""
        if not subject_of(str(tag.tag)):
            await self._keeping(tag)(None)

    async def _take_off(self, mark: PruneMark, digest: str | None) -> Removed:
        tag = _tag(mark)
        result: Removed
        try:
            result = "removed" if await remove_tag(self._registry, tag) else "refused"
            if result == "removed" and await self._names(tag) is not None:
                raise WrongContent(f"{tag} is still there after it was deleted", registry=tag.repository.registry)
        except Unsupported:
            result = "immutable"
        except Denied:
            result = "denied"
        except TransferError as error:
            return await self._settle(mark, digest, error)
        if result == "removed":
            await self._end(mark, digest)
            return result
        if await self._names(tag) == self._own(tag) and digest is not None:  # allowed to overwrite, but not to delete
            await self._registry.put_manifest(tag, await self._registry.get_manifest(tag.repository.pinned(digest)))
        await self._prunes.undo(mark, postponed=result == "immutable")
        return result

    async def _settle(self, mark: PruneMark, digest: str | None, error: TransferError) -> Removed:
        """After an error: find out what the tag names. The next cycle goes on with what is half done."""
        named = await self._names(_tag(mark))
        if named is None:  # the answer was lost
            await self._end(mark, digest)
            return "removed"
        if named != self._own(_tag(mark)):
            await self._prunes.undo(mark)
        raise error

    async def _names(self, tag: Reference) -> str | None:
        """None: there is no such tag. Asked twice: what is not there is recorded as removed."""
        with suppress(NotFound):
            return (await self._registry.head_manifest(tag)).digest
        with suppress(NotFound):
            return (await self._registry.get_manifest(tag)).digest
        return None

    async def _end(self, mark: PruneMark, digest: str | None) -> None:
        await self._prunes.end(mark, digest)
        if digest is not None:
            repository = Repository.parse(mark.target)
            await self._blobs.forget(repository.registry, repository.name, [digest])

    def _own(self, tag: Reference) -> str:
        return own_index(self._registry, tag).digest


def _tag(mark: PruneMark) -> Reference:
    return Repository.parse(mark.target).tagged(mark.tag)
