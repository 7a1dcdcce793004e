"""Find out whether a registry has all that a manifest names: manifests, blobs, and their bytes.

What one repository has is not asked for again in this object's life, however many tags and repositories of the registry
share it. What one lacks, another may have: that is asked for in each.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from ferryman.errors import NotFound, Unsupported, WrongContent
from ferryman.manifests.contents import Descriptor, ManifestContents, read
from ferryman.manifests.limits import MAX_INDEX_DEPTH
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.transports.locks import KeyedLocks

_T = TypeVar("_T")

Lacking = Mapping[str, str]  # what is missing, and what is wrong with it, by digest
_NOTHING: Lacking = {}


class Contents:
    """What the registries have, as far as it was asked for. One object for one verification."""

    def __init__(self, registry: RegistryClient, *, reads: bool) -> None:
        """`reads`: every blob is read and hashed; otherwise it is only asked for."""
        self._registry = registry
        self._reads = reads
        self._locks = KeyedLocks()
        self._present: set[tuple[str, str]] = set()  # registry and digest, with all below it
        self._lacking: dict[tuple[Repository, str], Lacking] = {}

    async def lacking(self, repository: Repository, digest: str) -> Lacking:
        """What the repository lacks of this manifest and all below it. Raises TransferError: it cannot be told now."""
        return await self._manifest(repository, digest, depth=1)

    async def _manifest(self, repository: Repository, digest: str, *, depth: int) -> Lacking:
        async def ask() -> Lacking:
            manifest, lacking = await self._read_manifest(repository, digest)
            return lacking if manifest is None else await self._below(repository, _contents_of(manifest), depth)

        return await self._once(repository, digest, ask)

    async def _below(self, repository: Repository, contents: ManifestContents, depth: int) -> Lacking:
        # One after the other: how many requests are in flight is up to how many tags are checked at once.
        found: dict[str, str] = {}
        for child in contents.children if depth < MAX_INDEX_DEPTH else ():
            found |= await self._manifest(repository, child.digest, depth=depth + 1)
        for blob in contents.blobs:
            found |= await self._blob(repository, blob)
        return found

    async def _blob(self, repository: Repository, blob: Descriptor) -> Lacking:
        async def ask() -> Lacking:
            wrong = await (self._read_blob if self._reads else self._ask_for_blob)(repository, blob)
            return {blob.digest: f"{wrong}: the blob {blob.digest} of {blob.size} bytes"} if wrong else _NOTHING

        return await self._once(repository, blob.digest, ask)

    async def _once(self, repository: Repository, digest: str, ask: Callable[[], Awaitable[Lacking]]) -> Lacking:
        anywhere, here = (repository.registry, digest), (repository, digest)
        async with self._locks.holding("@".join(anywhere)):
            if anywhere in self._present:
                return _NOTHING
            if here not in self._lacking:
                lacking = await ask()
                if not lacking:
                    self._present.add(anywhere)
                    return _NOTHING
                self._lacking[here] = lacking
            return self._lacking[here]

    async def _read_manifest(self, repository: Repository, digest: str) -> tuple[Manifest | None, Lacking]:
        try:
            return await _twice(lambda: self._registry.get_manifest(repository.pinned(digest))), _NOTHING
        except NotFound:
            return None, {digest: f"missing: the manifest {digest}"}
        except WrongContent as error:
            return None, {digest: f"damaged: {error}"}

    async def _ask_for_blob(self, repository: Repository, blob: Descriptor) -> str:
        """What is wrong with the blob, in a word; empty: nothing."""
        held = await self._registry.head_blob(repository, blob.digest)
        if held.there is None:
            message = f"{repository} does not say whether it has {blob.digest}"
            raise Unsupported(message, registry=repository.registry)
        if not held.there:
            return "missing"
        return "damaged" if held.size and held.size != blob.size else ""  # 0: some do not know it

    async def _read_blob(self, repository: Repository, blob: Descriptor) -> str:
        try:
            await _twice(lambda: self._download(repository, blob))
        except NotFound:
            return "missing"
        except WrongContent:
            return "damaged"
        return ""

    async def _download(self, repository: Repository, blob: Descriptor) -> None:
        """Read it to its end; only then its digest is verified. Within the registry's `bandwidth`."""
        async with self._registry.transfer(repository.registry, repository.registry):
            download = self._registry.download(repository, blob.digest, blob.size, on_progress=lambda _: None)
            try:
                async for _ in download.pieces(0, blob.size):
                    pass
            finally:
                download.close()


async def _twice(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Ask again if wrong content comes: only what comes twice is the registry's, and not the way's."""
    with suppress(WrongContent):
        return await ask()
    return await ask()


def _contents_of(manifest: Manifest) -> ManifestContents:
    """What it names; nothing, if it is malformed: it has its digest, so upstream made it so."""
    with suppress(WrongContent):
        return read(manifest)
    return ManifestContents()
