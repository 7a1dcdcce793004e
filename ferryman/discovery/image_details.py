"""Reads an image's age, and the digests of its platforms, from its manifests and configs."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferryman.discovery.timestamps import from_iso
from ferryman.errors import NotFound, Unsupported, WrongContent
from ferryman.manifests.config import parse_config, platform_in
from ferryman.manifests.index import config_digest, document_of, images_in
from ferryman.manifests.limits import MAX_INDEX_DEPTH
from ferryman.manifests.manifest import Manifest
from ferryman.platforms import Platform
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient

_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """Details that an image's own manifests contain."""

    created_at: datetime | None = None
    platforms: Mapping[Platform, str | None] | None = (
        None  # all of them, each with its manifest's digest; None: unknown
    )


async def read_image_details(client: RegistryClient, reference: Reference) -> ImageDetails:
    """Read an image's platforms, and its age: from its annotation, or else from the config of its first platform.

    The content is cached for the copy, which usually comes next. Raises TransferError.
    """
    manifest = await client.get_manifest(reference, keep=True)
    document, repository = document_of(manifest), reference.repository
    created_at = _annotated(document)
    if "manifests" in document:
        return ImageDetails(
            created_at or await _age_in_index(client, repository, manifest), _platforms_of_index(document)
        )
    config: Mapping[str, Any] = {}
    try:
        config = await _config(client, repository, manifest)
    except (NotFound, Unsupported, WrongContent):
        if created_at is None:
            raise
    platform = platform_in(config)
    return ImageDetails(
        created_at or from_iso(config.get("created")), {platform: manifest.digest} if platform else None
    )


async def _age_in_index(client: RegistryClient, repository: Repository, index: Manifest) -> datetime | None:
    """The age of an index's first child, also of a nested index's. None if a child is broken: the copy reports that."""
    manifest = index
    with suppress(NotFound, Unsupported, WrongContent):
        for _ in range(MAX_INDEX_DEPTH + 1):  # the indexes, and the image in the innermost one
            document = document_of(manifest)
            if manifest is not index and (created_at := _annotated(document)):
                return created_at
            child = next((digest for digest, _ in images_in(document)), None)
            if child is None:
                return from_iso((await _config(client, repository, manifest)).get("created"))
            manifest = await client.get_manifest(repository.pinned(child), keep=True)
    return None


def _annotated(document: Mapping[str, Any]) -> datetime | None:
    annotations = document.get("annotations")
    return from_iso(annotations.get(_CREATED)) if isinstance(annotations, dict) else None


def _platforms_of_index(document: Mapping[str, Any]) -> Mapping[Platform, str | None] | None:
    """None if a child has no platform: an incomplete list could exclude tags that have a wanted platform."""
    found: dict[Platform, str | None] = {}
    for digest, platform in images_in(document):
        if platform is None:
            return None
        found.setdefault(platform, digest)
    return found or None


async def platform_digests(client: RegistryClient, reference: Reference) -> dict[Platform, str]:
    """The manifest's digest of each platform of an image; a single manifest is its own. Raises TransferError."""
    manifest = await client.get_manifest(reference)
    document = document_of(manifest)
    if "manifests" in document:
        return {platform: digest for digest, platform in images_in(document) if platform}
    platform = platform_in(await _config(client, reference.repository, manifest))
    return {platform: manifest.digest} if platform else {}


async def _config(client: RegistryClient, repository: Repository, manifest: Manifest) -> dict[str, Any]:
    digest = config_digest(manifest)
    return {} if digest is None else parse_config(await client.get_blob(repository, digest, keep=True))
