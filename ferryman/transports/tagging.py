"""A manifest put under its tag: the one request of a copy that others see, and that may have been right before."""

from contextlib import suppress

from ferryman.errors import LoginRefused, RateLimited, TransferError, Unreachable, Unsupported
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient, Stored


class TagRefused(Unsupported):
    """The target takes the manifest, and does not let the tag name it: the tag is immutable."""


async def put_tag(registry: RegistryClient, tag: Reference, manifest: Manifest) -> Stored:
    """Put a manifest under a tag. That it is refused, or not answered, is no error where the tag names it already.

    Raises TagRefused where the tag is what is refused, and what `put_manifest` raises.
    """
    try:
        return await registry.put_manifest(tag, manifest)
    except (RateLimited, LoginRefused):
        raise
    except TransferError as error:
        named = await _named(registry, tag)
        if named == manifest.digest:  # immutable tags refuse even that; and the answer to a PUT that worked may be lost
            return Stored(named, confirmed=True)
        if named is None or error.temporary or not await is_taken(registry, tag, manifest):
            raise
        try:
            return await registry.put_manifest(tag, manifest)  # the refusal may have been a passing one
        except TransferError as again:
            if again.temporary:
                raise
        message = f"{tag}: the target's tag may not be overwritten, and names {named}: {error}"
        raise TagRefused(message, registry=error.registry, reported=error.reported, status=error.status) from error


async def is_taken(registry: RegistryClient, place: Reference, manifest: Manifest) -> bool:
    """Whether the repository takes the manifest under its digest. Raises Temporary."""
    try:
        await registry.put_manifest(place.repository.pinned(manifest.digest), manifest)
    except TransferError as error:
        if error.temporary and not isinstance(error, Unreachable):
            raise
        return False
    return True


async def _named(registry: RegistryClient, tag: Reference) -> str | None:
    """The digest that the tag names now; None: nothing, as far as can be told."""
    with suppress(TransferError):
        return (await registry.head_manifest(tag)).digest
    return None
