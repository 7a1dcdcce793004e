"""The platforms of a mirrored tag and their sizes, read from the target when somebody asks for them."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from ferryman.errors import TransferError, Unreachable
from ferryman.manifests import contents
from ferryman.manifests.config import platform_of
from ferryman.manifests.contents import Child, ManifestContents
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient
from ferryman.tasks import for_each

_MOST = 64  # images of an index that are read; an index has a dozen, rarely more
_AT_ONCE = 8
_TIMEOUT = 10.0  # seconds for all of them: a person waits
_KEPT = 256  # tags


@dataclass(frozen=True, slots=True)
class ImageSize:
    """One image of a tag."""

    platform: str | None  # os/arch/variant; None: not an image, or unknown
    digest: str
    size: int | None  # bytes of its layers and config; None: an image of an index within the index, or one too many
    layers: int | None


class ImageSizes:
    """Reads sizes, and keeps those of the last tags: what a digest names never changes."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry
        self._kept: OrderedDict[str, tuple[ImageSize, ...]] = OrderedDict()  # by repository@digest

    def kept(self, target: str, digest: str) -> tuple[ImageSize, ...] | None:
        """What was read before; None: nothing, so `read` would ask the target."""
        return self._kept.get(f"{target}@{digest}")

    async def read(self, target: str, digest: str) -> tuple[ImageSize, ...]:
        """The images of the manifest that the target repository has by this digest, in the order of its index.

        Raises TransferError.
        """
        reference = Repository.parse(target).pinned(digest)
        if (known := self.kept(target, digest)) is not None:
            return known
        try:
            async with asyncio.timeout(_TIMEOUT):
                found = await self._images(reference)
        except TimeoutError:
            message = f"{reference} could not be read within {_TIMEOUT:.0f} s"
            raise Unreachable(message, registry=reference.repository.registry) from None
        if all(image.size is not None for image in found):  # otherwise one may only have been out of reach
            self._kept[str(reference)] = found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found

    async def _images(self, reference: Reference) -> tuple[ImageSize, ...]:
        read = contents.read(await self._registry.get_manifest(reference))
        if not read.is_list:
            return (_image(await self._platform(reference.repository, read), reference.digest or "", read),)
        listed = [child for child in read.children if not child.is_attestation]
        sizes: dict[str, ImageSize] = {}

        async def one(child: Child) -> None:
            sizes[child.digest] = await self._child(reference.repository, child)

        await for_each([child for child in listed if not child.is_index][:_MOST], one, at_once=_AT_ONCE)
        return tuple(
            sizes.get(child.digest) or ImageSize(_platforms(child), child.digest, None, None) for child in listed
        )

    async def _child(self, repository: Repository, child: Child) -> ImageSize:
        try:
            manifest = await self._registry.get_manifest(repository.pinned(child.digest))
        except TransferError:  # the target may hold some of the platforms only
            return ImageSize(_platforms(child), child.digest, None, None)
        return _image(_platforms(child), child.digest, contents.read(manifest))

    async def _platform(self, repository: Repository, read: ManifestContents) -> str | None:
        if read.config is None or not read.is_image:
            return None
        platform = platform_of(await self._registry.get_blob(repository, read.config.digest))
        return str(platform) if platform else None


def _platforms(child: Child) -> str | None:
    return ", ".join(map(str, child.platforms)) or None


def _image(platform: str | None, digest: str, read: ManifestContents) -> ImageSize:
    layers = len(read.blobs) + len(read.foreign) - (read.config is not None)
    return ImageSize(platform, digest, sum(blob.size for blob in (*read.blobs, *read.foreign)), layers)
