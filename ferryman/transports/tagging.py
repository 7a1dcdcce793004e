"""Puts a manifest under its tag, tolerating immutable tags and lost answers if the tag is right; removes tags."""

from contextlib import suppress

from ferryman.errors import LoginRefused, RateLimited, TransferError, Unreachable, Unsupported
from ferryman.manifests.index import empty_index
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Reference
from ferryman.registry.client import ManifestRefused, RegistryClient, Stored
from ferryman.transports.base import Overwriting


class TagRefused(Unsupported):
    """The target accepts the manifest, but does not let the tag name it: the tag is immutable."""


async def put_tag(
    registry: RegistryClient, tag: Reference, manifest: Manifest, overwriting: Overwriting | None = None
) -> Stored:
    """Put a manifest under a tag. A refusal or a lost answer is no error if the tag names the manifest already.

    A refusal because the registry lacks content is one: it has lost a part of what the tag names. Raises TagRefused if
    only the tag is refused, and what `put_manifest` and `overwriting` raise.
    """
    if overwriting is not None:
        await overwriting(manifest.digest)
    try:
        return await registry.put_manifest(tag, manifest)
    except (RateLimited, LoginRefused):
        raise
    except TransferError as error:
        if isinstance(error, ManifestRefused) and error.lacks_content:
            raise
        current = await _current_digest(registry, tag)
        if current == manifest.digest:  # an immutable tag refuses even this; or the answer to a successful PUT was lost
            return Stored(current, confirmed=True)
        if current is None or error.temporary or not await accepts_manifest(registry, tag, manifest):
            raise
        try:
            return await registry.put_manifest(tag, manifest)  # the first refusal may have been temporary
        except TransferError as again:
            if again.temporary:
                raise
        message = f"{tag}: the target's tag may not be overwritten, and names {current}: {error}"
        raise TagRefused(message, registry=error.registry, reported=error.reported, status=error.status) from error


async def accepts_manifest(registry: RegistryClient, target: Reference, manifest: Manifest) -> bool:
    """Whether the target repository accepts the manifest under its digest. Raises Temporary, except Unreachable."""
    try:
        await registry.put_manifest(target.repository.pinned(manifest.digest), manifest)
    except TransferError as error:
        if error.temporary and not isinstance(error, Unreachable):
            raise
        return False
    return True


async def remove_tag(registry: RegistryClient, tag: Reference) -> bool:
    """Remove a tag, and never what it names, which others may need. False: the registry deletes nothing.

    Many registries delete manifests alone, with all their tags, and some do so even if they are asked for a tag. So
    the tag is put on an empty index of its own, and that is deleted. Repeating it after a crash does no harm.
    """
    own = own_index(registry, tag)
    if not await registry.delete_manifest(tag.repository.pinned(own.digest)):  # before anything is overwritten
        return False
    await registry.put_manifest(tag, own)
    return await registry.delete_manifest(tag.repository.pinned(own.digest))


def own_index(registry: RegistryClient, tag: Reference) -> Manifest:
    """The empty index that the tag names for a moment while it is removed."""
    return empty_index(str(tag), docker=not registry.capabilities(tag.repository.registry).takes_oci_indexes)


async def _current_digest(registry: RegistryClient, tag: Reference) -> str | None:
    """The digest that the tag names now; None: the tag does not exist, or could not be read."""
    with suppress(TransferError):
        return (await registry.head_manifest(tag)).digest
    return None
